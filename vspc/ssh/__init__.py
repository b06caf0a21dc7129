"""The operators' door: Conch, hardened, and bridged onto consoles."""
