"""Carriage returns of the Network Virtual Terminal: RFC 854, "The NVT Printer and Keyboard".

A direction in which BINARY (RFC 856) is not done is NVT: a CR is followed by LF, or by NUL if it
is nothing but a carriage return. All other bytes, the eighth bit included, are left alone.
"""


def encode(data: bytes) -> bytes:
    """`data` for an NVT peer: each CR with a NUL behind it, so that it means no more than it is.

    A CR LF that was typed is that, too: CR NUL LF are the same two characters, whereas CR LF is a
    new line, which the peer may turn into something else. So it matters nowhere how input is cut.
    """
    return data.replace(b"\r", b"\r\0")


def decode(data: bytes, after_cr: bool) -> tuple[bytes, bool]:
    """What an NVT peer means by `data`, and whether a CR was its last byte.

    `after_cr`: the byte before `data` was one, so that a NUL here belongs to it. CR LF stays as it
    is, which is what a console shows; so does a CR before anything else, which should not be.
    """
    if not data:
        return data, after_cr
    ends_in_cr = data.endswith(b"\r")
    if after_cr and data.startswith(b"\0"):
        data = data[1:]
    return data.replace(b"\r\0", b"\r"), ends_in_cr
