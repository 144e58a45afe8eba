"""All input and output. Adapters know the core, never flows, and never each other."""
