"""Completion files for shells, and the names that they ask for."""
