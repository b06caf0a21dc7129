"""Files that administrators bring, and tokens that clients show: every mistake is a declared one,
and its text is safe to print.
"""

import tempfile
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.auth.minting import Mint, Plain, Token
from tests.auth.test_krl import issued, listed, number
from tests.cli.importing.files import CONMAN, CONSERVER
from tests.documents import TREE
from tests.fuzz.target import Target, same
from vspc.auth import certkeys
from vspc.auth.dialogue import decoded, encoded
from vspc.auth.methods import SETTINGS
from vspc.auth.revocation import read_revoked
from vspc.cli.check import summary
from vspc.cli.importing.conman import read_conman
from vspc.cli.importing.conserver import read_conserver
from vspc.cli.importing.outcome import ImportFailed, Outcome
from vspc.common.addresses import parse_address, parse_network, rate_key
from vspc.common.globs import Glob, parse_pattern
from vspc.common.text import ensure_safe
from vspc.common.textfile import text_of
from vspc.common.values import InvalidValue, parse_duration, parse_size
from vspc.config import ConfigError, load
from vspc.config.credentials import authorized_key, key_lines
from vspc.config.keyoptions import key_options
from vspc.wire.ssh import string

_EXAMPLE = (TREE / "etc" / "vspc.toml").read_bytes()


def _printable(text: str) -> None:
    """A message is one line that can be printed."""
    if not text.isprintable():
        raise AssertionError(f"{text!r} is not printable")


def _in_file(data: bytes, name: str, read: Callable[[Path], None]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / name
        path.write_bytes(data)
        read(path)


def _configuration(data: bytes) -> None:
    def read(path: Path) -> None:
        try:
            config = load(path, SETTINGS)
        except ConfigError as error:
            for mistake in error.mistakes:
                _printable(str(mistake))
            return
        for line in summary(config):
            _printable(line)
        for warning in config.warnings:
            _printable(warning)

    _in_file(data, "vspc.toml", read)


def _imported(kind: Callable[[Path], Outcome]) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        def read(path: Path) -> None:
            try:
                outcome = kind(path)
            except ImportFailed as failed:
                _printable(str(failed))
                return
            for remark in outcome.sorted_remarks():
                _printable(str(remark))
            path.write_text(outcome.toml(), encoding="utf-8")
            try:
                load(path, SETTINGS)
            except ConfigError as error:
                # What was taken loads, but for what the file cannot have: operators' keys.
                wrong = [each for each in error.mistakes if "operators" not in each.key]
                same([str(each) for each in wrong], [], "the TOML")

        _in_file(data, "console.cf", read)

    return run


def _text(data: bytes) -> str:
    try:
        return text_of(data)
    except InvalidValue as error:
        _printable(str(error))
        return data.decode("utf-8", "replace")


def _keys(data: bytes) -> None:
    text = _text(data)
    _, wrongs = key_lines(text, authorized_key)
    for wrong in wrongs:
        _printable(str(wrong))
    for read in (key_options, authorized_key):
        try:
            read(text.partition("\n")[0])
        except InvalidValue as error:
            _printable(str(error))


def _revoked(data: bytes) -> None:
    try:
        found = read_revoked(data)
    except ValueError as error:
        _printable(str(error))
        return
    found.reason(b"key", b"authority", 7, "id")


def _certificate(data: bytes) -> None:
    try:
        found = certkeys.parse(data)
    except ValueError as error:
        _printable(str(error))
        return
    sound = not certkeys.unsound(found)
    if sound and data not in _CERTIFIED:
        raise AssertionError("another certificate than the one that was signed is sound")
    certkeys.rsa_bits(found.key)


def _words(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    for read in (parse_size, parse_duration, parse_address, rate_key):
        read(text)
    for check in (parse_network, parse_pattern):
        try:
            check(text)
        except ValueError as error:
            ensure_safe(str(error))
    before, _, behind = text.partition(" ")
    wide, narrow = Glob(before), Glob(behind)
    if wide.covers(narrow) and not wide.may_meet(narrow):
        raise AssertionError("what is covered may not be met")
    try:
        plain = decoded(data)
    except ValueError:
        return
    same(decoded(encoded(plain)), plain, "encoded")


_PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(32))
_CERTIFIED = (
    Mint().blob,
    Mint(Token(_PRIVATE)).blob,
    Mint(Plain(_PRIVATE), options=((b"force-command", b"list"),)).blob,
)
_LINE = b"ssh-ed25519 " + b64encode(string(b"ssh-ed25519") + string(bytes(32))) + b" alice@laptop"

_CONFIGURATIONS = (
    b'[ssh]\nlisten = ["127.0.0.1:2222"]\n[operators.alice]\nauthorized_keys = ["'
    + _LINE
    + b'"]\n',
    b'[vm]\nallow = ["10.0.0.0/8"]\ntelnet = ["0.0.0.0:13370"]\n[[access]]\nwho = ["alice"]\n',
    b'[[dial]]\nname = "moxa"\nconnect = "telnet://192.0.2.9"\n[[break]]\nname = "1"\n',
    b'[log]\nkeep = "30 days"\n[[log.sink]]\nkind = "text"\n[audit]\nfile = "a.jsonl"\n',
)


def _configurations() -> tuple[bytes, ...]:
    parts = [b"[" + part for part in _EXAMPLE.split(b"\n[")]
    uncommented = [part.replace(b"\n# ", b"\n").replace(b"\n#", b"\n")[:3000] for part in parts]
    return (*_CONFIGURATIONS, *uncommented)


def _lists() -> tuple[bytes, ...]:
    return (
        listed(issued((0x20, number(7) + number(9)), (0x21, number(1) + number(99)))),
        listed(issued((0x22, number(64) + string(b"\1\2\3")), (0x23, string(b"id")))),
        listed((2, string(_LINE)), (3, string(bytes(20))), (5, string(bytes(32)))),
        b"# a comment\nserial: 5-9\nid: alice\n" + _LINE + b"\nsha256:SHA256:" + b"A" * 43,
    )


_KEY_LINES = (
    _LINE,
    b'from="10.0.0.0/8,!10.1.0.0/16",command="list",no-pty,expiry-time="20300101" ' + _LINE,
    b'restrict,permitopen="web01:1" ' + _LINE,
)
_WORDS_SEEDS = (b"10m", b"64 KiB", b"10.0.0.0/8", b"fe80::1%eth0", b"web[0-9]* web01", b"a%20b%FF")

TARGETS = (
    Target("configuration", _configuration, _configurations, (b'"', b"[[", b"]]\n", b" = "), 4096),
    Target("conserver-file", _imported(read_conserver), lambda: (CONSERVER.encode(),)),
    Target("conman-file", _imported(read_conman), lambda: (CONMAN.encode(),)),
    Target("authorized-keys", _keys, lambda: _KEY_LINES, (b'="', b'",', b"ssh-rsa ", b"\n")),
    Target("revocation-list", _revoked, _lists),
    Target("certificate", _certificate, lambda: _CERTIFIED),
    Target(
        "small-words", _words, lambda: _WORDS_SEEDS, (b"%", b"/", b"::", b"*", b"~", b"[!"), 300
    ),
)
