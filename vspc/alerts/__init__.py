"""Alerts: lines of output that match a pattern, and who is told of them."""
