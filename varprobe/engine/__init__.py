"""How one trial, or a stack of trials, is computed: draws, forward, backward, per-layer statistics."""
