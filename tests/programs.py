"""The programs of other people that tests use, and what to do where one is not installed.

A test asks for what it needs at its beginning, `ssh, keygen = require("ssh", "ssh-keygen")`, and is
skipped without it; with VSPC_NO_SKIP=1 it fails, as in `.ci/run`. `tests.run` ends with the list.
"""

import os
import shutil
import unittest
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn

PACKAGES: Mapping[str, str] = MappingProxyType(
    {
        "asciinema": "asciinema",
        "bash": "bash",
        "groff": "groff-base",
        "mandoc": "mandoc",
        "logrotate": "logrotate",
        "make": "make",
        "ssh": "openssh-client",
        "ssh-add": "openssh-client",
        "ssh-agent": "openssh-client",
        "ssh-keygen": "openssh-client",
        "ssh-keyscan": "openssh-client",
        "busybox": "busybox-static",
        "conserver": "conserver-server",
        "gcc": "gcc",
        "gdb": "gdb",
        "console": "conserver-client",
        "nc": "netcat-openbsd",
        "nft": "nftables",
        "openssl": "openssl",
        "prometheus": "prometheus",
        "promtool": "prometheus",
        "ps": "procps",
        "python3-config": "python3-dev",
        "qemu-system-x86_64": "qemu-system-x86",
        "ser2net": "ser2net",
        "socat": "socat",
        "systemd-analyze": "systemd",
        "dh": "debhelper",
        "dpkg-buildpackage": "dpkg-dev",
        "mmdebstrap": "mmdebstrap",
        "nsenter": "util-linux",
        "telnet": "telnet",
        "telnet-ssl": "telnet-ssl",
        "tmux": "tmux",
        "unshare": "util-linux",
        "zsh": "zsh",
    }
)
"""The Debian package of each program that a test may ask for; `make deps` installs them all."""

NO_SKIP = "VSPC_NO_SKIP"
"""Set to 1: what is missing fails the test instead of skipping it."""

MISSING_LOG = "VSPC_MISSING_LOG"
"""Where `tests.run` collects what was missing: a file with a line for each test."""

_ADMINISTRATORS = "/usr/local/sbin:/usr/sbin:/sbin"


def require(*programs: str) -> list[Path]:
    """Where `programs` are, in order; skips the test, or fails it, where one is missing.

    Raises unittest.SkipTest, or AssertionError; also for a program that `PACKAGES` does not know.
    """
    return [_find(program) or missing(program, PACKAGES[program]) for program in programs]


def missing(what: str, remedy: str) -> NoReturn:
    """End this test for want of `what`; `remedy` is a Debian package, or a command of ours."""
    if os.environ.get(NO_SKIP) == "1":
        raise AssertionError(f"{what} is missing (install {remedy}) and {NO_SKIP}=1")
    log = os.environ.get(MISSING_LOG)
    if log:
        with Path(log).open("a", encoding="utf-8") as file:
            file.write(f"{what}\t{remedy}\n")
    raise unittest.SkipTest(f"needs {what} (install {remedy})")


def _find(program: str) -> Path | None:
    assert program in PACKAGES, f"{program} has no entry in tests.programs.PACKAGES"
    path = os.environ.get("PATH", os.defpath) + os.pathsep + _ADMINISTRATORS
    found = shutil.which(program, path=path)
    return Path(found) if found else None
