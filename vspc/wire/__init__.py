"""Bytes to meaning and back: telnet, RFC 1143, VMware's extension. No Twisted, no console."""
