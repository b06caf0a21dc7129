"""What a first configuration is made of, each value checked as the loader checks it."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import frozen

from vspc.cli.importing.outcome import array, quoted
from vspc.common.textfile import lines, read_text
from vspc.common.values import InvalidValue
from vspc.config.checks import is_name, operator_name
from vspc.config.credentials import KEYS_FILE_LIMIT, key_lines
from vspc.config.values import network

NO_NAME = "admin"
"""The first operator, where nothing says who that is."""

_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9:]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?", re.ASCII)


@frozen
class FirstConfig:
    """Networks of the ESXi hosts, the first operator and the lines of his public keys."""

    networks: tuple[str, ...]
    operator: str
    keys: tuple[str, ...]

    def toml(self) -> str:
        """The configuration: 12 lines where there is one key."""
        name = self.operator if _BARE.fullmatch(self.operator) else quoted(self.operator)
        return "\n".join(
            [
                "# Made by vspc init. vspc.toml(5) describes all keys; vspc check finds mistakes.",
                "[vm]",
                f"allow = {array(self.networks)}",
                "",
                f"[operators.{name}]",
                f"authorized_keys = {array(self.keys)}",
                'roles = ["admin"]',
                "",
                "[[access]]",
                f"operators = {array([self.operator])}",
                'consoles = ["*"]',
                'rights = ["read", "write", "break", "force", "admin"]',
                "",
            ]
        )


def networks(texts: Sequence[str]) -> tuple[str, ...]:
    """Networks, of which each text may hold several. Raises `InvalidValue`."""
    words = [word for text in texts for word in re.split(r"[,\s]+", text) if word]
    if not words:
        raise InvalidValue("no network", 'expected such as "10.0.0.0/24"')
    return tuple(dict.fromkeys(str(network(word)) for word in words))


def keys(text: str) -> tuple[str, ...]:
    """Lines of public keys: `text` itself, or those in the file that it names. Raises
    `InvalidValue`.
    """
    text = text.strip()
    if text.startswith(("/", "~", ".")) or text.endswith(".pub"):
        text = read_text(Path(text).expanduser(), KEYS_FILE_LIMIT)
    found, wrongs = key_lines(text)
    if wrongs:
        raise wrongs[0]
    if not found:
        raise InvalidValue("no public key", "expected a line as in a .pub file, or such a file")
    numbered = dict(lines(text))
    return tuple(numbered[key.line] for key in found)


def operator(text: str) -> str:
    """The name of an operator. Raises `InvalidValue`."""
    operator_name(text)
    return text


def likely_operator(keys: Sequence[str], environment: Mapping[str, str] = os.environ) -> str:
    """Who called sudo; else the user in the comment of a key; else `NO_NAME`."""
    found, _ = key_lines("\n".join(keys))
    comments = [key.comment.partition("@")[0] for key in found]
    names = [environment.get("SUDO_USER", ""), *comments]
    return next((name for name in names if is_name(name) and name != "root"), NO_NAME)


def host(text: str) -> str:
    """A name or an address of this machine. Raises `InvalidValue`."""
    if not _HOST.fullmatch(text):
        raise InvalidValue("not the name of a host", 'expected such as "vspc.example.com"')
    return text
