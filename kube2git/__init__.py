"""Kubernetes cluster state as Git history that can be replayed."""

__version__ = "0.1.0"
