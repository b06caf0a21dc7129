"""`vspc init`: writes a first configuration, makes keys and a certificate, prints what comes next.

Exit status 0: all is made; 1: nothing is, or not all; 2: an option is missing or wrong.
"""

import sys
from argparse import Namespace
from pathlib import Path
from shlex import quote

from attrs import frozen

from vspc.cli.advice import AdviceError, own_name, proxy_uris
from vspc.cli.check import user_of
from vspc.cli.setup.first_config import FirstConfig, host, keys, likely_operator, networks, operator
from vspc.cli.setup.ownership import Account, account, make_directory, make_state, run_as, write_new
from vspc.cli.setup.questions import KEY, NETWORKS, Unanswered, ask
from vspc.common.state_dir import StateError
from vspc.common.text import safe
from vspc.common.values import InvalidLines, InvalidValue
from vspc.config import Config, ConfigError
from vspc.config.file import DEFAULT_FILE, chosen
from vspc.net.tls import TlsError, load_pair
from vspc.server.config_files import load_with_files
from vspc.ssh.keys import HostKeyError, fingerprint_line, host_keys

FILE_NAME = "vspc.toml"
"""In the directory that `vspc init` is given."""

_SYSTEMD = Path("/run/systemd/system")
"""There where systemd runs: sd_booted(3)."""

_UNITS = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")

_NO_TERMINAL = (
    "vspc init: {} not given, and standard input is not a terminal; for example:\n"
    "  vspc init --network 10.0.0.0/24 --key ~/.ssh/id_ed25519.pub --operator alice"
)


@frozen
class _Plan:
    """Where everything goes, and to whom it belongs."""

    path: Path
    answers: FirstConfig
    owner: Account | None
    host: str


def run(arguments: Namespace) -> int:
    """Do it; the exit status."""
    path = Path(arguments.directory) / FILE_NAME if arguments.directory else chosen(None)
    path = path.absolute()
    if path.is_symlink() or path.exists():
        print(f"vspc init: {path} is there, and is not replaced", file=sys.stderr)
        return 1
    try:
        plan = _plan(path, arguments)
    except (InvalidValue, InvalidLines) as wrong:
        first = wrong.wrongs[0] if isinstance(wrong, InvalidLines) else wrong
        print(f"vspc init: {first.problem}; {first.allowed}", file=sys.stderr)
        return 2
    except (Unanswered, KeyboardInterrupt):
        print("\nvspc init: nothing was written", file=sys.stderr)
        return 1
    if plan is None:
        return 2
    return _make(plan)


def _plan(path: Path, arguments: Namespace) -> _Plan | None:
    """From options, and answers where they are missing; None where nobody can be asked."""
    owner = account(arguments.user)
    name = host(arguments.host) if arguments.host else own_name()
    chosen_name = operator(arguments.operator) if arguments.operator else ""
    missing = [f"--{word}" for word in ("network", "key") if not getattr(arguments, word)]
    if missing and not sys.stdin.isatty():
        print(_NO_TERMINAL.format(" and ".join(missing)), file=sys.stderr)
        return None
    nets = networks(arguments.network) if arguments.network else None
    lines = tuple(line for text in arguments.key for line in keys(text))
    nets = nets or ask(NETWORKS, lambda text: networks([text]))
    lines = lines or ask(KEY, keys)
    return _Plan(path, FirstConfig(nets, chosen_name or likely_operator(lines), lines), owner, name)


def _make(plan: _Plan) -> int:
    try:
        make_directory(plan.path.parent, plan.owner)
        write_new(plan.path, plan.answers.toml(), plan.owner)
    except OSError as error:
        hint = "; run it as root, or name a directory" if isinstance(error, PermissionError) else ""
        where = safe(str(error.filename or plan.path))
        print(f"vspc init: {where}: {error.strerror}{hint}", file=sys.stderr)
        return 1
    status = 1
    try:
        status = _complete(plan)
    finally:
        if status:
            plan.path.unlink()
    return status


def _complete(plan: _Plan) -> int:
    """All that follows the file, which the loader has to take; the exit status."""
    try:
        config = load_with_files(plan.path)
        make_state(config.state_dir, plan.owner)
    except ConfigError as error:
        print(*error.mistakes, sep="\n", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"vspc init: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    sys.stdout.flush()
    return run_as(plan.owner, lambda: _keys(plan, config))


def _keys(plan: _Plan, config: Config) -> int:
    """Make the keys, and print what comes next; the exit status."""
    names = dict.fromkeys((plan.host, own_name(), own_name().partition(".")[0]))
    try:
        [key] = host_keys((), config.state_dir)
        load_pair(None, None, config.state_dir, tuple(names))
        uris = proxy_uris(config, plan.host)
    except (HostKeyError, TlsError, StateError, AdviceError) as error:
        print(f"vspc init: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        hint = "" if plan.owner is None else f" for {plan.owner.name}, the user of the server"
        where = safe(str(error.filename or config.state_dir))
        print(f"vspc init: {where}: {error.strerror}{hint}", file=sys.stderr)
        return 1
    for line in _made(plan, config, fingerprint_line(key, plan.host)):
        print(line)
    print(*_next(plan, uris), sep="\n", flush=True)
    return 0


def _made(plan: _Plan, config: Config, key: str) -> list[str]:
    answers = plan.answers
    many = "1 key" if len(answers.keys) == 1 else f"{len(answers.keys)} keys"
    networks = ", ".join(answers.networks)
    who = f"operator {answers.operator}, {many}, all rights"
    return [
        f"{plan.path}: VMs connect from {networks}; {who}",
        f"{config.state_dir}: SSH host key {key}",
        f"{config.state_dir}: self-signed certificate for {plan.host}",
        *user_of(config.state_dir),
    ]


def _next(plan: _Plan, uris: list[str]) -> list[str]:
    """What the administrator does now."""
    has_unit = _SYSTEMD.is_dir() and any(Path(p, "vspc.service").exists() for p in _UNITS)
    start = "systemctl enable --now vspc"
    if plan.path != DEFAULT_FILE or not has_unit:
        start = f"vspc run --config {quote(str(plan.path))}"
    name = plan.answers.operator
    return [
        f"Start the server:  {start}",
        f"Then log in:  ssh -p 2222 -t {name}@{plan.host}",
        *uris,
    ]
