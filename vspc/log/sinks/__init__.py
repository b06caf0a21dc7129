"""Sinks: what VMs say, told to other programs as well; each has a thread, and harms nobody."""
