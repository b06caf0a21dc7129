"""Consoles and their attachments. No Twisted, no wire."""
