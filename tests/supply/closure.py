"""The distributions that vspc needs to run, by what each says of itself."""

from collections.abc import Callable, Iterable
from importlib.metadata import requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = "vspc"


def needed(
    name: str = PROJECT, of: Callable[[str], Iterable[str] | None] = requires
) -> dict[str, list[Requirement]]:
    """All that `name` needs here, itself included, without its extras: by normalised name, with
    who asks for which versions. `of` gives the requirements of a distribution.
    """
    found: dict[str, list[Requirement]] = {}
    waiting = [Requirement(name)]
    while waiting:
        requirement = waiting.pop()
        known = found.setdefault(canonicalize_name(requirement.name), [])
        if any(each.extras >= requirement.extras for each in known):
            known.append(requirement)
            continue
        known.append(requirement)
        for text in of(requirement.name) or ():
            inner = Requirement(text)
            if _applies(inner, requirement.extras):
                waiting.append(inner)
    return found


def _applies(requirement: Requirement, extras: Iterable[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))
