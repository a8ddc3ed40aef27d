"""Remedies as the lines of a framework."""
