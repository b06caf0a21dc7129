"""Numbers for Prometheus, and whether the server is well, by HTTP. Nothing is changed here."""
