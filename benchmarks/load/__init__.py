"""The load generator: a process of its own that plays VMs, cheaply, and checks every answer."""
