"""Reports -> text, tables, pictures and pages."""
