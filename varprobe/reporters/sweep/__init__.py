"""Sweeps -> text, tables, pictures and pages."""
