"""Weights that were drawn, held to the laws that they could come from and to the laws that were meant."""
