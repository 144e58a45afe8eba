"""Tests of the parts of the test control plane that need no control plane."""
