"""What to change so that a network is stable both ways, by theory."""
