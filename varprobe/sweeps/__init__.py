"""A network at many settings: axes of values, points on processes, and a record that survives being stopped."""
