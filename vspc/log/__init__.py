"""The log: the output of VMs and what happens on consoles, on disk."""
