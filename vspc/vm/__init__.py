"""The VM's side: the three telnet layers, registration and the listeners."""
