#!/usr/bin/python3 -I
"""PAM authentication of vspc's operators; docs/auth-command.md describes the protocol.

    [ssh]
    auth_command = ["/usr/local/libexec/vspc-auth-pam", "vspc"]

/etc/pam.d/vspc decides by its "auth" and "account" lines; no session is opened. Copy this program
to a place where only root can change it. It needs Python 3.8 and libpam, nothing else, and runs as
the server's user: modules that need root, such as pam_unix for other users than that one, refuse.

    auth-pam.py [--confdir DIR] [SERVICE]

SERVICE is "vspc" by default; DIR is read instead of /etc/pam.d (Linux-PAM 1.4).
"""

from __future__ import annotations

import argparse
import ctypes
import os
import re
import sys
from collections.abc import Callable, Iterator
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int, c_size_t, c_void_p
from typing import Any, BinaryIO

PAM_SUCCESS, PAM_BUF_ERR, PAM_CONV_ERR = 0, 5, 19
PAM_TTY, PAM_RHOST = 3, 4
PAM_DISALLOW_NULL_AUTHTOK = 1
ECHO_OFF, ECHO_ON, ERROR_MSG, TEXT_INFO = 1, 2, 3, 4
MAX_RESPONSE = 512  # PAM_MAX_RESP_SIZE, with the NUL at the end


class Message(Structure):
    """struct pam_message"""

    _fields_ = (("style", c_int), ("text", c_char_p))


class Response(Structure):
    """struct pam_response; PAM frees `text` and the array."""

    _fields_ = (("text", c_void_p), ("code", c_int))


TALK = CFUNCTYPE(c_int, c_int, POINTER(POINTER(Message)), POINTER(POINTER(Response)), c_void_p)


class Conv(Structure):
    """struct pam_conv"""

    _fields_ = (("talk", TALK), ("data", c_void_p))


class Gone(Exception):
    """The server has closed our standard input, or said what we do not understand."""


class Server:
    """The two pipes to vspc."""

    def __init__(self, reader: BinaryIO, writer: BinaryIO) -> None:
        self._reader = reader
        self._writer = writer
        self._notes: list[bytes] = []

    def hear(self, word: bytes) -> bytes:
        """The text of the next line, which must begin with `word`."""
        line = self._reader.readline()
        found, _space, text = line.rstrip(b"\n").partition(b" ")
        if not line.endswith(b"\n") or found != word:
            raise Gone
        return re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes.fromhex(match[1].decode()), text)

    def say(self, word: bytes, text: bytes = b"") -> None:
        """A line. What is not plain text in it is written %XX."""
        escaped = re.sub(rb"[\0-\x1f%\x7f]", lambda match: b"%%%02X" % match[0][0], text)
        self._writer.write(word + (b" " + escaped if text else b"") + b"\n")
        self._writer.flush()

    def note(self, text: bytes) -> None:
        """Said with the next question, or with the reason of a no."""
        self._notes.append(text.strip())

    def noted(self, text: bytes) -> bytes:
        """`text` after all that was noted."""
        notes, self._notes = self._notes, []
        return b" ".join([note for note in notes if note] + [text])

    def ask(self, style: int, text: bytes) -> bytes:
        """What the operator answers."""
        self.say(b"ask-visible" if style == ECHO_ON else b"ask", self.noted(text))
        return self.hear(b"answer")


def talker(server: Server, libc: Any) -> Any:
    """What PAM calls when a module has something to say or to ask."""

    def answers(count: int, messages: Any) -> Iterator[bytes | None]:
        for number in range(count):
            message = messages[number].contents
            if message.style in (ECHO_OFF, ECHO_ON):
                yield server.ask(message.style, message.text or b"")
            elif message.style in (ERROR_MSG, TEXT_INFO):
                server.note(message.text or b"")
                yield None
            else:
                raise Gone

    def talk(count: int, messages: Any, responses: Any, _data: Any) -> int:
        try:
            texts = list(answers(count, messages))
        except (Gone, OSError):
            return PAM_CONV_ERR
        # An answer that C would cut is none: "right\0wrong" is not "right".
        if any(text is not None and (b"\0" in text or len(text) >= MAX_RESPONSE) for text in texts):
            return PAM_CONV_ERR
        array = libc.calloc(count, ctypes.sizeof(Response))
        if not array:
            return PAM_BUF_ERR
        filled = ctypes.cast(array, POINTER(Response))
        for number, text in enumerate(texts):
            filled[number].text = None if text is None else libc.strdup(text)
        responses[0] = filled
        return PAM_SUCCESS

    return TALK(talk)


def libraries() -> tuple[Any, Any]:
    """libc and libpam, with the types of what is called."""
    libc, libpam = ctypes.CDLL(None), ctypes.CDLL("libpam.so.0")
    libc.calloc.restype, libc.calloc.argtypes = c_void_p, (c_size_t, c_size_t)
    libc.strdup.restype, libc.strdup.argtypes = c_void_p, (c_char_p,)
    start = (c_char_p, c_char_p, POINTER(Conv))
    libpam.pam_start.argtypes = (*start, POINTER(c_void_p))
    if hasattr(libpam, "pam_start_confdir"):
        libpam.pam_start_confdir.argtypes = (*start, c_char_p, POINTER(c_void_p))
    libpam.pam_set_item.argtypes = (c_void_p, c_int, c_char_p)
    libpam.pam_strerror.restype, libpam.pam_strerror.argtypes = c_char_p, (c_void_p, c_int)
    for name in ("pam_authenticate", "pam_acct_mgmt", "pam_end"):
        getattr(libpam, name).argtypes = (c_void_p, c_int)
    return libc, libpam


def steps(libpam: Any, handle: c_void_p, address: bytes) -> Iterator[Callable[[], int]]:
    """What is to be done, one after the other; each must return PAM_SUCCESS."""
    flags = PAM_DISALLOW_NULL_AUTHTOK
    yield lambda: libpam.pam_set_item(handle, PAM_RHOST, address)
    yield lambda: libpam.pam_set_item(handle, PAM_TTY, b"ssh")
    yield lambda: libpam.pam_authenticate(handle, flags)
    yield lambda: libpam.pam_acct_mgmt(handle, flags)


def decide(server: Server, service: bytes, confdir: bytes | None) -> None:
    """One login, from the first line to the verdict."""
    if server.hear(b"version") != b"1":
        raise Gone
    operator, address = server.hear(b"operator"), server.hear(b"address")
    if not operator or b"\0" in operator:
        server.say(b"no", b"that is no name of a user")
        return
    libc, libpam = libraries()
    talk, handle = talker(server, libc), c_void_p()
    conv = Conv(talk, None)
    if confdir is None:
        result = libpam.pam_start(service, operator, byref(conv), byref(handle))
    else:
        result = libpam.pam_start_confdir(service, operator, byref(conv), confdir, byref(handle))
    if result != PAM_SUCCESS:
        server.say(b"no", b"PAM cannot be started for this service (%d)" % result)
        return
    for step in steps(libpam, handle, address):
        result = step()
        if result != PAM_SUCCESS:
            break
    reason = libpam.pam_strerror(handle, result) or b"error %d" % result
    libpam.pam_end(handle, result)
    if result == PAM_SUCCESS:
        server.say(b"ok")
    else:
        server.say(b"no", server.noted(reason))


def main() -> int:
    """Status 0: there was a verdict, whatever it was."""
    parser = argparse.ArgumentParser(description="Let PAM decide who may log in to vspc.")
    parser.add_argument("--confdir", metavar="DIR", type=os.fsencode)
    parser.add_argument("service", metavar="SERVICE", nargs="?", default=b"vspc", type=os.fsencode)
    arguments = parser.parse_args()
    # What a module prints must not look like a verdict: only we write to the server.
    writer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        decide(Server(sys.stdin.buffer, writer), arguments.service, arguments.confdir)
    except (Gone, BrokenPipeError):
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
