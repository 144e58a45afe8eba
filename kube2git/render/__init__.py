"""Reports and differences -> text for people and JSON for programs. Pure: returns what to print."""
