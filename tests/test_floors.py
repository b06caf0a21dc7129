"""The house's plan, held against every import of every module; see docs/architecture.md.

A new room, or a new module beside them, gets a line in `FLOORS`. Imports go down only, and rooms
of one floor do not import each other. An import in a function or for type checkers counts too.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from attrs import frozen
from twisted.trial.unittest import SynchronousTestCase

PACKAGE = Path(__file__).resolve().parent.parent / "vspc"

ALONE = -1
"""A room that imports nothing of the project, and that only cli/ imports."""

TOP = 6
"""The floor from which the simulator may be started."""

PURE = 1
"""Rooms up to this floor take bytes and times and give back values: they know no Twisted."""

FLOORS: Mapping[str, int] = MappingProxyType(
    {
        "simulator": ALONE,
        "common": 0,
        "wire": 0,
        "config": 1,
        "console": 1,
        "net": 2,
        "alerts": 3,
        "apps": 3,
        "audit": 3,
        "auth": 3,
        "log": 3,
        "ssh": 3,
        "vm": 3,
        "doors": 4,
        "server": 5,
        "cli": 6,
        "__main__": 7,
    }
)

EVERYBODYS = frozenset({"common"})
"""Rooms that the ones beside them may import."""

APART = frozenset({("net", "console")})
"""Who may not import whom although it is below: net/ knows no consoles."""

REACTOR = frozenset({"twisted", "zope", "OpenSSL"})
"""What the pure rooms do without."""

LONG_FUNCTION = 60
"""Lines that no function may have more of."""

_CONTAINERS = frozenset(
    {"list", "dict", "set", "bytearray", "defaultdict", "deque", "Counter", "OrderedDict", "count"}
    | {"WeakKeyDictionary", "WeakValueDictionary", "WeakSet"}
)
_LITERALS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)


@frozen
class Module:
    """A module of ours: its dotted name, and its syntax tree."""

    name: str
    tree: ast.Module
    is_package: bool = False

    @property
    def room(self) -> str:
        """What stands in `FLOORS`; empty for the package itself."""
        return _room(self.name)


def _room(name: str) -> str:
    words = name.split(".")
    return words[1] if len(words) > 1 else ""


@cache
def modules(package: Path = PACKAGE) -> tuple[Module, ...]:
    """Every module of the package."""
    return tuple(_read(package))


def _read(package: Path) -> Iterator[Module]:
    for path in sorted(package.rglob("*.py")):
        words = ["vspc", *path.relative_to(package).with_suffix("").parts]
        is_package = words[-1] == "__init__"
        name = ".".join(words[:-1] if is_package else words)
        yield Module(name, ast.parse(path.read_bytes(), str(path)), is_package)


@cache
def imports(module: Module) -> tuple[str, ...]:
    """Dotted names of all that `module` imports: modules, or what is taken out of them."""
    return tuple(_imports(module))


def _imports(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(module, node)
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def _origin(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    words = module.name.split(".")
    kept = words[: len(words) - node.level + module.is_package]
    return ".".join([*kept, *([node.module] if node.module else [])])


def circles(graph: Mapping[str, frozenset[str]]) -> Iterator[list[str]]:
    """The circles of a graph of imports: its strongly connected components of more than one.

    (R. Tarjan, Depth-first search and linear graph algorithms, 1972.)
    """
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []

    def visit(name: str) -> Iterator[list[str]]:
        order[name] = lowest[name] = len(order)
        path.append(name)
        for other in sorted(graph[name]):
            if other not in order:
                yield from visit(other)
            if other in path:
                lowest[name] = min(lowest[name], lowest[other])
        if lowest[name] == order[name]:
            circle = path[path.index(name) :]
            del path[path.index(name) :]
            if len(circle) > 1:
                yield sorted(circle)

    for name in sorted(graph):
        if name not in order:
            yield from visit(name)


def graph_of(found: Iterable[Module]) -> Mapping[str, frozenset[str]]:
    """Which of these modules import which of them."""
    modules = {module.name: module for module in found}

    def within(module: Module) -> Iterator[str]:
        for name in imports(module):
            owner = name if name in modules else name.rpartition(".")[0]
            if owner in modules and owner != module.name:
                yield owner

    return {name: frozenset(within(module)) for name, module in modules.items()}


def wrong_import(module: Module, name: str) -> str | None:
    """Why `module` may not import `name`, or None if it may."""
    room = module.room
    if room not in FLOORS:
        return None  # the package itself, which imports nothing, or no line yet: told once
    floor, package = FLOORS[room], name.partition(".")[0]
    if package in REACTOR and ALONE < floor <= PURE:
        return f"{room} knows no Twisted"
    other = _room(name)
    if package != "vspc" or other == room or other not in FLOORS:
        return None
    return _wrong_step(room, floor, other)


def _wrong_step(room: str, floor: int, other: str) -> str | None:
    if (room, other) in APART:
        return f"{room} knows nothing of {other}"
    if floor == ALONE:
        return f"{room} shares no line with the rest"
    below = FLOORS[other]
    if below == ALONE:
        return None if floor >= TOP else f"only cli/ imports {other}"
    if below > floor:
        return f"{other} is on floor {below}, above {room} on floor {floor}"
    if below == floor and other not in EVERYBODYS:
        return f"{other} is on the same floor {floor}: they meet through console/ and its ports"
    return None


def mutable_state(module: Module) -> Iterator[str]:
    """Names of `module` itself that hold something that changes, and `global` statements.

    A constant in capitals that is never changed may be a list or dict.
    """
    for statement in module.tree.body:
        if isinstance(statement, ast.Assign):
            targets: list[ast.expr] = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        else:
            continue
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        if _is_container(statement.value):
            yield from (name for name in names if not (name.isupper() or name == "__all__"))
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Global):
            yield "global " + ", ".join(node.names)


def _is_container(value: ast.expr | None) -> bool:
    if not isinstance(value, ast.Call):
        return isinstance(value, _LITERALS)
    called = value.func
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return name in _CONTAINERS


def public_classes(module: Module) -> Iterator[str]:
    """Names of the classes of `module` that do not begin with an underscore."""
    for node in module.tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name


def double_classes(found: Iterable[Module]) -> dict[str, list[str]]:
    """Public class names that more than one module has, with these modules."""
    owners: dict[str, list[str]] = {}
    for module in found:
        for name in public_classes(module):
            owners.setdefault(name, []).append(module.name)
    return {name: where for name, where in owners.items() if len(where) > 1}


def functions(module: Module) -> Iterator[tuple[int, str]]:
    """Each function and method of `module`: its lines, and its name."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or node.lineno) - node.lineno + 1
            yield size, f"{module.name}.{node.name}"


def assigns(module: Module, attribute: str) -> bool:
    """Whether an attribute of that name is assigned, with or without an underscore before it."""
    wanted = {attribute, f"_{attribute}"}
    for node in ast.walk(module.tree):
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        inner = [each for target in targets for each in getattr(target, "elts", [target])]
        if any(isinstance(each, ast.Attribute) and each.attr in wanted for each in inner):
            return True
    return False


def _module(name: str, text: str) -> Module:
    return Module(name, ast.parse(text))


def _wrong(name: str, text: str) -> list[str]:
    module = _module(name, text)
    return [why for imported in imports(module) if (why := wrong_import(module, imported))]


class House(SynchronousTestCase):
    """The house as it stands."""

    def test_every_room_has_its_floor(self) -> None:
        unknown = sorted({module.room for module in modules()} - set(FLOORS) - {""})
        self.assertEqual(unknown, [], "give these a floor in tests/test_floors.py, FLOORS")

    def test_imports_go_down_only(self) -> None:
        wrong = [
            f"{module.name} imports {name}: {why}"
            for module in modules()
            for name in imports(module)
            if (why := wrong_import(module, name))
        ]
        self.assertEqual(wrong, [])

    def test_no_imports_go_in_a_circle(self) -> None:
        found = list(circles(graph_of(modules())))
        self.assertEqual(found, [], "one of them needs a smaller thing: a Protocol, a reference")

    def test_the_package_itself_imports_nothing_of_ours(self) -> None:
        [package] = [module for module in modules() if module.name == "vspc"]
        self.assertEqual([name for name in imports(package) if name.startswith("vspc")], [])

    def test_no_module_holds_state(self) -> None:
        wrong = [f"{module.name}: {what}" for module in modules() for what in mutable_state(module)]
        self.assertEqual(wrong, [])

    def test_no_two_public_classes_have_one_name(self) -> None:
        self.assertEqual(double_classes(modules()), {})

    def test_no_function_is_too_long(self) -> None:
        sizes = [each for module in modules() for each in functions(module)]
        self.assertEqual([name for size, name in sizes if size > LONG_FUNCTION], [])

    def test_only_the_session_of_a_line_assigns_its_role(self) -> None:
        found = [module.name for module in modules() if assigns(module, "role")]
        self.assertEqual(found, ["vspc.vm.session"])


class Plan(SynchronousTestCase):
    """What the plan forbids is found."""

    def test_upward(self) -> None:
        self.assertEqual(
            _wrong("vspc.net.tls", "from vspc.vm.lines.binary import BinaryLine"),
            ["vm is on floor 3, above net on floor 2"],
        )

    def test_sideways_in_each_way_to_write_it(self) -> None:
        for text in (
            "import vspc.ssh.keys",
            "from vspc import ssh",
            "from vspc.ssh import keys",
            "from ..ssh import keys",
            "from .. import ssh",
            "def late():\n    from vspc.ssh.keys import load",
        ):
            self.assertEqual(len(_wrong("vspc.vm.server", text)), 1, text)

    def test_a_package_imports_relative_to_itself(self) -> None:
        package = Module("vspc.vm", ast.parse("from . import server\nfrom ..ssh import keys"), True)
        self.assertEqual(list(imports(package)), ["vspc.vm.server", "vspc.ssh.keys"])

    def test_a_circle_is_found_however_it_is_written(self) -> None:
        found = [
            _module("vspc.console.a", "from vspc.console import b"),
            _module("vspc.console.b", "if TYPE_CHECKING:\n    from vspc.console.c import C"),
            _module("vspc.console.c", "def late():\n    import vspc.console.a"),
            _module("vspc.console.d", "from vspc.console.a import A"),
        ]
        whole = [["vspc.console.a", "vspc.console.b", "vspc.console.c"]]
        self.assertEqual(list(circles(graph_of(found))), whole)
        self.assertEqual(list(circles(graph_of([*found[:2], found[3]]))), [])

    def test_twisted_in_a_pure_room(self) -> None:
        for text in ("import twisted.internet", "from zope.interface import implementer"):
            self.assertEqual(_wrong("vspc.wire.telnet", text), ["wire knows no Twisted"])
            self.assertEqual(_wrong("vspc.net.tls", text), [])

    def test_consoles_in_net(self) -> None:
        wrong = _wrong("vspc.net.tls", "from vspc.console.ports import Line")
        self.assertEqual(wrong, ["net knows nothing of console"])

    def test_the_simulator_is_alone(self) -> None:
        self.assertEqual(len(_wrong("vspc.simulator.esxi", "from vspc.wire import telnet")), 1)
        self.assertEqual(len(_wrong("vspc.simulator.esxi", "from vspc.common.text import safe")), 1)
        self.assertEqual(len(_wrong("vspc.apps.verbs.list", "from vspc.simulator import esxi")), 1)
        self.assertEqual(_wrong("vspc.cli.main", "from vspc.simulator.program import main"), [])

    def test_what_is_allowed(self) -> None:
        for name, text in (
            ("vspc.console.console", "from vspc.common.text import safe"),
            (
                "vspc.vm.lines.binary",
                "from vspc.vm.ports import Keeper\nfrom vspc.net import tls",
            ),
            ("vspc.ssh.server", "from vspc import __version__"),
            ("vspc.server.service", "from vspc.apps.dispatch import Dispatcher"),
        ):
            self.assertEqual(_wrong(name, text), [], name)

    def test_assignments_are_found(self) -> None:
        for text in ("self.role = x", "self._role: R = x", "a, b.role = x", "line._role = x"):
            self.assertTrue(assigns(_module("vspc.vm.server", text), "role"), text)
        for text in ("role = x", "x = self.role", "self.role.x = y", "f(role=x)"):
            self.assertFalse(assigns(_module("vspc.vm.server", text), "role"), text)

    def test_public_classes_are_listed(self) -> None:
        text = "class Line: ...\nclass _Hidden: ...\ndef f():\n    class Inner: ..."
        self.assertEqual(list(public_classes(_module("vspc.vm.server", text))), ["Line"])

    def test_state_is_found_and_constants_are_not(self) -> None:
        text = (
            "lines = []\nlast: dict[str, int] = {}\nwaiting = collections.deque()\n"
            "LIMITS = {'a': 1}\n__all__ = ['a']\nfirst = 1\n_TABLE: dict = {}\n"
            "def f():\n    global first\n    kept = []\n"
        )
        found = list(mutable_state(_module("vspc.vm.lines.binary", text)))
        self.assertEqual(found, ["lines", "last", "waiting", "global first"])
