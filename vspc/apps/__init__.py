"""What runs on a channel: consoles on terminals and for programs, the chooser, the verbs."""
