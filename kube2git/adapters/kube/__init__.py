"""The Kubernetes API server: what it serves, what it holds at one revision, one object of it."""
