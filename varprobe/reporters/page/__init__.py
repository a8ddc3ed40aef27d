"""What all pages share: templates, tables, questions, pictures in them."""
