"""The audit file: who did what."""
