"""Lessons on variance propagation: shipped configs and texts, measured and written as pages."""
