"""The model of a network: layers, laws, activations, initialisers, and what each is in words and numbers."""
