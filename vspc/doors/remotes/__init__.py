"""Connections to the remote systems that VMs ask for (DO-PROXY, direction client)."""
