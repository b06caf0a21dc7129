"""`vspc backup` and `vspc restore`."""
