"""How fast, against the raw sweep of the same cluster in the same run. Never fails on a time."""
