"""The `vspc` command: run the server, check its configuration, try it out."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path

from vspc import __version__
from vspc.apps.verbs.table import REASON, VERBS
from vspc.config import Config, ConfigError, state_dir, summary
from vspc.config.file import HELP, chosen
from vspc.config.mistakes import shown
from vspc.server.config_files import (
    file_warnings,
    load_config,
    load_to_start,
    load_with_files,
)

USAGE = 2
"""Exit status for a command line that makes no sense (contract)."""

UNREAD = 128 + 13
"""Exit status where nobody reads the output any more: as a shell has it for SIGPIPE."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit status. Who reads the output may go when he has seen enough."""
    try:
        try:
            return _main(argv)
        finally:  # what waits in Python's buffer may be what nobody reads
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)  # nor may Python complain when it ends
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        return UNREAD


def _main(argv: Sequence[str] | None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["simulate"]:  # it has options of its own, and shares no code with the rest
        from vspc.simulator.program import main as simulate

        return simulate(words[1:])
    if words[:1] == ["help"] and words[1:2] not in (["--help"], ["-h"]):
        return _help(words[1:])
    if words and (words[0] in VERBS or words[0].startswith(REASON)):
        return _local(words)
    if words and not words[0].startswith("-") and words[0] not in _commands():
        return _unknown(words[0])
    arguments = _parser().parse_args(words)
    run: Callable[[argparse.Namespace], int] = arguments.run
    return run(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vspc",
        description="A console access server for virtual machines.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_verbs(),
    )
    parser.add_argument("--version", action="version", version=f"vspc {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, text, run in _COMMANDS:
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--config", default=None, metavar="FILE", help=HELP)
        command.set_defaults(run=run)
        if name == "run":
            command.add_argument("--verbose", action="store_true", help="log debugging, too")
        if name == "verify":
            text = "a file with log-chain lines of the server's log, kept elsewhere"
            command.add_argument("--against", type=Path, metavar="FILE", help=text)
        if name == "access":
            _access_options(command)
        if name == "proxy-uri":
            command.add_argument("--host", help="the name or address that ESXi hosts reach it by")
    for word, verb in VERBS.items():  # without help here: `_verbs` lists them
        commands.add_parser(word, usage=f"vspc {verb.grammar.usage} [--config FILE]")
    text = "read a password from the terminal or standard input, print its argon2id hash"
    commands.add_parser("hash-password", help=text, description=text).set_defaults(
        run=_hash_password
    )
    commands.add_parser("simulate", help="virtual machines to try it with (simulate --help)")
    return parser


def _verbs() -> str:
    """A list of the operators' verbs, under a heading of their own."""
    lines = [f"  {word:<20}  {verb.grammar.summary}" for word, verb in VERBS.items()]
    heading = "operators' verbs, through the running server (vspc VERB ... [--config FILE]):"
    return "\n".join([heading, *lines])


def _access_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--operator", metavar="NAME", help="only this one, one line a console")
    command.add_argument("--console", metavar="GLOB", help="only these; a name need not exist yet")
    command.add_argument("--json", action="store_true", help="an array of all cells")
    command.add_argument(
        "--offline", action="store_true", help="do not ask the running server which consoles exist"
    )


def _local(words: list[str]) -> int:
    """An operators' verb, through the server's control socket; `--config FILE` may be anywhere in
    front of a `--`. Of that file nothing has to be right but where the state is.
    """
    rest, path = [], None
    while words:
        word = words.pop(0)
        if word == "--":
            rest += [word, *words]
            break
        if word == "--config" and words:
            path = words.pop(0)
        elif word.startswith("--config="):
            path = word.removeprefix("--config=")
        else:
            rest.append(word)
    explained = VERBS.help_of(rest)
    if explained is not None:
        print(explained, end="")
        return 0
    try:
        where = state_dir(chosen(path))
    except ConfigError as error:
        print(*error.mistakes, sep="\n", file=sys.stderr)
        return 1
    from vspc.cli.local import run

    return run(where, rest)


def _help(words: list[str]) -> int:
    """`vspc help`, `vspc help COMMAND`, `vspc help VERB`: needs neither a configuration nor a
    server, and a `--config FILE` does not matter.
    """
    if not words or words[0].startswith("--config"):
        _parser().print_help()
        return 0
    return _main([words[0], "--help"]) if words[0] in _commands() else _unknown(words[0])


def _commands() -> set[str]:
    """Every word that may follow `vspc`."""
    return {*VERBS, *(name for name, _, _ in _COMMANDS), "hash-password", "simulate"}


def _unknown(word: str) -> int:
    near = get_close_matches(word, sorted(_commands()), 1)
    hint = f"did you mean {near[0]}?" if near else "vspc help lists commands and verbs"
    print(f"vspc: unknown command {shown(word)}; {hint}", file=sys.stderr)
    return USAGE


def _load(named: str | None, read: Callable[[Path], Config] = load_config) -> Config | None:
    """The configuration, or None after every mistake has been said."""
    path = chosen(named)
    try:
        return read(path)
    except ConfigError as error:
        for mistake in error.mistakes:
            print(mistake, file=sys.stderr)
        count = len(error.mistakes)
        print(f"{path}: {count} mistake{'' if count == 1 else 's'}", file=sys.stderr)
        return None


def _check(arguments: argparse.Namespace) -> int:
    config = _load(arguments.config, load_with_files)
    if config is None:
        return 1
    from vspc.server.log_side import forecast

    for line in [*summary(config), *forecast(config)]:
        print(line)
    for warning in [*config.warnings, *file_warnings(config)]:
        print(f"warning: {config.lines.placed(warning)}")
    return 0


def _run(arguments: argparse.Namespace) -> int:
    config = _load(arguments.config, load_to_start)
    if config is None:
        return 1
    from vspc.cli.foreground import run

    return run(config, verbose=arguments.verbose)


def _fingerprints(arguments: argparse.Namespace) -> int:
    config = _load(arguments.config)
    if config is None:
        return 1
    from vspc.cli.advice import fingerprints

    return _say(fingerprints, config)


def _proxy_uri(arguments: argparse.Namespace) -> int:
    config = _load(arguments.config)
    if config is None:
        return 1
    from vspc.cli.advice import proxy_uris

    return _say(lambda c: proxy_uris(c, arguments.host), config)


def _verify(arguments: argparse.Namespace) -> int:
    config = _load(arguments.config)
    if config is None:
        return 1
    from vspc.server.log_side import check_chain

    return check_chain(config, arguments.against)


def _access(arguments: argparse.Namespace) -> int:
    config = _load(arguments.config)
    if config is None:
        return 1
    from vspc.cli.access import AccessOptions, show

    wanted = AccessOptions(arguments.operator, arguments.console, arguments.json, arguments.offline)
    return show(config, wanted)


def _hash_password(_arguments: argparse.Namespace) -> int:
    from vspc.cli.hash_password import run

    return run()


def _say(advise: Callable[[Config], list[str]], config: Config) -> int:
    from vspc.cli.advice import AdviceError

    try:
        lines = advise(config)
    except AdviceError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


_COMMANDS = (
    ("run", "run the server in the foreground", _run),
    ("check", "check a configuration: a summary, or every mistake", _check),
    ("access", "who may do what on which console, and the rule that decides", _access),
    ("verify", "check the logs against their chain of hashes", _verify),
    ("proxy-uri", "the proxy URIs to type into vSphere, and which to choose", _proxy_uri),
    ("fingerprints", "the SSH host keys, as ssh-keygen and known_hosts print them", _fingerprints),
)
