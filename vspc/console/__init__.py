"""Consoles and who is on them. No Twisted, no wire."""
