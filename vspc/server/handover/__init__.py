"""Restarts under a service manager: its notifications, and what the next process goes on with.

State is written as it changes into a file in memory (`state_file`), which lies in the service
manager's descriptor store beside the connections: a process that is killed leaves it as it is.
"""
