"""Models of PyTorch, Keras and Flax, built under seeds and audited; no framework is loaded before it is needed."""
