"""What somebody is told when it begins he is told when it ends (law 13); who comes and goes."""

import ast
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

import vspc
from tests.fakes import ALL, READ, FakeLine, FakeSink, World, session
from vspc.console.attachment import Attachment, AttachmentKind
from vspc.console.company import BURST
from vspc.console.console import Console
from vspc.console.events import How
from vspc.console.input_flow import PATIENCE
from vspc.console.lineside import HOLDING


class Scene:
    """A console with a terminal on it; `told` is what it was told."""

    def __init__(self) -> None:
        self.world = World()
        self.console, self.line = self.world.connected()
        self.alice, self.alices = self.join("alice")
        self.addresses = iter(range(2, 250))

    def join(
        self, name: str, kind: AttachmentKind = AttachmentKind.TERMINAL
    ) -> tuple[Attachment, FakeSink]:
        sink = FakeSink()
        end = self.console.history.end
        attachment = self.console.attach(session(name), ALL, sink, end, kind)
        sink.attachment = attachment
        return attachment, sink

    @property
    def told(self) -> list[str]:
        self.world.turn()
        return self.alices.notices

    def wait(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    def fresh(self) -> FakeLine:
        self.line = FakeLine(f"10.0.0.{next(self.addresses)}")
        return self.line

    # What happens to a console

    def goes(self) -> None:
        self.console.disconnect("connection lost")

    def comes(self) -> None:
        self.console.connect(self.fresh())

    def stalls(self) -> None:
        self.line.unread = 1 << 20  # bytes that its TCP has not acknowledged
        self.console.take_pen(self.alice)
        self.alice.type(b"p" * 9000)
        self.wait(PATIENCE)

    def answers(self) -> None:
        while self.line.questions:
            self.line.questions -= 1
            self.console.answered()

    def migrates(self) -> None:
        self.console.migrate()
        self.wait(HOLDING)

    def moves(self) -> None:
        self.console.move(self.fresh(), "10.0.0.1", 4.0)

    def stays(self) -> None:
        self.console.end_migration("it was aborted")

    def resumes(self) -> None:
        self.console.resume()

    def is_replaced(self) -> None:
        self.console.replace(self.fresh(), "the old line does not answer", How.REPLACED)

    def is_replaced_by_the_same_host(self) -> None:
        address, self.line = self.line.address, FakeLine(self.line.address)
        self.line.address = address
        self.console.replace(self.line, "the old line does not answer", How.REPLACED)

    def takes_it_all(self) -> None:
        """It answers nothing, but what waits goes out as TCP has it."""
        self.line.unread = 0
        self.wait(1)

    def loses_write(self) -> None:
        self.console.reassess(lambda _operator, _subject: READ)

    def gets_write(self) -> None:
        self.console.reassess(lambda _operator, _subject: ALL)

    def withdraws(self) -> None:
        self.alice.withdraw()


Step = Callable[[Scene], None]


@frozen
class Begins:
    """How it begins, what is told then, and for each way to end what is told then."""

    steps: tuple[Step, ...]
    text: str
    ends: tuple[tuple[tuple[Step, ...], str], ...]


AWAY = r"web01 is away \(connection lost\)"
AGAIN = r"web01 is connected again, from 10\.0\.0\.\d+, after 40 s"
MOVED = r"web01 moved from 10\.0\.0\.1 to 10\.0\.0\.2 in 4\.0 s"


def forty_seconds(scene: Scene) -> None:
    scene.wait(40)


CONDITIONS: Mapping[str, Begins] = MappingProxyType(
    {
        "away": Begins((Scene.goes,), AWAY, (((forty_seconds, Scene.comes), AGAIN),)),
        "held": Begins(
            (Scene.migrates,),
            r"web01 is migrating; 0 bytes held",
            (
                ((Scene.moves,), MOVED),
                ((Scene.stays,), r"web01 did not move: it was aborted"),
                ((Scene.resumes,), r"web01 goes on at 10\.0\.0\.1: its vMotion has not happened"),
                ((Scene.goes,), AWAY),
                ((Scene.is_replaced,), r"web01 is no longer migrating"),
                ((Scene.is_replaced_by_the_same_host,), r"web01 is no longer migrating"),
            ),
        ),
        "not answering": Begins(
            (Scene.stalls,),
            r"web01 does not answer: \d+ bytes wait",
            (
                ((Scene.answers,), r"web01 answers again; \d+ bytes wait"),
                ((Scene.takes_it_all, Scene.answers), r"web01 answers again"),
                ((Scene.goes,), AWAY),
                ((Scene.is_replaced,), r"web01 answers again, from 10\.0\.0\.2"),
                ((Scene.is_replaced_by_the_same_host,), r"web01 answers again, from 10\.0\.0\.1"),
                (
                    (Scene.migrates, Scene.moves),
                    r"web01 answers again, from 10\.0\.0\.2; \d+ bytes wait",
                ),
            ),
        ),
        "waiting": Begins(
            (Scene.stalls,),
            r"web01 does not answer: \d+ bytes wait",
            (
                ((Scene.answers,), r"nothing waits for web01 any more"),
                ((Scene.takes_it_all,), r"nothing waits for web01 any more"),
                ((Scene.withdraws,), r"nothing waits for web01 any more"),
                ((Scene.goes,), r"web01 is away: \d+ bytes not sent"),
                ((Scene.is_replaced,), r"the old line does not answer: \d+ bytes not sent"),
                (
                    (Scene.migrates, Scene.moves, Scene.answers),
                    r"nothing waits for web01 any more",
                ),
            ),
        ),
        "no right to type": Begins(
            (Scene.loses_write,),
            r"you may no longer type here",
            (((Scene.gets_write,), r"you may type here now"),),
        ),
    }
)

EVENTS = (
    r"break from the VM",
    r"{} is on {} now; it was on {}, and this was no vMotion",
    r"{}: {} not sent",
    r"{} took the pen; you are reading now",
    r"{} the pen; you are reading now",
    r"you may send no BREAK any more: {} not sent",
    r"message from {}: {}",
    r"note by {}",
    r"recording {} {}",
    r"output of {} lost: {} bytes before these",
)
"""What happens at once, and is over when it is told; `{}` stands for what is made up then."""


class TableOfNotices(SynchronousTestCase):
    def test_whatever_begins_is_told_when_it_ends(self) -> None:
        for name, begins in CONDITIONS.items():
            for steps, text in begins.ends:
                scene = Scene()
                for step in begins.steps:
                    step(scene)
                self.assertTrue(any(re.fullmatch(begins.text, t) for t in scene.told), name)
                before = len(scene.told)
                for step in steps:
                    step(scene)
                found = scene.told[before:]
                self.assertTrue(any(re.fullmatch(text, t) for t in found), (name, text, found))

    def test_every_notice_of_a_console_is_in_the_table(self) -> None:
        """A new one has to be put there: does something begin with it?"""
        known = [begins.text for begins in CONDITIONS.values()]
        known += [text for begins in CONDITIONS.values() for _, text in begins.ends]
        for text in _texts():
            shown = text.replace("{}", "10.0.0.1")
            is_known = text in EVENTS or any(_like(pattern, text) for pattern in known)
            self.assertTrue(is_known, f"{text!r} ({shown}) is not in the table")


def _like(pattern: str, text: str) -> bool:
    """Whether a notice made of `text` could be one of `pattern`."""
    words = set(re.findall(r"[a-z]{3,}", re.sub(r"\\.|web01|bytes", " ", pattern)))
    said = set(re.findall(r"[a-z]{3,}", text.replace("bytes", "")))
    return bool(said) and (said <= words or words <= said)


def _texts() -> list[str]:
    """The texts of all calls of `tell` and `notice` on consoles and attachments."""
    found: list[str] = []
    package = Path(vspc.__file__).parent
    files = [*(package / "console").glob("*.py"), *(package / "vm").glob("*.py")]
    files += [package / "apps" / "verbs" / f"{name}.py" for name in ("msg", "note", "record")]
    for path in files:
        if path.name == "company.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and _tells(ast.unparse(node.func)):
                found += [text for each in node.args if (text := _text(each))]
    return found


def _tells(called: str) -> bool:
    return called.rpartition(".")[2] in ("tell", "notice", "_begin", "_end")


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values
        )
    return ""


STEPS: Mapping[str, Step] = MappingProxyType(
    {
        "goes": Scene.goes,
        "comes": Scene.comes,
        "stalls": Scene.stalls,
        "answers": Scene.answers,
        "migrates": Scene.migrates,
        "moves": Scene.moves,
        "stays": Scene.stays,
        "resumes": Scene.resumes,
        "is replaced": Scene.is_replaced,
        "takes it all": Scene.takes_it_all,
        "waits": forty_seconds,
    }
)


def possible(console: Console, step: str) -> bool:
    """Whether that can happen to it now."""
    match step:
        case "comes":
            return not console.live
        case "moves" | "stays" | "resumes":
            return console.migrating and console.line is not None
        case "goes" | "stalls" | "migrates" | "is replaced":
            return console.line is not None
    return console.line is not None or step == "waits"


class Told:
    """What somebody who read all notices believes."""

    def __init__(self, notices: list[str]) -> None:
        self.away = self.held = self.silent = self.waiting = False
        for text in notices:
            self.read(text)

    def read(self, text: str) -> None:
        if " is away (" in text:
            self.away, self.held, self.silent, self.waiting = True, False, False, False
        elif " is connected again" in text:
            self.away = False
        elif " is migrating" in text:
            self.held = True
        elif re.search(" moved from | did not move| goes on at | no longer migrating", text):
            self.held = False
        elif " does not answer: " in text and text.endswith("bytes wait"):
            self.silent = self.waiting = True
        elif " answers again" in text:
            self.silent = False
        elif text.startswith("nothing waits") or text.endswith("not sent"):
            self.waiting = False


class Whatever(SynchronousTestCase):
    @settings(deadline=None, max_examples=150)
    @given(st.lists(st.sampled_from(sorted(STEPS)), max_size=14))
    def test_who_reads_all_notices_knows_how_it_is(self, steps: list[str]) -> None:
        scene = Scene()
        for step in steps:
            if possible(scene.console, step):
                STEPS[step](scene)
            told, console = Told(scene.told), scene.console
            self.assertEqual(told.away, not console.live, (step, scene.told))
            if not console.migrating:
                self.assertFalse(told.held, (step, scene.told))
            if not console.input.waiting:
                self.assertFalse(told.waiting, (step, scene.told))
        if not scene.console.live:
            return
        if scene.console.migrating:
            scene.moves() if scene.console.line is not None else scene.goes()
        scene.answers()
        told = Told(scene.told)
        self.assertFalse(told.silent and scene.console.live, scene.told)

    def test_an_away_that_comes_late_to_a_slow_reader_still_comes_first(self) -> None:
        scene = Scene()
        scene.alices.stalled = True
        scene.console.output(b"x" * 100)
        scene.goes()
        scene.comes()
        scene.world.turn()
        scene.alices.read()
        texts = [text for text in scene.told if re.search("is away|is connected", text)]
        self.assertEqual([text.split()[2] for text in texts], ["away", "connected"])


class Company(SynchronousTestCase):
    """Who comes, goes, asks for the pen and lays it down."""

    def setUp(self) -> None:
        self.scene = Scene()
        self.console, self.alice = self.scene.console, self.scene.alice

    def test_who_comes_and_goes_is_told_to_terminals(self) -> None:
        raw, raws = self.scene.join("carol", AttachmentKind.PROGRAM)
        bob, bobs = self.scene.join("bob")
        bob.detach()
        raw.detach()
        self.assertEqual(
            self.scene.told, ["carol attached", "bob attached", "bob left", "carol left"]
        )
        self.assertEqual((raws.notices, bobs.notices), ([], []))

    def test_verbs_come_and_go_unseen(self) -> None:
        send, _ = self.scene.join("carol", AttachmentKind.VERB)
        send.type(b"x")
        send.detach()
        self.assertEqual(self.scene.told, [])

    def test_that_the_pen_is_free(self) -> None:
        bob, bobs = self.scene.join("bob")
        bob.type(b"x")
        self.console.lay_pen()
        bob.type(b"x")
        bob.detach()
        self.assertEqual(
            self.scene.told[1:], ["the pen is free: bob laid it down", "bob left; the pen is free"]
        )
        self.scene.world.turn()
        self.assertEqual(bobs.notices, [])

    def test_that_a_verb_has_laid_it_down_is_told_where_somebody_wanted_it(self) -> None:
        send, _ = self.scene.join("carol", AttachmentKind.VERB)
        send.type(b"x")
        self.alice.type(b"y")
        send.detach()
        self.assertEqual(self.scene.told, ["the pen is free: carol laid it down"])

    def test_who_asks_for_it_is_told_to_its_holder_only(self) -> None:
        _, bobs = self.scene.join("bob")
        carol, _ = self.scene.join("carol")
        self.alice.type(b"x")
        before = len(self.scene.told)
        self.console.take_pen(carol)
        self.assertEqual(self.scene.told[before:], ["carol asks for the pen"])
        self.assertNotIn("carol asks for the pen", bobs.notices)

    def test_oneself_elsewhere_is_you(self) -> None:
        other, others = self.scene.join("alice")
        self.assertEqual(self.scene.told, ["you, from session s-alice (this one), attached"])
        self.alice.type(b"x")
        self.console.take_pen(other, force=True)
        self.assertEqual(
            self.scene.told[1:],
            ["you, from session s-alice (this one), took the pen; you are reading now"],
        )
        self.scene.world.turn()
        self.assertEqual(others.notices, [])

    def test_a_storm_costs_a_line_a_second_and_its_numbers_add_up(self) -> None:
        for _ in range(50):
            for _ in range(10):
                self.scene.join("bob")[0].detach()
            self.scene.wait(0.1)
        self.scene.wait(5)
        told = self.scene.told
        self.assertLessEqual(len(told), BURST + 6)
        came = sum(text == "bob attached" for text in told)
        came += sum(int(found[1]) for t in told if (found := re.search(r"(\d+) more attached", t)))
        left = sum(text == "bob left" for text in told)
        left += sum(int(found[1]) for t in told if (found := re.search(r"(\d+) more left", t)))
        self.assertEqual((came, left), (500, 500))

    def test_a_storm_hides_no_pen_that_is_free(self) -> None:
        bob, _ = self.scene.join("bob")
        for _ in range(20):
            self.scene.join("carol")[0].detach()
        bob.type(b"x")
        bob.detach()
        self.scene.wait(2)
        self.assertRegex(self.scene.told[-1], r"more attached, \d+ more left, the pen is free\Z")

    def test_asking_again_and_again_is_bounded(self) -> None:
        bob, _ = self.scene.join("bob")
        self.alice.type(b"x")
        for _ in range(100):
            self.console.take_pen(bob)
        self.scene.wait(2)
        self.assertLessEqual(len(self.scene.told), BURST + 2)

    def test_nothing_of_it_is_left_when_all_have_gone(self) -> None:
        for _ in range(20):
            self.scene.join("carol")[0].detach()
        self.alice.detach()
        self.assertEqual(self.scene.world.clock.twisted.getDelayedCalls(), [])
