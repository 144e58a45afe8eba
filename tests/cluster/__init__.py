"""Tests against a real API server; `conftest.py` starts it."""
