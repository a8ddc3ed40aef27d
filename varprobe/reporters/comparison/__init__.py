"""Comparisons -> text, tables, pictures and pages."""
