"""What is known of each limit: what happens there, and the test that shows it.

A file of TOML for each room of `vspc`, and keys.toml for the configuration. In the table of a
module (`["net.preaccept"]`) or of the configuration (`["ssh"]`) is a line for each limit:

    NAME = ["what happens there", "net.test_preaccept.Waiting.test_one_that_closes_makes_room"]
    NAME = ["console.history"]          # only the default of that key
    no_limit = "NAME NAME"              # widths on a screen, numbers of protocols, pieces of work
"""

import tomllib
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path

from attrs import frozen
from twisted.trial.unittest import SynchronousTestCase

from tests.limits.constants import Constant, Key

FOLDER = Path(__file__).resolve().parent

KEYS = "keys.toml"
"""The file about the configuration."""

NO_LIMIT = "no_limit"


@frozen
class Entry:
    """What is known of one name. `key`: that of which it is the default; `is_limit`: otherwise it
    has neither text nor test.
    """

    happens: str = ""
    test: str = ""
    key: str = ""
    is_limit: bool = True


Register = Mapping[str, Entry]
"""By module and name, or by key."""


def modules() -> Register:
    """That of the constants."""
    found = dict[str, Entry]()
    for path in sorted(FOLDER.glob("*.toml")):
        if path.name != KEYS:
            found.update(_entries(path, "vspc."))
    return found


def configuration() -> Register:
    """That of the keys."""
    return _entries(FOLDER / KEYS, "")


def _entries(path: Path, prefix: str) -> Register:
    found = dict[str, Entry]()
    for table, lines in tomllib.loads(path.read_text(encoding="utf-8")).items():
        for name, known in lines.items():
            if name == NO_LIMIT:
                found.update(
                    (f"{prefix}{table}.{each}", Entry(is_limit=False)) for each in known.split()
                )
            elif len(known) == 1:
                found[f"{prefix}{table}.{name}"] = Entry(key=known[0])
            else:
                happens, test = known
                found[f"{prefix}{table}.{name}"] = Entry(happens, test)
    return found


def undescribed(found: Iterable[Constant], register: Register) -> list[str]:
    """Limits without a docstring."""
    named = [each for each in found if not each.text]
    return [full_name(each) for each in named if register[full_name(each)].is_limit]


def mistakes(names: Iterable[str], register: Register) -> list[str]:
    """What is wrong with `register`, where `names` are all that has to be in it."""
    there = set(names)
    found = [
        f"{name}: say in tests/limits/*.toml what happens there and which test shows it, or that it"
        f" is no limit"
        for name in sorted(there - set(register))
    ]
    found += [f"{name}: there is nothing of this name" for name in sorted(set(register) - there)]
    for name, entry in register.items():
        if not entry.is_limit or entry.key:
            continue
        if not entry.happens or "|" in entry.happens:
            found.append(f"{name}: what happens there?")
        if not is_test(entry.test):
            found.append(f"{name}: there is no test {entry.test!r}")
    return found


def is_test(name: str) -> bool:
    """Whether `name`, without `tests.`, is the test method of a class in a module of tests."""
    module, _, method = name.rpartition(".")
    module, _, case = module.rpartition(".")
    try:
        owner = getattr(import_module(f"tests.{module}"), case, None)
    except (ImportError, ValueError):
        return False
    is_case = isinstance(owner, type) and issubclass(owner, SynchronousTestCase)
    return is_case and method.startswith("test_") and callable(getattr(owner, method, None))


def full_name(limit: Constant | Key) -> str:
    """As it is in a register."""
    if isinstance(limit, Constant):
        return f"{limit.module}.{limit.name}"
    return f"{limit.table}.{limit.name}"
