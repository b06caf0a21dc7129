"""The last lines of a console as text: nothing in them moves a cursor, or is answered. Pure."""

from vspc.common.text import ensure_safe, plain_output, safe_output

PREVIEW_BYTES = 8 * 1024
"""Bytes of output that a preview is made of."""

LINE = 400
"""Characters of a line; a terminal shows fewer."""

_TAB = 8


def preview_lines(data: bytes, count: int) -> list[str]:
    """The last `count` lines of the output `data`, the last one last, without empty ones at the
    end. What a CR goes back over is not shown, nor what is rubbed out.
    """
    text = safe_output(data[-PREVIEW_BYTES:]).rstrip()
    lines = text.split(b"\n")[-count:] if text and count > 0 else []
    return [_line(line) for line in lines]


def _line(data: bytes) -> str:
    last = data.rstrip(b"\r").rpartition(b"\r")[-1]
    text = _rubbed(plain_output(last.replace(b"\b", _RUB)).decode("utf-8", "replace"))
    return ensure_safe(text.expandtabs(_TAB)[:LINE])


_RUB = "\ufffc".encode()
"""Stands for BS, which `plain_output` leaves out: a character that is never typed."""


def _rubbed(text: str) -> str:
    """What is left where BS goes back over what is printed anew."""
    if "\ufffc" not in text:
        return text
    cells, at = list[str](), 0
    for character in text:
        if character == "\ufffc":
            at = max(0, at - 1)
        else:
            cells[at : at + 1] = [character]
            at += 1
    return "".join(cells)
