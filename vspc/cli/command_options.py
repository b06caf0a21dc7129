"""The options of the commands of `vspc`, without what the commands do."""

import argparse
from pathlib import Path

from vspc.config.file import HELP


def import_options(command: argparse.ArgumentParser) -> None:
    """Of `vspc import`."""
    command.add_argument("file", type=Path, metavar="FILE", help="conserver.cf or conman.conf")
    text = "whose file it is; the default is found out from what is in it"
    command.add_argument("--format", choices=("conserver", "conman"), help=text)
    text = "write the configuration to FILE, which must not exist; the default is standard output"
    command.add_argument("--output", type=Path, metavar="FILE", help=text)


def init_options(command: argparse.ArgumentParser) -> None:
    """Of `vspc init`."""
    text = "where vspc.toml and its state_dir are made; the default is /etc/vspc, and /var/lib/vspc"
    command.add_argument("directory", nargs="?", metavar="DIR", help=text)
    text = "a management network of the ESXi hosts, which may connect; asked for"
    command.add_argument("--network", action="append", default=[], metavar="NET", help=text)
    text = "a public key of the first operator: the line, or a file of them; asked for"
    command.add_argument("--key", action="append", default=[], metavar="KEY", help=text)
    text = "the first operator; the default is who called sudo, or the user in the key's comment"
    command.add_argument("--operator", metavar="NAME", help=text)
    text = "the name or address that ESXi hosts and operators reach this machine by"
    command.add_argument("--host", metavar="NAME", help=text)
    text = "the user that the server will run as; the default for root is vspc, where there is one"
    command.add_argument("--user", metavar="USER", help=text)


def completion_options(command: argparse.ArgumentParser) -> None:
    """Of `vspc completion`."""
    command.add_argument("shell", choices=("bash", "zsh"), help="for which it is")


def man_options(command: argparse.ArgumentParser) -> None:
    """Of `vspc man`."""
    text = "1: this command, vspc(1); 5: its configuration, vspc.toml(5)"
    command.add_argument("section", choices=("1", "5"), help=text)


def run_options(command: argparse.ArgumentParser) -> None:
    """Of `vspc run`."""
    command.add_argument("--verbose", action="store_true", help="log debugging, too")


def verify_options(command: argparse.ArgumentParser) -> None:
    """Of `vspc verify`."""
    text = "a file with log-chain lines of the server's log, kept elsewhere"
    command.add_argument("--against", type=Path, metavar="FILE", help=text)


def proxy_uri_options(command: argparse.ArgumentParser) -> None:
    """Of `vspc proxy-uri`."""
    command.add_argument("--host", help="the name or address that ESXi hosts reach it by")


def ports_options(command: argparse.ArgumentParser) -> None:
    """Of `vspc ports`."""
    text = "the name or address that ESXi hosts and operators reach this machine by"
    command.add_argument("--host", help=text)
    formats = command.add_mutually_exclusive_group()
    for word, text in (
        ("json", "an array of all connections"),
        ("nftables", "rules for nft -f on this machine"),
        ("firewalld", "commands of firewall-cmd for this machine"),
        ("esxcli", "commands for the shell of each ESXi host"),
    ):
        formats.add_argument(
            f"--{word}", dest="format", action="store_const", const=word, default="table", help=text
        )


def access_options(command: argparse.ArgumentParser) -> None:
    """Of `vspc access`."""
    command.add_argument("--operator", metavar="NAME", help="only this one, one line a console")
    command.add_argument("--console", metavar="GLOB", help="only these; a name need not exist yet")
    command.add_argument("--json", action="store_true", help="an array of all cells")
    command.add_argument(
        "--offline", action="store_true", help="do not ask the running server which consoles exist"
    )


def backup_options(command: argparse.ArgumentParser) -> None:
    """Of `vspc backup`."""
    text = "a file that does not exist; - is standard output"
    command.add_argument("file", metavar="FILE", help=text)
    command.add_argument("--logs", action="store_true", help="with what consoles said, too")


def restore_options(command: argparse.ArgumentParser) -> None:
    """Of `vspc restore`."""
    command.add_argument("file", metavar="FILE", help="a backup; - is standard input")
    command.add_argument("--config", default=None, metavar="FILE", help=HELP)
    text = "move a state_dir that is not empty aside"
    command.add_argument("--force", action="store_true", help=text)
