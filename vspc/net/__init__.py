"""Transports, TLS and limits over Twisted. No console."""
