"""Tests of the CSI driver for tests, as far as it needs neither sidecars nor a cluster."""
