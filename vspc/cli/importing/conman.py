"""conman.conf becomes consoles that are dialled (conman.conf(5)).

A directive is a line, continued by a backslash at its end: a keyword, then KEY = VALUE pairs.
Strings stand in single or double quotes; bare words are letters, digits and underscores.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from attrs import define, field, frozen

from vspc.cli.importing.outcome import (
    ImportedConsole,
    ImportFailed,
    Outcome,
    SourceLine,
    remote,
)
from vspc.common.text import safe
from vspc.common.textfile import read_text
from vspc.common.values import InvalidValue

LIMIT = 4 * 1024 * 1024
"""Characters of a file."""

_PAIR = re.compile(
    r"\s*(?P<key>[A-Za-z_]\w*)\s*=\s*"
    r"""(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[-+]?\w+))""",
    re.ASCII,
)

_STRING = re.compile(r"""[^#"'\\]+|"[^"]*"|'[^']*'|[\\"']""")

_TELNET = re.compile(r"(?P<host>[^\s/:]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})", re.ASCII)


@frozen
class ConmanDirective:
    """`KEYWORD KEY=VALUE ...`; keyword and keys in lower case."""

    keyword: str
    values: Mapping[str, str]
    line: SourceLine


def read_conman(path: Path) -> Outcome:
    """What the file at `path` says. Raises ImportFailed."""
    try:
        text = read_text(path, LIMIT)
    except InvalidValue as wrong:
        raise ImportFailed(f"{wrong.problem}; {wrong.allowed}") from None
    found = _Reader(Outcome(path.name))
    for directive in directives(text, path.name):
        found.take(directive)
    return found.outcome


def directives(text: str, file: str) -> Iterator[ConmanDirective]:
    """The directives of a file. Raises ImportFailed."""
    for number, line in _joined_lines(text):
        where = SourceLine(file, number)
        words = line.split(None, 1)
        if words:
            yield ConmanDirective(words[0].lower(), _pairs(words[1:], where), where)


def _joined_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines without comments, continued ones joined, each with its first number."""
    pending, first = list[str](), 0
    for number, line in enumerate(text.split("\n"), 1):
        first = first or number
        bare = _without_comment(line)
        if bare == line and line.endswith("\\"):
            pending.append(line[:-1])
            continue
        yield first, " ".join([*pending, bare])
        pending, first = [], 0
    if pending:
        yield first, " ".join(pending)


def _without_comment(line: str) -> str:
    at = 0
    while at < len(line) and (part := _STRING.match(line, at)):
        at = part.end()
    return line[:at]


def _pairs(rest: list[str], where: SourceLine) -> Mapping[str, str]:
    found, text, at = dict[str, str](), "".join(rest).rstrip(), 0
    while at < len(text):
        pair = _PAIR.match(text, at)
        if pair is None:
            raise ImportFailed(f"{where}: expected KEY = VALUE at '{safe(text[at : at + 40])}'")
        value = pair["double"] if pair["double"] is not None else pair["single"]
        found[pair["key"].lower()] = pair["bare"] if value is None else value
        at = pair.end()
    return MappingProxyType(found)


@define
class _Reader:
    outcome: Outcome
    _log: str = field(default="%N", init=False)  # not set: we log all the same
    _seropts: str = field(default="9600,8n1", init=False)

    def take(self, directive: ConmanDirective) -> None:
        """One directive."""
        match directive.keyword:
            case "server":
                self._remark(directive, _SERVER_LOST, _SERVER_SPARED)
            case "global":
                self._log = directive.values.get("log", self._log)
                self._seropts = directive.values.get("seropts", self._seropts)
                self._remark(directive, {}, _LOGGING)
            case "console":
                self._console(directive)
            case word:
                known = "server, global and console are known"
                self.outcome.lose(directive.line, word, f"unknown directive; {known}")

    def _remark(
        self, directive: ConmanDirective, lost: Mapping[str, str], spared: Mapping[str, str]
    ) -> None:
        for key in directive.values:
            if key in spared:
                self.outcome.spare(directive.line, f"{directive.keyword} {key}", spared[key])
            elif key not in _USED:
                why = lost.get(key, "unknown keyword")
                self.outcome.lose(directive.line, f"{directive.keyword} {key}", why)

    def _console(self, directive: ConmanDirective) -> None:
        line, values = directive.line, directive.values
        name = values.get("name", "")
        self._remark(directive, {}, _LOGGING)
        device = values.get("dev", "").replace("%N", name)
        try:
            connect = self._target(device, values)
        except ValueError as wrong:
            self.outcome.lose(line, f"console {name}", str(wrong))
            return
        logged = values.get("log", self._log) != ""
        self.outcome.add(ImportedConsole(line, name, connect, logged=logged))

    def _target(self, device: str, values: Mapping[str, str]) -> str:
        """What to dial; ValueError says why nothing can be."""
        telnet = _TELNET.fullmatch(device)
        kind, _, rest = device.partition(":")
        if kind == "unix":
            if not rest.startswith("/"):
                raise ValueError(f"the socket {rest}: an absolute path is needed")
            return f"unix:{rest}"
        if kind == "ipmi":
            raise ValueError("IPMI is not spoken here; serve `ipmiconsole` on a unix socket")
        if telnet:
            return remote("telnet", telnet["host"].strip("[]"), telnet["port"])
        if device.startswith("/dev/"):
            options = values.get("seropts", self._seropts)
            advice = "serve it with ser2net and dial rfc2217://"
            raise ValueError(f"a serial device of this machine ({safe(options)}); {advice}")
        if not device:
            raise ValueError("it has no dev")
        raise ValueError("vspc starts no programs; dial what the program connects to")


_USED = frozenset({"name", "dev", "log", "seropts", "ipmiopts"})

_LOGGING = MappingProxyType(
    {"logopts": "each line's time is kept; [[log.sink]] writes text files with times"}
)

_SERVER_LOST = MappingProxyType(
    {
        "logdir": '[[log.sink]] with kind = "text" writes text files into a directory',
        "logfile": "the server's own log goes to standard output",
        "loopback": 'ssh.listen = ["tcp:2222:interface=127.0.0.1"] listens on loopback only',
        "port": "operators connect to ssh.listen",
        "resetcmd": "vspc runs no commands for operators",
        "syslog": "the server's own log goes to standard output",
        "tcpwrappers": "a firewall, or from= in front of a key, limits where operators are",
    }
)

_SERVER_SPARED = MappingProxyType(
    {
        "coredump": "the kernel's setting is used",
        "coredumpdir": "the kernel's setting is used",
        "execpath": "vspc starts no programs",
        "keepalive": "TCP keepalives are always sent",
        "pidfile": "state_dir has a lock; systemd knows the process",
        "timestamp": "each line's time is kept; `log NAME --timestamps` prints it",
    }
)
