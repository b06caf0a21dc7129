"""`vspc backup` and `vspc restore`: the state of a server in one file."""
