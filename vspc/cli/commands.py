"""The commands of `vspc`: run the server, check its configuration, try it out."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

from attrs import frozen

from vspc import __version__
from vspc.apps.verbs.table import REASON, VERBS
from vspc.cli.command_options import (
    access_options,
    backup_options,
    completion_options,
    import_options,
    init_options,
    man_options,
    ports_options,
    proxy_uri_options,
    restore_options,
    run_options,
    verify_options,
)
from vspc.cli.synopsis import ProgramShape, commands_of, verb_shape
from vspc.config import Config, ConfigError, state_dir
from vspc.config.file import HELP, chosen
from vspc.config.mistakes import shown
from vspc.server.config_files import load_config, load_to_start, load_with_files

USAGE = 2
"""Exit status for a usage error (contract)."""


def run_command(words: Sequence[str]) -> int:
    """Run the command that begins with `words`; its exit status."""
    words = list(words)
    if words[:1] == ["simulate"]:  # it has options of its own, and shares no code with the rest
        from vspc.simulator.program import main as simulate

        return simulate(words[1:])
    if words[:1] == ["help"] and words[1:2] not in (["--help"], ["-h"]):
        return _help(words[1:])
    if words and (words[0] in VERBS or words[0].startswith(REASON)) and not _is_server(words):
        return _local(words)
    if words and not words[0].startswith("-") and words[0] not in command_names():
        return _unknown(words[0])
    arguments = _parser().parse_args(words)
    run: Callable[[argparse.Namespace], int] = arguments.run
    return run(arguments)


def _is_server(words: Sequence[str]) -> bool:
    """Whether `vspc run` means the server: with options only. The verb has a GLOB."""
    return words[0] == "run" and all(
        word.startswith("-") or before == "--config" for before, word in pairwise(words)
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vspc",
        description="A console access server for virtual machines.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_verbs(),
    )
    parser.add_argument("--version", action="version", version=f"vspc {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command in _COMMANDS.items():
        text = command.summary
        options = commands.add_parser(name, help=text, description=text)
        options.add_argument("--config", default=None, metavar="FILE", help=HELP)
        options.set_defaults(run=command.start)
        command.options(options)
    for word, verb in VERBS.items():  # without help here: `_verbs` lists them
        if word not in _COMMANDS:
            commands.add_parser(word, usage=f"vspc {verb.grammar.usage} [--config FILE]")
    for name, plain in _PLAIN.items():
        options = commands.add_parser(name, help=plain.summary, description=plain.summary)
        options.set_defaults(run=plain.run)
        plain.options(options)
    commands.add_parser("simulate", help="virtual machines to try it with (simulate --help)")
    return parser


def _verbs() -> str:
    """A list of the operators' verbs."""
    lines = [f"  {word:<20}  {verb.grammar.summary}" for word, verb in VERBS.items()]
    heading = "operators' verbs, through the running server (vspc VERB ... [--config FILE]):"
    return "\n".join([heading, *lines])


def _local(words: list[str]) -> int:
    """An operators' verb, through the server's control socket; `--config FILE` may be anywhere in
    front of a `--`. Only `state_dir` of that file is used, and only that has to be right.
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
    if rest[:1] == ["doctor"]:
        from vspc.cli.doctor import examine

        return examine(rest[1:], chosen(path))
    try:
        where = state_dir(chosen(path))
    except ConfigError as error:
        print(*error.mistakes, sep="\n", file=sys.stderr)
        return 1
    from vspc.cli.local import NoServer, run

    try:
        return run(where, rest)
    except NoServer as absent:
        print(f"vspc: {absent}", file=sys.stderr)
        return 1


def _help(words: list[str]) -> int:
    """`vspc help`, `vspc help COMMAND`, `vspc help VERB`: needs neither a configuration nor a
    server, and a `--config FILE` does not matter.
    """
    if not words or words[0].startswith("--config"):
        _parser().print_help()
        return 0
    return run_command([words[0], "--help"]) if words[0] in command_names() else _unknown(words[0])


def command_names() -> set[str]:
    """Every word that may follow `vspc`."""
    return {*VERBS, *_COMMANDS, *_PLAIN, "simulate"}


def program_shape() -> ProgramShape:
    """The whole command line, for completion files and the manual."""
    from vspc.simulator.arguments import parser as simulate_parser

    hidden = set(VERBS) - set(_COMMANDS)
    options, commands = commands_of(_parser(), [simulate_parser()], hidden)
    return ProgramShape(options, commands, tuple(verb_shape(verb) for verb in VERBS.verbs))


def _unknown(word: str) -> int:
    near = get_close_matches(word, sorted(command_names()), 1)
    hint = f"did you mean {near[0]}?" if near else "vspc help lists commands and verbs"
    print(f"vspc: unknown command {shown(word)}; {hint}", file=sys.stderr)
    return USAGE


# The commands: each imports what it needs when it runs, for a short start of the others.


def _run(config: Config, arguments: argparse.Namespace) -> int:
    from vspc.cli.foreground import run

    return run(config, verbose=arguments.verbose)


def _check(config: Config, _arguments: argparse.Namespace) -> int:
    from vspc.cli.check import check

    return check(config)


def _access(config: Config, arguments: argparse.Namespace) -> int:
    from vspc.cli.access import show

    options = arguments.operator, arguments.console, arguments.json, arguments.offline
    return show(config, *options)


def _verify(config: Config, arguments: argparse.Namespace) -> int:
    from vspc.cli.check import check_chain

    return check_chain(config, arguments.against)


def _proxy_uri(config: Config, arguments: argparse.Namespace) -> int:
    from vspc.cli.advice import proxy_uris

    return _print(lambda: proxy_uris(config, arguments.host))


def _ports(config: Config, arguments: argparse.Namespace) -> int:
    from vspc.cli.ports import ports

    return _print(lambda: ports(config, arguments.format, arguments.host))


def _fingerprints(config: Config, _arguments: argparse.Namespace) -> int:
    from vspc.cli.advice import fingerprints

    return _print(lambda: fingerprints(config))


def _backup(config: Config, arguments: argparse.Namespace) -> int:
    from vspc.cli.backup.program import backup

    return backup(config, arguments.file, arguments.logs)


def _restore(arguments: argparse.Namespace) -> int:
    from vspc.cli.backup.program import restore

    return restore(arguments)


def _init(arguments: argparse.Namespace) -> int:
    from vspc.cli.setup.program import run

    return run(arguments)


def _import(arguments: argparse.Namespace) -> int:
    from vspc.cli.importing.program import run

    return run(arguments.file, arguments.format, arguments.output)


def _hash_password(_arguments: argparse.Namespace) -> int:
    from vspc.cli.hash_password import run

    return run()


def _completion(arguments: argparse.Namespace) -> int:
    from vspc.cli.completion.program import run

    return run(arguments.shell, program_shape)


def _man(arguments: argparse.Namespace) -> int:
    from vspc.cli.manual.program import run

    return run(arguments.section, program_shape)


def _print(advise: Callable[[], list[str]]) -> int:
    from vspc.cli.advice import AdviceError

    try:
        lines = advise()
    except AdviceError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


@frozen
class ConfigCommand:
    """A command that needs a configuration, which `read` reads."""

    summary: str
    run: Callable[[Config, argparse.Namespace], int]
    options: Callable[[argparse.ArgumentParser], object] = lambda _command: None
    read: Callable[[Path], Config] = load_config

    def start(self, arguments: argparse.Namespace) -> int:
        """Run it; status 1 after every mistake of the configuration has been printed."""
        path = chosen(arguments.config)
        try:
            config = self.read(path)
        except ConfigError as error:
            for mistake in error.mistakes:
                print(mistake, file=sys.stderr)
            count = len(error.mistakes)
            print(f"{path}: {count} mistake{'' if count == 1 else 's'}", file=sys.stderr)
            return 1
        return self.run(config, arguments)


_COMMANDS: Mapping[str, ConfigCommand] = MappingProxyType(
    {
        "run": ConfigCommand(
            "run the server in the foreground", _run, run_options, read=load_to_start
        ),
        "check": ConfigCommand(
            "check a configuration: a summary, or every mistake", _check, read=load_with_files
        ),
        "access": ConfigCommand(
            "who may do what on which console, and the rule that decides", _access, access_options
        ),
        "verify": ConfigCommand(
            "check the logs against their chain of hashes", _verify, verify_options
        ),
        "proxy-uri": ConfigCommand(
            "the proxy URIs to type into vSphere, and which to choose",
            _proxy_uri,
            proxy_uri_options,
        ),
        "ports": ConfigCommand(
            "ports and peers of every connection, for firewalls", _ports, ports_options
        ),
        "fingerprints": ConfigCommand(
            "the SSH host keys, as ssh-keygen and known_hosts print them", _fingerprints
        ),
        "backup": ConfigCommand(
            "write the state of the server, running or not, to one file", _backup, backup_options
        ),
    }
)


@frozen
class PlainCommand:
    """A command that needs no configuration."""

    summary: str
    run: Callable[[argparse.Namespace], int]
    options: Callable[[argparse.ArgumentParser], object] = lambda _command: None


_PLAIN: Mapping[str, PlainCommand] = MappingProxyType(
    {
        "hash-password": PlainCommand(
            "read a password from the terminal or standard input, print its argon2id hash",
            _hash_password,
        ),
        "init": PlainCommand(
            "write a first configuration, make keys and a certificate, print what comes next",
            _init,
            init_options,
        ),
        "restore": PlainCommand(
            "put a backup in the place of state_dir, while the server does not run",
            _restore,
            restore_options,
        ),
        "import": PlainCommand(
            "turn a configuration of conserver or conman into ours, and say what was not taken",
            _import,
            import_options,
        ),
        "completion": PlainCommand(
            "print a completion file for bash or zsh", _completion, completion_options
        ),
        "man": PlainCommand("print a manual page, in roff", _man, man_options),
    }
)
