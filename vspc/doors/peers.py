"""Clients of Unix sockets, by what the kernel knows of them."""

import socket
import struct
from pathlib import Path
from typing import Any

_NO_LOGIN = 0xFFFFFFFF


def local_peer(transport: Any) -> tuple[int, str]:
    """The uid of the process at the other end, and how logs name it: with the uid with which its
    owner logged in, before any su, if that is known.
    """
    peer: socket.socket = transport.getHandle()
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid, uid, _ = struct.unpack("3i", credentials)
    return uid, f"local uid={uid}{_login_uid(pid)}"


def _login_uid(pid: int) -> str:
    """The uid of the login of a process' owner; empty if unknown."""
    try:
        number = int(Path(f"/proc/{pid}/loginuid").read_text())
    except (OSError, ValueError):
        return ""
    return "" if number == _NO_LOGIN else f" loginuid={number}"
