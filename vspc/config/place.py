"""Which configuration file a command takes where none is named, and where that keeps its state."""

import os
from collections.abc import Mapping
from pathlib import Path

from vspc.common.values import InvalidValue

VARIABLE = "VSPC_CONFIG"
"""Names the file where `--config` does not."""

DEFAULT_FILE = Path("/etc/vspc/vspc.toml")
"""The file where neither does."""

DEFAULT_STATE = Path("/var/lib/vspc")
"""Its state_dir, unless it says otherwise."""

BESIDE = Path("state")
"""The state_dir of every other file, relative to it."""

HELP = f"the configuration file; else ${VARIABLE}, else {DEFAULT_FILE}"
"""What `--help` says of `--config`."""


def chosen(named: str | None, environment: Mapping[str, str] = os.environ) -> Path:
    """The file that `named`, which is what `--config` says, or the environment stands for."""
    return Path(named or environment.get(VARIABLE) or DEFAULT_FILE)


def default_state(path: Path) -> Path:
    """The state_dir of the configuration at `path` where it names none."""
    return DEFAULT_STATE if Path(os.path.abspath(path)) == DEFAULT_FILE else BESIDE


def unread(wrong: InvalidValue) -> InvalidValue:
    """`wrong`, of a configuration file that cannot be read: how to name another one."""
    allowed = f"{wrong.allowed}; --config FILE or ${VARIABLE} names another one"
    return InvalidValue(wrong.problem, allowed)
