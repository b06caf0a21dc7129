"""What a VM's output and a terminal's input are taken apart into: however they are cut, the same;
and nothing that is shown again can make a terminal answer.
"""

import re
from collections.abc import Callable
from unicodedata import category

from tests.apps.test_escapes import parsed
from tests.console.test_answers import ANSWERS, KEYS, told
from tests.console.test_full_screen import MOVES, emulated
from tests.console.test_modes import PIECES, shown, state
from tests.fuzz.target import Choices, Target, chunks, same
from vspc.apps.keyboard import Key, Parser, Pressed
from vspc.apps.terminal.input import PACKET, Escapes
from vspc.common.columns import cells, clip, pad
from vspc.common.text import (
    SafeOutputStream,
    plain_output,
    safe,
    safe_once,
    safe_output,
)
from vspc.config.values import CONMAN
from vspc.console.control_sequences import whole_length
from vspc.console.echo import Echo, Recorded
from vspc.console.emulated_screen import TooMuchWork
from vspc.console.full_screen import snapshot
from vspc.console.log_reading import OutputLines
from vspc.console.logs import Output
from vspc.console.modes import TerminalModes
from vspc.console.stamps import LineStamper

_HARMLESS = re.compile(rb"\x1b\[[0-9;:]{0,64}m")
_CONTROLS = re.compile(rb"[\x00-\x07\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]")

SEQUENCES = (*PIECES, *MOVES)


def _cut(data: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """What an input is: whole, and in pieces as its first byte says."""
    rest = data[1:]
    return rest, tuple(chunks(rest, (data or b"\0")[0]))


def _safe_output(data: bytes) -> None:
    whole, pieces = _cut(data)
    stream = SafeOutputStream()
    found = b"".join(map(stream.feed, pieces)) + stream.end()
    wanted = safe_output(whole)
    for output in (found, wanted):
        rest = _HARMLESS.sub(b"", output)
        if bad := _CONTROLS.search(rest):
            raise AssertionError(f"{bad[0]!r} is left in {output!r}")
        output.decode("utf-8")
    same(safe_output(wanted), wanted, "again")
    same(found, wanted, "in pieces")
    plain_output(whole)


def _safe_text(data: bytes) -> None:
    for text in (data, data.decode("utf-8", "replace")):
        found = safe(text)
        if not all(each.isprintable() or category(each) == "Zs" for each in found):
            raise AssertionError(f"{found!r} has more than visible characters")
        same(safe_once(found), found, "again")
        width = data[0] % 40 if data else 0
        if cells(clip(found, width)) > width:
            raise AssertionError("too wide")
        same(cells(pad(found, width)), width, "padded")


def _modes(data: bytes) -> None:
    whole, pieces = _cut(data)
    wanted = state(shown(whole))
    same(state(shown(*pieces)), wanted, "in pieces")
    few, at = TerminalModes(), 0
    while at < len(whole):
        taken, _ = few.feed_some(whole[at : at + 300], 1 + len(pieces) % 5)
        at += taken
    same(state(few), wanted, "few at a time")
    # A string that CAN ends may have had its effect or not: what undoes that is said, too.
    undone = shown(whole).give_back()
    after = shown(whole, undone, shown(whole, undone).give_back())
    same((after.give_back(), after.neutral, after.again), (b"", b"", b""), "given back")


def _full_screen(data: bytes) -> None:
    choices = Choices(data)
    columns, rows = 1 + choices.below(90), 1 + choices.below(30)
    output = choices.rest()
    output = output[: whole_length(output)]
    if (found := snapshot(b"\x1b[3;3H" + output, is_cut=True)) is not None:
        found.paint(columns, rows)
    try:
        image = emulated(output, columns, rows)
    except TooMuchWork:
        return
    painted = image.paint(image.columns, len(image.rows))
    again = emulated(painted, columns, rows)
    same(again.text, image.text, "the text")
    same(again.rendition, image.rendition, "the rendition")
    same((again.margins, again.origin), (image.margins, image.origin), "margins")
    same(again.cursor[1], image.cursor[1], "the cursor's row")
    terminal = TerminalModes()
    terminal.feed(painted)
    same(terminal.asked, 0, "questions")


def _answers(data: bytes) -> None:
    choices = Choices(data)
    flags = choices.byte()
    whole, pieces = _cut(choices.rest())
    asked, utf8 = bool(flags & 1), bool(flags & 2)
    found = told(*pieces, asked=asked, utf8=utf8)
    same(b"".join(piece.data for piece in found), whole, "all that was typed")
    same(found, told(whole, asked=asked, utf8=utf8), "in pieces")


def _escapes(data: bytes) -> None:
    choices = Choices(data)
    escape = (b"\x05", CONMAN)[choices.below(2)]
    _, pieces = _cut(choices.rest())
    small = tuple(
        piece[at : at + PACKET] for piece in pieces for at in range(0, len(piece), PACKET)
    )
    found = []
    for each in (small, tuple(bytes((byte,)) for piece in pieces for byte in piece)):
        escapes = Escapes(escape, b"l")
        things = [thing for piece in each for thing in parsed(escapes, piece)]
        things.append(escapes.flush())
        found.append(_joined(things))
    same(found[1], found[0], "in pieces")


def _joined(things: list[bytes | str]) -> list[bytes | str]:
    """`things` with neighbouring data joined."""
    found = list[bytes | str]()
    for thing in things:
        last = found[-1] if found else None
        if isinstance(thing, bytes) and isinstance(last, bytes):
            found[-1] = last + thing
        elif thing:
            found.append(thing)
    return found


def _keyboard(data: bytes) -> None:
    whole, pieces = _cut(data)

    def keys(*packets: bytes) -> list[Pressed]:
        parser = Parser()
        found = [key for packet in packets for key in parser.feed(packet)]
        found += parser.flush()
        same(parser.patience, None, "patience")
        return found

    for key in keys(whole):
        if not isinstance(key, Key) and not (len(key) == 1 and key.isprintable()):
            raise AssertionError(f"{key!r} is a key")
    same(keys(*pieces), keys(whole), "in pieces")


def _stamps(data: bytes) -> None:
    whole, pieces = _cut(data)
    stamper, found, at = LineStamper(), list[int](), 0
    for piece in pieces:
        places = stamper.feed(piece)
        if any(not 0 <= place < len(piece) for place in places):
            raise AssertionError(f"places {places} in {len(piece)} bytes")
        found += [at + place for place in places]
        at += len(piece)
    same(len(found), len(LineStamper().feed(whole)), "in pieces")


def _lines(data: bytes) -> None:
    whole, pieces = _cut(data)
    for returns in (False, True):
        found = []
        for each in ((whole,), pieces):
            lines, at, some = OutputLines(returns), 0, list[tuple[int, bytes, int]]()
            for piece in each:
                if piece:
                    some += ((o.offset, o.text, o.end) for o in lines.feed(Output(at, 1.0, piece)))
                at += len(piece)
            some += ((o.offset, o.text, o.end) for o in lines.flush())
            found.append(some)
        same(found[1], found[0], "in pieces")


def _echo(data: bytes) -> None:
    choices, echo, now, typed = Choices(data), Echo(), 100.0, b""
    record = list[Recorded]()
    while choices:
        step, piece = choices.byte(), choices.piece()
        if step % 3:
            echo.typed(piece, now)
            typed += piece
        if step % 3 != 1:
            echo.output(piece, now)
        now += step / 256
        record += echo.due(now)
    record += echo.close()
    at = 0
    for each in record:
        length = each.hidden if each.text is None else len(each.text)
        if each.text is not None:
            same(each.text, typed[at : at + length], "what was typed")
        at += length
    same(at, len(typed), "bytes that were typed")


def _outputs() -> tuple[bytes, ...]:
    pieces = [b"\2" + b"".join(SEQUENCES[at : at + 12]) for at in range(0, len(SEQUENCES), 12)]
    return (*pieces, b"\1text \x1b[1;31mred\x1b[m\r\n\x1b]0;title\x07\x1bP1$r0m\x1b\\$ ")


def _typing() -> tuple[bytes, ...]:
    given = (*ANSWERS, *KEYS)
    return tuple(b"\1\2" + b"".join(given[at : at + 10]) for at in range(0, len(given), 10))


def _target(name: str, run: Callable[[bytes], None], *more: bytes) -> Target:
    return Target(name, run, lambda: (*_outputs(), *more), SEQUENCES, 2048)


_CHINESE = "\1\u6f22\u5b57 \u202e\u200b e\u0301 \U0001f642\x1b[31m".encode()

TARGETS = (
    _target("safe-output", _safe_output),
    _target("safe-text", _safe_text, _CHINESE),
    _target("terminal-modes", _modes),
    Target("full-screen", _full_screen, _outputs, SEQUENCES, 1024, replayed=150),
    _target("line-stamps", _stamps),
    _target("output-lines", _lines, b"\1a\rb\r\r\nc\n\r\r\rd", b"\1" + b"x" * 300 + b"\n"),
    Target("terminal-answers", _answers, _typing, (*ANSWERS, *KEYS, b"\x1b[200~"), 2048),
    Target("escape-commands", _escapes, _typing, (b"\x05c", b"\x05cl", b"&", b"&."), 2048),
    Target("keyboard", _keyboard, _typing, (*KEYS, b"\x1b[200~", b"\x1b[201~"), 2048),
    Target("echo", _echo, lambda: (b"\2\4ls\r\n\1\2pw\1\1\r\3\3ok\n",), (b"\r\n", b"\b \b")),
)
