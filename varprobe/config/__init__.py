"""Config files: from YAML to a network and what is expected of it, and back."""
