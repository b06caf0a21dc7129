"""The escape commands, by family."""
