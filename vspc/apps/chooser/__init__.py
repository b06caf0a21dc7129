"""The chooser: a list of consoles to select one from."""
