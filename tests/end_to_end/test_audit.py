"""The record: every byte that reached a VM is in it, and nothing that anybody typed."""

import json
import secrets
import signal
import socket
from collections.abc import Callable, Mapping
from threading import Condition, Thread
from types import MappingProxyType
from typing import Any

from tests.audit.holding import assert_holds
from tests.end_to_end.access import operator
from tests.end_to_end.askpass import Askpass
from tests.end_to_end.output import Output
from tests.end_to_end.processes import DEADLINE, Child, free_port, script
from tests.end_to_end.test_virtual_machines import SimulatorTestCase
from vspc.auth.passwords import hash_password
from vspc.config.credentials import Cost

CHEAP = Cost(7168, 5, 1)


class SilentGuest:
    """A serial port that says nothing, not even an echo, and keeps every byte it gets."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp:127.0.0.1:{self._listening.getsockname()[1]}"
        self.heard = bytearray()
        self._connection: socket.socket | None = None
        self._changed = Condition()
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        try:
            connection, _ = self._listening.accept()
        except OSError:  # nobody came
            return
        self._connection = connection
        with connection:
            while data := connection.recv(65536):
                with self._changed:
                    self.heard += data
                    self._changed.notify_all()

    def say(self, data: bytes) -> None:
        """Say `data`, now that it has heard something."""
        assert self._connection is not None
        self._connection.sendall(data)

    def wait(self, data: bytes) -> None:
        """Until it has heard `data`."""
        with self._changed:
            assert self._changed.wait_for(lambda: data in self.heard, DEADLINE), self.heard

    def close(self) -> None:
        """Nobody connects any more; a thread that waits for it must not have the next socket's
        number.
        """
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join(DEADLINE)
        self._listening.close()


class AuditTestCase(SimulatorTestCase):
    """One VM that is silent; alice may log in with a password, too, and is an administrator."""

    def setUp(self) -> None:
        super().setUp()
        self.guest = SilentGuest()
        self.addCleanup(self.guest.close)

    def write_config(self, more: str = "") -> None:
        super().write_config(more)
        hashed = hash_password(b"right", CHEAP)
        facts = f'roles = ["admin"]\npassword_hash = "{hashed}"\n'
        text = self.config.read_text()
        self.config.write_text(text.replace("[operators.alice]\n", f"[operators.alice]\n{facts}"))

    def events(self) -> list[dict[str, Any]]:
        """The audit file, each line held against the schema, its numbers without a gap."""
        path = self.directory / "state" / "audit.jsonl"
        found = [json.loads(line) for line in path.read_text().splitlines()]
        for line in found:
            assert_holds(line)
        self.assertEqual([line["seq"] for line in found], list(range(1, len(found) + 1)))
        return found

    def vspc(self, *words: str) -> tuple[str | Any, ...]:
        return (script("vspc"), *words, "--config", self.config)


Way = Callable[["EveryWay", bytes], None]


def _attached(test: "AuditTestCase") -> None:
    test.server.out.expect(rb" attached console=web1 ")


def _typed(child: Child, data: bytes, test: "EveryWay") -> None:
    _attached(test)
    child.type(data)
    test.guest.wait(data)


def by_terminal(test: "EveryWay", data: bytes) -> None:
    terminal = test.terminal(user="alice+web1")
    _typed(terminal, data, test)
    terminal.type(b"\x05c.")
    terminal.wait()


def by_console_without_terminal(test: "EveryWay", data: bytes) -> None:
    child = test.attach("console", "web1")
    _typed(child, data, test)
    child.stop()


def by_login(test: "EveryWay", data: bytes) -> None:
    child = test.attach(user="alice+web1")
    _typed(child, data, test)
    child.stop()


def by_raw(test: "EveryWay", data: bytes) -> None:
    child = test.attach("raw", "web1")
    _typed(child, data, test)
    child.stop()


def by_forward(test: "EveryWay", data: bytes) -> None:
    words = test.ssh_words()
    child = test.start(*words[:-1], "-W", "web1:1", words[-1])
    _typed(child, data, test)
    child.stop()


def by_local_forward(test: "EveryWay", data: bytes) -> None:
    words, port = test.ssh_words(), free_port()
    forwarding = [*words[:-1], "-v", "-N", "-L", f"127.0.0.1:{port}:web1:1", words[-1]]
    child = test.start(*forwarding)
    child.err.expect(rb"Entering interactive session")
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as connection:
        test.server.out.expect(rb" attached console=web1 ")
        connection.sendall(data)
        test.guest.wait(data)
    child.stop()


def by_send(test: "EveryWay", data: bytes) -> None:
    test.assertEqual(test.ssh("send", "web1", data.decode()).status, 0)
    test.guest.wait(data)


def by_send_from_standard_input(test: "EveryWay", data: bytes) -> None:
    test.assertEqual(test.ssh("send", "web1", typed=data).status, 0)
    test.guest.wait(data)


def by_expect(test: "EveryWay", data: bytes) -> None:
    words = ("expect", "web1", "--timeout", "0.1", "--send", data.decode(), "nothing")
    test.assertEqual(test.ssh(*words).status, 5)
    test.guest.wait(data)


def by_local_control(test: "EveryWay", data: bytes) -> None:
    child = test.start(*test.vspc("raw", "web1"))
    _typed(child, data, test)
    child.stop()


def by_local_send(test: "EveryWay", data: bytes) -> None:
    test.assertEqual(test.complete(*test.vspc("send", "web1", data.decode())).status, 0)
    test.guest.wait(data)


def held_in_a_migration(test: "EveryWay", data: bytes) -> None:
    child = test.attach("raw", "web1")
    test.server.out.expect(rb" attached console=web1 ")
    moving = Moving(test)
    test.server.out.expect(rb" vmotion-goahead ")
    child.type(data)
    moving.wait()
    test.guest.wait(data)
    child.stop()


class Moving:
    """A vMotion that the simulator is busy with."""

    def __init__(self, test: "EveryWay") -> None:
        self._control = socket.socket(socket.AF_UNIX)
        self._control.settimeout(DEADLINE)
        self._control.connect(str(test.directory / "control"))
        self._control.sendall(b"vmotion web1\n")

    def wait(self) -> None:
        """Until it is over."""
        with self._control, self._control.makefile("r") as answers:
            answer = answers.readline()
        assert answer.startswith("ok moved"), answer


WAYS: Mapping[str, Way] = MappingProxyType(
    {
        "terminal": by_terminal,
        "stdin": by_console_without_terminal,
        "login": by_login,
        "raw": by_raw,
        "forward": by_forward,
        "local-forward": by_local_forward,
        "send": by_send,
        "send-stdin": by_send_from_standard_input,
        "expect": by_expect,
        "local": by_local_control,
        "local-send": by_local_send,
        "held": held_in_a_migration,
    }
)
"""Every way by which a byte can reach a VM. A new one belongs here."""

TOLD = (
    *("start", "opened", "stop", "login", "logout", "login-failed", "attach", "detach", "pen"),
    *("input", "break", "send", "expect", "note", "msg", "log-read", "export", "raw", "forward"),
    "denied",
)
"""Events of a day's work."""


class EveryWay(AuditTestCase):
    def test_what_the_vm_got_is_in_the_record_to_the_byte_and_none_of_it_is_in_any_file(
        self,
    ) -> None:
        self.serve()
        self.simulate("--guest", self.guest.address, "--vmotion-time", "0.3")
        sizes: list[int] = []
        canaries: list[bytes] = []
        for name, way in WAYS.items():
            canary = f"canary-{name}-{secrets.token_hex(8 + len(canaries))}".encode()
            canaries.append(canary)
            sizes.append(len(canary))
            way(self, canary)
            self.server.out.expect(rb" detached console=web1 ")
        self.break_and_others()
        canaries += self.failing_logins()
        self.stop_server()
        self.assert_no_defects()
        events = self.events()
        inputs = [event for event in events if event["event"] == "input"]
        self.assertEqual(sum(event["bytes"] for event in inputs), len(self.guest.heard))
        self.assertEqual([event["bytes"] for event in inputs], sizes)
        self.assertEqual({event["name"] for event in inputs}, {"web1"})
        self.assert_nowhere(canaries)
        self.assert_each_is_told(events)

    def break_and_others(self) -> None:
        """What types nothing, and is recorded all the same."""
        self.ssh("break", "web1")
        self.ssh("note", "web1", "words")
        reader = self.attach("raw", "web1", "ro", operator="bob")
        self.server.out.expect(rb" attached console=web1 operator=bob ")
        self.ssh("msg", "web1", "words")
        reader.err.expect(rb"words")
        reader.stop()
        self.ssh("log", "web1")
        self.ssh("export", "web1")
        self.ssh("send", "web1", "x", operator="carol")  # she only reads

    def failing_logins(self) -> list[bytes]:
        """Passwords that are wrong, by both methods."""
        secrets_typed = []
        askpass = Askpass(self.directory)
        for method in ("password", "keyboard-interactive"):
            word = f"canary-{method}-{secrets.token_hex(8)}"
            secrets_typed.append(word.encode())
            command = [
                *_unbatched(self.ssh_words()[:-1]),
                "-o",
                f"PreferredAuthentications={method}",
                "-o",
                "NumberOfPasswordPrompts=1",
                self.ssh_words()[-1],
                "list",
            ]
            done = self.complete(*command, environment=askpass.answering(word))
            self.assertEqual(done.status, 255)
            self.assertEqual(len(askpass.asked), 1)
        return secrets_typed

    def assert_nowhere(self, canaries: list[bytes]) -> None:
        """Not in the log of the server, nor in any file that it wrote."""
        files = [path for path in (self.directory / "state").rglob("*") if path.is_file()]
        self.assertTrue(any(path.name == "audit.jsonl" for path in files))
        texts = {str(path): path.read_bytes() for path in files}
        texts["log"] = _all_of(self.server.out) + _all_of(self.server.err)
        for name, text in texts.items():
            for canary in canaries:
                self.assertNotIn(canary, text, name)

    def assert_each_is_told(self, events: list[dict[str, Any]]) -> None:
        """Each kind of thing that was done has its event."""
        kinds = {event["event"] for event in events}
        for kind in TOLD:
            self.assertIn(kind, kinds)
        vias = {event.get("via") for event in events if event["event"] == "login"}
        self.assertEqual(vias, {"publickey", "local"})


def _unbatched(words: list[str]) -> list[str]:
    """`ssh` that may ask."""
    return ["BatchMode=no" if word == "BatchMode=yes" else word for word in words]


def _all_of(output: Output) -> bytes:
    return bytes(output.data)


class Record(AuditTestCase):
    def test_numbers_go_on_over_restarts_and_a_file_that_is_moved_away_is_opened_anew(self) -> None:
        self.serve()
        self.ssh("list")
        path = self.directory / "state" / "audit.jsonl"
        path.rename(path.with_suffix(".jsonl.1"))
        self.server.send_signal(signal.SIGHUP)
        self.server.out.expect(rb" reloaded ")
        self.ssh("list")
        self.stop_server()
        self.serve()
        self.stop_server()
        old = path.with_suffix(".jsonl.1").read_text()
        lines = [json.loads(line) for line in (old + path.read_text()).splitlines()]
        self.assertEqual([line["seq"] for line in lines], list(range(1, len(lines) + 1)))
        kinds = [line["event"] for line in lines]
        for kind in ("start", "stop", "reload", "login"):
            self.assertIn(kind, kinds)
        for line in lines:
            assert_holds(line)

    def test_a_reload_says_what_changed_and_a_refused_one_that_it_was_refused(self) -> None:
        self.serve()
        with self.config.open("a") as file:
            file.write(operator("dora", groups=["staff"]))
        self.server.send_signal(signal.SIGHUP)
        self.server.out.expect(rb" reloaded ")
        with self.config.open("a") as file:
            file.write("nonsense = 1\n")
        self.server.send_signal(signal.SIGHUP)
        self.server.out.expect(rb" reload-refused ")
        self.stop_server()
        events = {event["event"]: event for event in self.events()}
        self.assertEqual(events["reload"]["changed"], "operators.dora")
        self.assertEqual(events["reload-failed"]["mistakes"], 1)

    def test_a_rename_that_changes_somebodys_rights(self) -> None:
        self.serve()
        self.simulate("--guest", self.guest.address)
        self.tell("rename web1 web2 announce")
        self.server.out.expect(rb" vm-renamed ")
        self.tell("rename web2 db1 announce")
        self.server.out.expect(rb" vm-renamed ")
        self.stop_server()
        [event] = [event for event in self.events() if event["event"] == "rename"]
        self.assertEqual(
            (event["name_before"], event["name"], event["operators"]), ("web2", "db1", "carol")
        )

    def test_who_is_on_the_machine_itself_is_recorded_to_the_end_with_his_reason(self) -> None:
        self.serve()
        self.simulate("--guest", self.guest.address)
        local = self.start(*self.vspc("reason=CHG7", "raw", "web1"))
        _attached(self)
        local.type(b"typed")
        self.guest.wait(b"typed")
        self.stop_server()
        local.wait()
        events = [event for event in self.events() if event.get("operator") == "root@local"]
        kinds = [event["event"] for event in events]
        self.assertEqual(
            kinds,
            ["login", "raw", "attach", "pen", "input", "detach", "pen", "logout"],
        )
        self.assertEqual({event.get("reason") for event in events[1:-1]}, {"CHG7"})

    def test_events_and_refusals_are_for_those_whose_task_it_is(self) -> None:
        self.serve()
        stranger = {"dora": self.keys["bob"]}
        self.keys |= stranger
        self.assertEqual(self.ssh("list", operator="dora").status, 255)
        shown = self.ssh("refusals", "--json")
        self.assertEqual(shown.status, 0)
        [refusal] = [each for each in json.loads(shown.out) if each["name"] == "dora"]
        self.assertEqual(refusal["reason"], "publickey: key not authorised")
        key = self.keys["bob"].with_suffix(".pub").read_text().split()[1]
        table = f'[operators.dora]\nauthorized_keys = ["ssh-ed25519 {key}"]'
        self.assertEqual(refusal["hint"], table)
        for verb in ("events", "refusals", "status"):
            self.assertEqual(self.ssh(verb).status, 0)
            denied = self.ssh(verb, operator="bob")
            self.assertEqual((denied.status, denied.out), (4, b""))
        followed = self.attach("events", "-f", "--json", "--event", "login")
        self.ssh("list", operator="carol")
        followed.out.expect(rb'"operator": "carol"')
