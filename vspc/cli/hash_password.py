"""`vspc hash-password`: a password from the terminal, or standard input, and its argon2id hash."""

import getpass
import sys

from vspc.auth.passwords import LONGEST, hash_password


def run() -> int:
    """Print the hash; the exit status."""
    try:
        password = _asked() if sys.stdin.isatty() else _read()
        hashed = hash_password(password)
    except ValueError as error:
        print(f"vspc: {error}", file=sys.stderr)
        return 1
    except (EOFError, KeyboardInterrupt):
        print("\nvspc: no password was read", file=sys.stderr)
        return 1
    print(hashed)
    return 0


def _asked() -> bytes:
    """Asked twice, not shown; on the terminal itself, never on standard output."""
    first = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != first:
        raise ValueError("the passwords differ")
    return first.encode("utf-8", "surrogateescape")


def _read() -> bytes:
    """The only line of standard input."""
    data = sys.stdin.buffer.read(LONGEST + 3)
    line, _, rest = data.partition(b"\n")
    if rest:
        raise ValueError("standard input has more than one line")
    return line.removesuffix(b"\r")
