"""How the house stands: sizes, import circles, double names, long functions, of a checkout.

    python -m tests.house [CHECKOUT] [--json]

Without CHECKOUT, the one that this file is in: so figures of two commits can be compared. A line is
a line of the file, blank ones and comments included. An import circle is a set of modules that can
each reach the others by imports; imports in functions and for type checkers count.
"""

import argparse
import ast
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median

from attrs import asdict, frozen

from tests.test_floors import (
    LONG_FUNCTION,
    Module,
    assigns,
    circles,
    double_classes,
    functions,
    graph_of,
    modules,
)

LONG_MODULE = 400
"""Lines: a module over it holds perhaps more than one thing."""

ALLOWED_AT_TOP = frozenset({"__init__", "__main__"})
"""Modules beside the rooms."""


@frozen
class House:
    """What is measured."""

    modules: int
    lines: int
    rooms: dict[str, tuple[int, int]]
    circles: list[list[str]]
    double_classes: dict[str, list[str]]
    loose_modules: list[str]
    not_implemented: list[str]
    roles_assigned_in: list[str]
    function_median: float
    functions_over: int
    longest_functions: list[tuple[int, str]]
    long_modules: list[tuple[int, str]]


def measure(checkout: Path) -> House:
    """All figures of the package in `checkout`."""
    package = checkout / "vspc"
    found = list(modules(package))
    sizes = {module.name: _lines(package, module) for module in found}
    by_length = sorted((each for module in found for each in functions(module)), reverse=True)
    return House(
        modules=len(found),
        lines=sum(sizes.values()),
        rooms=_rooms(found, sizes),
        circles=sorted(circles(graph_of(found)), key=len, reverse=True),
        double_classes=double_classes(found),
        loose_modules=_loose(package),
        not_implemented=[place for module in found for place in _not_implemented(module)],
        roles_assigned_in=[module.name for module in found if assigns(module, "role")],
        function_median=median(size for size, _ in by_length),
        functions_over=sum(size > LONG_FUNCTION for size, _ in by_length),
        longest_functions=by_length[:5],
        long_modules=sorted(
            ((size, name) for name, size in sizes.items() if size > LONG_MODULE), reverse=True
        ),
    )


def _lines(package: Path, module: Module) -> int:
    path = package.joinpath(*module.name.split(".")[1:])
    path = path / "__init__.py" if module.is_package else path.with_suffix(".py")
    return len(path.read_text(encoding="utf-8").splitlines())


def _rooms(found: list[Module], sizes: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    packages = {module.name for module in found if module.is_package}
    rooms: dict[str, tuple[int, int]] = {}
    for module in found:
        room = module.room if f"vspc.{module.room}" in packages and module.room else "(top)"
        count, lines = rooms.get(room, (0, 0))
        rooms[room] = count + 1, lines + sizes[module.name]
    return dict(sorted(rooms.items()))


def _loose(package: Path) -> list[str]:
    return sorted(p.stem for p in package.glob("*.py") if p.stem not in ALLOWED_AT_TOP)


def _not_implemented(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Raise) and node.exc is not None:
            names = {n.id for n in ast.walk(node.exc) if isinstance(n, ast.Name)}
            if "NotImplementedError" in names:
                yield f"{module.name}:{node.lineno}"


def _show(house: House) -> None:
    print(f"{house.modules} modules, {house.lines} lines")
    for room, (count, lines) in house.rooms.items():
        print(f"    {room:12} {count:4} modules {lines:6} lines")
    sizes = ", ".join(f"{size} {name}" for size, name in house.longest_functions)
    print(f"functions: median {house.function_median:g}; longest: {sizes}")
    print(f"functions over {LONG_FUNCTION} lines: {house.functions_over or 'none'}")
    _list("import circles", [f"{len(c)}: {' '.join(c)}" for c in house.circles])
    _list("public class names used twice", [f"{n}: {w}" for n, w in house.double_classes.items()])
    _list("modules beside the rooms", house.loose_modules)
    _list("raise NotImplementedError", house.not_implemented)
    _list("modules that assign a role", house.roles_assigned_in)
    _list(f"modules over {LONG_MODULE} lines", [f"{n} {name}" for n, name in house.long_modules])


def _list(title: str, found: list[str]) -> None:
    print(f"{title}: {len(found) or 'none'}")
    for line in found:
        print(f"    {line}")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("checkout", nargs="?", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    house = measure(arguments.checkout)
    if arguments.json:
        print(json.dumps(asdict(house), indent=2))
    else:
        _show(house)


if __name__ == "__main__":
    main()
