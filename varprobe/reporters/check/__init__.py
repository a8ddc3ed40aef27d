"""Checks -> text for people, build servers and other tools."""
