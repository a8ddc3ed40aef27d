"""What a network is: activations, initialisers, layers, and how a config becomes a `NetworkSpec`."""
