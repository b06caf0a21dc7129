"""What operators may do, with the real `ssh`: what one may not read is not there."""

import json

from tests.end_to_end.access import AccessTestCase, operator, rule
from tests.end_to_end.processes import Child, Completed, Size

CHANGES = [
    ("send", "NAME", "x"),
    ("expect", "NAME", "x", "--send", "x"),
    ("break", "NAME"),
    ("kick", "NAME", "alice"),
    ("accept", "NAME", "127.0.0.1"),
    ("forget", "NAME"),
]
"""Verbs for which it is not enough to see a console."""

LOOKS = [
    ("console", "NAME"),
    ("raw", "NAME"),
    ("raw", "NAME", "--from", "0"),
    ("info", "NAME"),
    ("info", "NAME", "--json"),
    ("log", "NAME"),
    ("log", "NAME", "-f"),
    ("boots", "NAME"),
    ("export", "NAME", "--format", "raw"),
    ("who", "NAME"),
    ("who", "NAME", "--json"),
    ("expect", "NAME", "x", "--timeout", "1"),
    ("note", "NAME", "x"),
    ("msg", "NAME", "x"),
]
"""Verbs that only need a console to be there."""


class RightsTestCase(AccessTestCase):
    """web1, and db1 in some; alice may do everything, carol reads what is called web*."""

    def setUp(self) -> None:
        super().setUp()
        self.tables = "".join(
            operator(name, authorized_keys=[self.key(name)]) for name in ("alice", "carol")
        )
        self.allow(["read"])

    def allow(self, rights: list[str], consoles: str = "web*", **keys: object) -> None:
        """What carol may do."""
        every = rule(["alice"], ["*"], ["read", "write", "break", "force", "admin"])
        self.configure(self.tables, access=every + rule(["carol"], [consoles], rights, **keys))

    def begin(self, *more: str) -> None:
        """The server, web1, and machines of these names."""
        self.serve()
        self.simulate()
        for name in more:
            self.simulate("--name", name, "--control", str(self.directory / name))

    def carol(self, *words: str) -> Completed:
        return self.login("carol", *words, key="carol")

    def terminal_of(self, user: str, *words: str, name: str = "") -> Child:
        """Somebody with a terminal."""
        [ssh, *rest] = self.words(name or user, *words, key=user)
        return self.start(ssh, "-tt", *rest, terminal=Size())


def named(words: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(word.replace("NAME", name) for word in words)


class Forbidden(RightsTestCase):
    """Nothing tells it from what is not there."""

    def test_statuses_and_texts_of_every_verb(self) -> None:
        self.begin("db1")
        for words in CHANGES + LOOKS:
            forbidden = self.carol(*named(words, "db1"))
            missing = self.carol(*named(words, "no1"))
            self.assertEqual(forbidden.status, 3, (words, forbidden))
            self.assertEqual(forbidden.out, b"", words)
            self.assertEqual(
                (forbidden.status, forbidden.err.replace(b"db1", b"no1")),
                (missing.status, missing.err),
                words,
            )
        for words in CHANGES:
            seen = self.carol(*named(words, "web1"))
            self.assertEqual((seen.status, seen.out), (4, b""), (words, seen))
            self.assertIn(b"web1", seen.err) if words[0] in ("send", "break") else None
        self.assert_no_defects()

    def test_names_that_are_guessed(self) -> None:
        """By prefix, glob, id and UUID; a forbidden console makes no other name ambiguous."""
        self.begin("db1")
        rows = {row["name"]: row for row in self.listed("alice")}
        self.assertEqual(sorted(rows), ["db1", "web1"])
        self.assertEqual([row["name"] for row in self.listed("carol")], ["web1"])
        guesses = ["d", "D", "DB1", "db*", "?b1", "default/db1", "db1:1", "%64b1"]
        guesses += [rows["db1"]["id"], f"uuid:{rows['db1']['uuid']}", rows["db1"]["handle"]]
        for guess in guesses:
            self.assertEqual(self.login("alice", "info", guess, key="alice").status, 0, guess)
            done = self.carol("info", guess)
            self.assertEqual((done.status, done.out), (3, b""), guess)
            expected = f"no console {guess}; `list` shows those there are\n"
            self.assertEqual(done.err.decode(), expected)
        both = self.login("alice", "info", "*1", key="alice")
        self.assertIn(b"ambiguous", both.err)
        self.assertEqual(self.carol("info", "*1").status, 0)
        for words in (("list", "db*"), ("list", "--json", "db1"), ("who",), ("who", "--json")):
            nothing = self.carol(*(word.replace("db", "no") for word in words))
            self.assertEqual(self.carol(*words), nothing)
        self.assert_no_defects()

    def listed(self, user: str) -> list[dict[str, str]]:
        done = self.login(user, "list", "--json", key=user)
        self.assertEqual(done.status, 0, done)
        rows: list[dict[str, str]] = json.loads(done.out)
        return rows

    def test_other_doors(self) -> None:
        """`-W`, a login that names a console, and the chooser."""
        self.begin("db1")
        alice = self.terminal_of("alice", name="alice+db1")
        alice.out.expect(rb"\[db1 connected")
        said = []
        for name in ("db1", "no1"):
            [ssh, *rest] = self.words("carol", key="carol", options=("LogLevel=INFO",))
            carried = self.start(ssh, "-W", f"{name}:1", *rest)
            self.assertEqual(carried.wait(), 255)
            login = self.terminal_of("carol", name=f"carol+{name}")
            self.assertEqual(login.wait(), 3)
            texts = carried.err.data + login.out.data
            said.append(texts.replace(name.encode(), b"NAME"))
        self.assertEqual(said[0], said[1])
        chooser = self.terminal_of("carol")
        chooser.out.expect(rb"web1")
        chooser.type(b"db1")
        chooser.type(b"\r")
        chooser.type(b"\x15web1\r")
        chooser.out.expect(rb"\[web1 connected")
        self.assertNotIn(b"alice", chooser.out.data)
        self.assertNotIn(b"[db1", chooser.out.data)
        self.assert_no_defects()


class Reloaded(RightsTestCase):
    """Rules that change count for those who are inside."""

    def test_who_may_no_longer_type_has_no_pen_and_is_told(self) -> None:
        self.allow(["read", "write"])
        self.begin()
        carol = self.terminal_of("carol", name="carol+web1")
        carol.out.expect(rb"\[web1 connected")
        carol.type(b"echo before\r")
        carol.out.expect(rb"^before\r\n")
        alice = self.terminal_of("alice", name="alice+web1")
        alice.out.expect(rb"carol writes")
        self.allow(["read"])
        self.reload()
        carol.out.expect(rb"\[you may no longer type")
        carol.type(b"echo after\r")
        carol.out.expect(rb"\[[^\r]*not sent[^\r]*\]")
        alice.type(b"echo mine\r")  # the pen is free
        alice.out.expect(rb"^mine\r\n")
        carol.out.expect(rb"^mine\r\n")
        self.assertNotIn(b"after", alice.out.data)
        self.assert_no_defects()

    def test_who_may_no_longer_read_goes_and_is_told(self) -> None:
        self.begin()
        text = rb"you may no longer read this console"
        terminal = self.terminal_of("carol", name="carol+web1")
        terminal.out.expect(rb"\[web1 connected")
        raw = self.start(*self.words("carol", "raw", "web1", key="carol"))
        follower = self.start(*self.words("carol", "log", "web1", "-f", key="carol"))
        follower.out.expect(b"Welcome")
        [ssh, *rest] = self.words("carol", key="carol")
        carried = self.start(ssh, "-W", "web1:1", *rest)
        for _ in range(3):
            self.server.out.expect(rb" attached console=web1 operator=carol")
        self.allow(["read"], "nothing-*")
        self.reload()
        terminal.out.expect(text)
        raw.err.expect(text)
        self.assertEqual((terminal.wait(), raw.wait()), (1, 1))
        carried.wait()
        self.assertNotEqual(follower.wait(), 0)
        self.assertEqual(self.carol("info", "web1").status, 3)
        self.assert_no_defects()

    def test_a_rename_changes_what_rules_say(self) -> None:
        self.begin()
        terminal = self.terminal_of("carol", name="carol+web1")
        terminal.out.expect(rb"\[web1 connected")
        self.tell("rename web1 secret1 announce")
        terminal.out.expect(rb"you may no longer read this console")
        terminal.wait()
        self.assertNotIn(b"secret1", terminal.out.data)
        self.assertEqual(self.carol("info", "secret1").status, 3)
        self.assert_no_defects()


class Roles(RightsTestCase):
    """Roles are about the server, rights about consoles; groups lead to rules."""

    def have(self, **carol: object) -> None:
        """What carol is; the only rule is for a group."""
        alice = operator("alice", authorized_keys=[self.public("alice")], groups=["netops"])
        table = operator("carol", authorized_keys=[self.public("carol")], **carol)
        self.configure(alice + table, access=rule(["@netops"], ["web*"], ["read", "write"]))

    def statuses(self, *lines: str) -> list[int]:
        return [self.carol(*line.split()).status for line in lines]

    def test_auditors_read_all_and_change_nothing(self) -> None:
        self.have(roles=["audit"])
        self.begin("db1")
        seen = self.statuses("info db1", "log web1", "who", "events", "raw db1 --from 999999999")
        self.assertEqual(seen, [0, 0, 0, 0, 1])
        denied = self.statuses("send db1 x", "break web1", "sessions --operator x", "lockout x")
        self.assertEqual(denied, [4, 4, 4, 4])
        typed = self.start(*self.words("carol", "raw", "db1", key="carol"))
        typed.type(b"x")
        self.audited("denied", operator="carol", name="db1")
        self.assert_no_defects()

    def test_administrators_see_the_server_and_no_console(self) -> None:
        self.have(roles=["admin"])
        self.begin("db1")
        self.assertEqual(self.statuses("status", "sessions", "refusals", "lockout"), [0, 0, 0, 0])
        self.assertEqual(self.statuses("info db1", "log web1", "send web1 x"), [3, 3, 3])
        self.assertEqual(self.carol("list", "--json").out.strip(), b"[]")
        self.assert_no_defects()

    def test_a_group_that_goes_at_reload_takes_its_consoles_along(self) -> None:
        self.have(groups=["netops"])
        self.begin()
        inside = self.terminal_of("carol", name="carol+web1")
        inside.out.expect(rb"\[web1 connected")
        self.have()
        self.reload()
        inside.out.expect(rb"\[web1: you may no longer read this console\]")
        self.assertEqual(inside.wait(), 1)
        self.assertEqual(self.statuses("info web1"), [3])
        self.assert_no_defects()


class Reasons(RightsTestCase):
    """`require_reason`: nobody types who did not say why, and everybody may read."""

    def setUp(self) -> None:
        super().setUp()
        self.allow(["read", "write", "break", "force"], require_reason=True)

    def test_typing_with_and_without_one(self) -> None:
        self.begin()
        silent = self.terminal_of("carol", name="carol+web1")
        silent.out.expect(rb"\[web1 connected")
        silent.type(b"echo for no reason\r")
        silent.out.expect(rb"\[[^\r]*reason[^\r]*\]")
        silent.type(b"\x05cf")
        silent.out.expect(rb"\[[^\r]*reason[^\r]*\]")
        for words in (("break", "web1"), ("send", "web1", "x")):
            done = self.carol(*words)
            self.assertEqual(done.status, 4, done)
            self.assertIn(b"reason", done.err)
        said = self.terminal_of("carol", name="carol+web1,reason=CHG1")
        said.out.expect(rb"\[web1 connected")
        said.type(b"echo for a reason\r")
        said.out.expect(rb"^for a reason\r\n")
        silent.out.expect(rb"^for a reason\r\n")
        self.assertNotIn(b"for no reason", said.out.data)
        said.type(b"\x05c.")
        said.wait()
        for words in (
            ("reason=CHG1", "raw", "web1"),
            ("raw", "web1", "reason=CHG1"),
            ("reason=two words", "console", "web1"),
        ):
            child = self.start(*self.words("carol", *quoted(words), key="carol"))
            child.type(b"echo said by a program\r")
            child.out.expect(rb"^said by a program")
            child.stop()
        self.assertEqual(self.carol("reason=CHG1", "break", "web1").status, 0)
        self.assert_no_defects()

    def test_a_forwarded_console(self) -> None:
        self.begin()
        witness = self.terminal_of("alice", name="alice+web1")
        witness.out.expect(rb"\[web1 connected")
        silent = self.carry("carol")
        silent.type(b"echo for no reason\r")
        self.audited("denied", operator="carol", name="web1")
        said = self.carry("carol,reason=CHG2")
        said.type(b"echo for a reason\r")
        said.out.expect(rb"^for a reason")
        witness.out.expect(rb"^for a reason")
        self.assertNotIn(b"no reason", witness.out.data)
        self.audited("attach", operator="carol", name="web1", reason="CHG2")
        self.assert_no_defects()

    def carry(self, user: str) -> Child:
        """`ssh -W web1:1` as carol."""
        [ssh, *rest] = self.words(user, key="carol")
        return self.start(ssh, "-W", "web1:1", *rest)


def quoted(words: tuple[str, ...]) -> tuple[str, ...]:
    """Words as the exec line wants them."""
    return tuple(f"'{word}'" if " " in word else word for word in words)
