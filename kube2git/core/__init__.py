"""The meaning of cluster state: pure values and functions, no clock, environment or I/O."""
