"""Audits for people and machines."""
