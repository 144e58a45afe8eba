"""The command line: one module a command. Faces may print, read the environment and exit."""
