"""Searching the log of a console on its operator's terminal (`^Ec/`)."""
