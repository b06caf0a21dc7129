"""The environment that tests and the programs they start see: nothing of the caller's own."""

import os
from pathlib import Path

_PRIVATE = ("XDG_", "SSH_", "GPG_", "PYTHON", "HYPOTHESIS_STORAGE", "COVERAGE_", "MAKE", "MFLAGS")
_BYTECODE = "PYTHONPYCACHEPREFIX"  # `tests.run` keeps it out of the tree
_PIP_SETTINGS = ".config/pip/pip.conf"


def private_environment(home: Path) -> dict[str, str]:
    """The caller's environment without his files, agent and language; `home` is there in his stead.

    How pip reaches its index is kept: behind a mirror nothing could be installed without it.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name == _BYTECODE or not name.startswith((*_PRIVATE, "LANG", "MAIL"))
    }
    settings = Path(os.environ.get("HOME", "/")) / _PIP_SETTINGS
    if settings.is_file():
        kept.setdefault("PIP_CONFIG_FILE", str(settings))
    return kept | {"HOME": str(home), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
