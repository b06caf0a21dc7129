"""Consoles as sockets for programs: raw TCP, telnet, RFC 2217 ([[console.listen]])."""
