"""The product's verbs. Flows know ports, never adapters; they yield what happens, print nothing."""
