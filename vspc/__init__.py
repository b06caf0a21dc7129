"""vspc: a console access server for virtual machines."""

__version__ = "0.1.0"
