"""Trials -> Measurement."""
