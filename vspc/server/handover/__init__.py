"""Restarts under a service manager: its notifications, and what the next process goes on with."""
