"""How the house stands: sizes, import circles, double names, long functions, of a checkout.

    python -m benchmarks.house [CHECKOUT] [--json]

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

from attrs import asdict, field, frozen

LONG_FUNCTION = 60
"""Lines: the style card allows no function over it."""

LONG_MODULE = 400
"""Lines: a module over it holds perhaps more than one thing."""

ALLOWED_AT_TOP = frozenset({"__init__", "__main__"})
"""Modules beside the rooms."""


@frozen
class Module:
    """One file of the package."""

    name: str
    tree: ast.Module
    lines: int


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
    longest_functions: list[tuple[int, str]]
    long_modules: list[tuple[int, str]] = field(factory=list)


def measure(checkout: Path) -> House:
    """All figures of the package in `checkout`."""
    modules = list(_modules(checkout / "vspc"))
    functions = sorted((f for module in modules for f in _functions(module)), reverse=True)
    return House(
        modules=len(modules),
        lines=sum(module.lines for module in modules),
        rooms=_rooms(modules),
        circles=circles(_imports(modules)),
        double_classes=_double_classes(modules),
        loose_modules=_loose(checkout / "vspc"),
        not_implemented=[place for module in modules for place in _not_implemented(module)],
        roles_assigned_in=[m.name for m in modules if _assigns(m, "role")],
        function_median=median(size for size, _ in functions),
        longest_functions=functions[:5],
        long_modules=sorted(
            ((m.lines, m.name) for m in modules if m.lines > LONG_MODULE), reverse=True
        ),
    )


def _modules(package: Path) -> Iterator[Module]:
    for path in sorted(package.rglob("*.py")):
        words = ["vspc", *path.relative_to(package).with_suffix("").parts]
        name = ".".join(words[:-1] if words[-1] == "__init__" else words)
        text = path.read_text(encoding="utf-8")
        yield Module(name, ast.parse(text, str(path)), len(text.splitlines()))


def _rooms(modules: list[Module]) -> dict[str, tuple[int, int]]:
    rooms: dict[str, tuple[int, int]] = {}
    packages = {m.name.rpartition(".")[0] for m in modules}
    for module in modules:
        words = module.name.split(".")
        is_top = len(words) == 1 or (len(words) == 2 and module.name not in packages)
        room = "(top)" if is_top else words[1]
        count, lines = rooms.get(room, (0, 0))
        rooms[room] = count + 1, lines + module.lines
    return dict(sorted(rooms.items()))


def _imports(modules: list[Module]) -> dict[str, set[str]]:
    """For each module the modules of the package that it imports, wherever in it."""
    names = {module.name for module in modules}
    found: dict[str, set[str]] = {}
    for module in modules:
        edges = set[str]()
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import):
                edges.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                edges |= {name if name in names else node.module for name in inner}
        found[module.name] = (edges & names) - {module.name}
    return found


def circles(imports: Mapping[str, set[str]]) -> list[list[str]]:
    """Strongly connected sets of more than one module, the largest first (Tarjan's algorithm)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(imports[name]):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            at = stack.index(name)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for name in sorted(imports):
        if name not in index:
            visit(name)
    return sorted(found, key=len, reverse=True)


def _double_classes(modules: list[Module]) -> dict[str, list[str]]:
    owners: dict[str, list[str]] = {}
    for module in modules:
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                owners.setdefault(node.name, []).append(module.name)
    return {name: where for name, where in owners.items() if len(where) > 1}


def _loose(package: Path) -> list[str]:
    return sorted(p.stem for p in package.glob("*.py") if p.stem not in ALLOWED_AT_TOP)


def _not_implemented(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Raise) and node.exc is not None:
            names = {n.id for n in ast.walk(node.exc) if isinstance(n, ast.Name)}
            if "NotImplementedError" in names:
                yield f"{module.name}:{node.lineno}"


def _assigns(module: Module, attribute: str) -> bool:
    """Whether an attribute of that name is assigned, `self._` of it included."""
    wanted = {attribute, f"_{attribute}"}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Assign):
            targets = [t for target in node.targets for t in ast.walk(target)]
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        else:
            continue
        if any(isinstance(t, ast.Attribute) and t.attr in wanted for t in targets):
            return True
    return False


def _functions(module: Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or node.lineno) - node.lineno + 1
            yield size, f"{module.name}.{node.name}"


def _show(house: House) -> None:
    print(f"{house.modules} modules, {house.lines} lines")
    for room, (count, lines) in house.rooms.items():
        print(f"    {room:12} {count:4} modules {lines:6} lines")
    sizes = ", ".join(f"{size} {name}" for size, name in house.longest_functions)
    print(f"functions: median {house.function_median:g}; longest: {sizes}")
    print(f"functions over {LONG_FUNCTION} lines: ", end="")
    print(sum(size > LONG_FUNCTION for size, _ in house.longest_functions) or "none")
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
