"""Gaussian integrals: expectations of an activation over one normal variable, and over two that are correlated."""
