"""A console on a terminal: its keys, its screen, and its escape commands."""
