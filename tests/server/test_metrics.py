"""The numbers of a whole server in memory, its health, and the page that lists all of them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from twisted.internet.address import IPv4Address
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.config.test_load import KEY
from tests.documents import TREE
from tests.fakes import ALL, FakeLine, FakeSink
from vspc.console.access import Operator
from vspc.console.console import Console
from vspc.console.identity import Claim
from vspc.console.session import Proof, Session
from vspc.doors.metrics import selection
from vspc.doors.metrics.exposition import collect, registry, render
from vspc.doors.metrics.health import BEAT, problems
from vspc.log.batches import _HandedOver
from vspc.server.config_files import load_with_files
from vspc.server.service import VspcService

CONFIG = """
state_dir = "state"
[ssh]
listen = []
[vm]
telnet = []
telnets = []
[operators.alice]
authorized_keys = ["{key}"]
[[alert]]
name = "oops"
builtin = ["oops"]
consoles = ["*"]
command = ["/bin/true"]
[[log.sink]]
name = "lines"
kind = "json"
target = "lines.jsonl"
[metrics]
"""

ROW = re.compile(r"^\| `(?P<name>\w+)` \| (?P<kind>\w+) \| (?P<labels>[^|]*) \| (?P<about>.*) \|$")


class _Reactor(MemoryReactorClock):
    """Threads of the log may call it; what they say does not matter here."""

    def callFromThread(self, call: object) -> None: ...


class MetricsCase(SynchronousTestCase):
    more = ""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.write(self.more)
        self.reactor = _Reactor()
        config = load_with_files(self.directory / "vspc.toml")
        self.service = VspcService(config, self.reactor)
        self.service.privilegedStartService()
        self.sources = self.service.parts.metric_sources()
        self.service.parts.metrics.start(self.service.events)

    def write(self, more: str) -> None:
        (self.directory / "vspc.toml").write_text(CONFIG.format(key=KEY) + more)

    def value(self, name: str, **labels: str) -> float:
        """Of one sample."""
        (found,) = (each for each in self.samples(name) if each.labels == labels)
        return found.value

    def samples(self, name: str) -> Iterator[Sample]:
        return (s for f in collect(self.sources).collect() for s in f.samples if s.name == name)

    def console(self, number: int, name: str) -> tuple[Console, FakeLine]:
        """A new console with a line."""
        claim = Claim("default", f"{number:032x}", "vc", name, "10.0.0.1")
        console, line = self.service.roster.open(claim), FakeLine()
        console.link.connect(line)
        self.service.roster.settle(console)
        return console, line


class Numbers(MetricsCase):
    def test_each_name_is_there_once_with_a_help_text(self) -> None:
        families = list(collect(self.sources).collect())
        names = [family.name for family in families]
        self.assertEqual(len(names), len(set(names)))
        for family in families:
            self.assertTrue(family.documentation.endswith("."), family.name)
            self.assertRegex(family.name, r"\Avspc_[a-z_]+[a-z]\Z")

    def test_names_follow_the_conventions(self) -> None:
        """Base units, counters in `_total`, which the library adds; no abbreviations of units."""
        for family in collect(self.sources).collect():
            self.assertNotRegex(family.name, r"_(ms|milliseconds|kib|mib|kb|percent|total)(_|\Z)")
            if family.type == "histogram":
                self.assertTrue(family.name.endswith("_seconds"), family.name)

    def test_what_is_rendered_can_be_parsed_and_has_those_of_the_process(self) -> None:
        text = render(collect(self.sources)).decode()
        names = {family.name for family in text_string_to_metric_families(text)}
        self.assertLessEqual({"vspc_build_info", "process_open_fds", "process_max_fds"}, names)
        self.assertIn("process_cpu_seconds", names)

    def test_output_and_input_are_counted(self) -> None:
        console, _ = self.console(1, "web01")
        console.link.output(b"x" * 1000)
        self.assertEqual(self.value("vspc_bytes_total", direction="from_vm"), 1000)
        session = Session("s", Operator("alice"), Proof("publickey"), "192.0.2.7", 0)
        self.service.sessions.enter(session, lambda _: None)
        attachment = console.attach(session, ALL, FakeSink(), 0)
        attachment.type(b"abc")
        self.assertEqual(self.value("vspc_bytes_total", direction="to_vm"), 3)
        self.assertEqual(self.value("vspc_sessions", door="ssh"), 1)
        self.assertEqual(self.value("vspc_attachments", door="ssh"), 1)

    def test_input_that_waits_and_what_becomes_of_it(self) -> None:
        console, line = self.console(1, "web01")
        session = Session("s", Operator("alice"), Proof("publickey"), "192.0.2.7", 0)
        attachment = console.attach(session, ALL, FakeSink(), 0)
        console.link.migrate()
        attachment.type(b"x" * 500)
        self.assertEqual(self.value("vspc_input_waiting_bytes"), 500)
        attachment.withdraw()
        attachment.type(b"y" * 200)
        console.link.end_migration("too late")
        self.assertEqual(self.value("vspc_input_waiting_bytes"), 0)
        self.assertEqual(self.value("vspc_input_waiting_high_water_bytes"), 500)
        self.assertEqual(self.value("vspc_input_dropped_bytes_total", reason="withdrawn"), 500)
        console.link.migrate()
        attachment.type(b"z" * 30)
        console.link.lose_source()
        console.link.end_migration("its source is gone")
        self.assertEqual(self.value("vspc_input_dropped_bytes_total", reason="line_lost"), 30)
        self.assertEqual(self.value("vspc_vmotions_total", result="failed"), 2)
        self.assertIn(b"y" * 200, line.sent)

    def test_consoles_by_state(self) -> None:
        away, _ = self.console(1, "web01")
        self.console(2, "web02")
        away.link.disconnect("off")
        self.service.roster.settle(away)
        self.assertEqual(self.value("vspc_consoles", state="connected"), 1)
        self.assertEqual(self.value("vspc_consoles", state="away"), 1)
        self.assertEqual(self.value("vspc_console_connects_total"), 2)
        self.assertEqual(self.value("vspc_console_disconnects_total"), 1)

    def test_a_move_is_counted_with_its_downtime(self) -> None:
        console, _ = self.console(1, "web01")
        console.link.migrate()
        console.link.move(FakeLine(), "10.0.0.1", 0.7)
        self.assertEqual(self.value("vspc_vmotions_total", result="completed"), 1)
        self.assertEqual(self.value("vspc_vmotion_downtime_seconds_bucket", le="0.5"), 0)
        self.assertEqual(self.value("vspc_vmotion_downtime_seconds_bucket", le="1.0"), 1)
        self.assertAlmostEqual(self.value("vspc_vmotion_downtime_seconds_sum"), 0.7)

    def test_reloads(self) -> None:
        self.service.reload()
        self.write("nonsense = 1\n")
        self.service.reload()
        self.assertEqual(self.value("vspc_reloads_total", result="applied"), 1)
        self.assertEqual(self.value("vspc_reloads_total", result="refused"), 1)

    def test_nothing_names_a_vm(self) -> None:
        console, _ = self.console(1, "secret-vm")
        console.link.output(b"x")
        text = render(collect(self.sources)).decode()
        for word in ("secret-vm", console.id, console.vm.uuid or "", "10.0.0.1"):
            self.assertNotIn(word, text)

    def test_another_listener_needs_a_restart(self) -> None:
        self.assertEqual(self.service.parts.facts()["metrics"], "off")
        said: list[LogEvent] = []
        observer = cast(ILogObserver, said.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.write('listen = ["tcp:9464:interface=127.0.0.1"]\n')
        self.service.reload()
        keys = [each["key"] for each in said if each["log_format"] == "reload-needs-restart"]
        self.assertEqual(keys, ["metrics.listen"])


class WhoMayRead(MetricsCase):
    more = 'listen = ["tcp:9464:interface=127.0.0.1"]\n'

    def test_allow_follows_a_reload(self) -> None:
        (site,) = [f for port, f, *_ in self.reactor.tcpServers if port == 9464]
        here = IPv4Address("TCP", "127.0.0.1", 40000)
        other = IPv4Address("TCP", "192.0.2.7", 40000)
        self.assertIsNotNone(site.buildProtocol(here))
        self.assertIsNone(site.buildProtocol(other))
        self.write(self.more + 'allow = ["192.0.2.0/24"]\n')
        self.service.reload()
        self.assertIsNotNone(site.buildProtocol(other))
        self.assertIsNone(site.buildProtocol(here))

    def test_status_names_the_listener(self) -> None:
        status = self.service.parts.facts()["metrics"]
        self.assertEqual(status, {"listen": ["tcp:9464:interface=127.0.0.1"], "scrapes": 0})

    def test_the_limit_of_a_turn_follows_a_reload(self) -> None:
        turns = self.service.parts.metrics.turns
        self.assertEqual(turns._limit(), 0.25)
        self.write(self.more + "slow_turn = 2\n")
        self.service.reload()
        self.assertEqual(turns._limit(), 2)


class AfterARestart(MetricsCase):
    def test_consoles_of_an_earlier_process_are_away(self) -> None:
        self.service.parts.logs.start(self.service.events)
        self.console(1, "web01")[0].link.output(b"x" * 100)
        self.service.parts.logs.stopping()
        log = self.service.parts.logs.log
        assert log is not None
        log.end()
        log.stop()
        self.service._state.close()
        config = load_with_files(self.directory / "vspc.toml")
        self.service = VspcService(config, self.reactor)
        self.service.privilegedStartService()
        self.sources = self.service.parts.metric_sources()
        self.assertEqual([each.name for each in self.service.roster], ["web01"])
        self.assertEqual(self.value("vspc_consoles", state="away"), 1)
        self.assertEqual(self.value("vspc_consoles", state="connected"), 0)


class SingleConsoles(MetricsCase):
    more = 'per_console = ["web*"]\n'

    def names(self) -> set[str]:
        return {sample.labels["console"] for sample in self.samples("vspc_console_connected")}

    def test_those_that_are_named_have_numbers_of_their_own(self) -> None:
        self.console(1, "web01")[0].link.output(b"x" * 7)
        self.console(2, "db01")
        self.assertEqual(self.names(), {"web01"})
        (sample,) = self.samples("vspc_console_from_vm_bytes_total")
        self.assertEqual(sample.value, 7)

    def test_a_new_name_a_reload_and_the_end(self) -> None:
        console, _ = self.console(1, "db01")
        self.console(2, "web02")
        self.service.roster.rename(console.vm, "web01")
        self.assertEqual(self.names(), {"web01", "web02"})
        self.write('per_console = ["*02"]\n')
        self.service.reload()
        self.assertEqual(self.names(), {"web02"})
        self.write("")
        self.service.reload()
        self.assertEqual(self.names(), set())
        self.write('per_console = ["*"]\n')
        self.service.reload()
        console.link.disconnect("off")
        self.service.roster.settle(console)
        self.service.roster.forget(console)
        self.assertEqual(self.names(), {"web02"})

    def test_there_is_a_limit_and_what_is_over_it_is_counted(self) -> None:
        self.patch(selection, "CONSOLES", 3)
        for number in range(5):
            self.console(number + 1, f"web{number:02}")
        self.assertEqual(len(self.names()), 3)
        self.assertEqual(self.value("vspc_per_console_left_out"), 2)

    def test_what_a_vm_calls_itself_cannot_break_the_text(self) -> None:
        self.console(1, 'web"\n} 1\nvspc_x{a="\\')
        text = render(collect(self.sources)).decode()
        names = {family.name for family in text_string_to_metric_families(text)}
        self.assertNotIn("vspc_x", names)


class Health(MetricsCase):
    def test_all_is_well(self) -> None:
        self.assertEqual(list(problems(self.sources)), [])
        self.assertEqual(self.value("vspc_healthy"), 1)

    def test_a_log_that_the_disk_does_not_take(self) -> None:
        log = self.service.parts.logs.log
        assert log is not None
        log.writer.failing = True
        self.assertRegex(" ".join(problems(self.sources)), "^log: the disk does not take")
        self.assertEqual(self.value("vspc_log_healthy"), 0)
        self.assertEqual(self.value("vspc_healthy"), 0)

    def test_output_that_waits_for_too_long(self) -> None:
        log = self.service.parts.logs.log
        assert log is not None
        began = self.sources.clock.seconds() - 60
        log.recorder.batches._handed.append(_HandedOver(began, 0, {}))
        self.assertRegex(" ".join(problems(self.sources)), "waited to be written")
        self.assertGreaterEqual(self.value("vspc_log_lag_seconds"), 60)

    def test_an_fsync_that_is_overdue(self) -> None:
        log, audit = self.service.parts.logs.log, self.service.parts.audit.writer
        assert log is not None
        assert audit is not None
        log.writer.syncing._since = audit.unsynced_since = self.sources.clock.seconds() - 60
        found = list(problems(self.sources))
        self.assertEqual([each.partition(":")[0] for each in found], ["log", "audit"])
        self.assertGreaterEqual(self.value("vspc_audit_sync_lag_seconds"), 60)

    def test_a_timer_that_has_stopped(self) -> None:
        self.service.parts.metrics._beat -= BEAT + 1
        self.assertRegex(" ".join(problems(self.sources)), "^reactor: ")

    def test_an_audit_file_that_fails(self) -> None:
        writer = self.service.parts.audit.writer
        assert writer is not None
        writer.failing = True
        self.assertRegex(" ".join(problems(self.sources)), "^audit: the file cannot be written")

    def test_ready_is_between_start_and_stop(self) -> None:
        metrics = self.service.parts.metrics
        self.assertEqual(metrics.why_not_ready, "")
        metrics.stopping()
        self.assertIn("stopping", self.sources.why_not_ready())


class Documentation(MetricsCase):
    more = 'per_console = ["*"]\n'

    def test_every_metric_is_in_it_with_type_and_labels_and_no_other(self) -> None:
        self.console(1, "web01")
        text = (TREE / "docs" / "metrics.md").read_text(encoding="utf-8")
        said = {m["name"]: m for line in text.splitlines() if (m := ROW.match(line))}
        there = {}
        for family in registry(collect(self.sources)).collect():
            name = f"{family.name}_total" if family.type == "counter" else family.name
            there[name] = family
        self.assertEqual(sorted(said), sorted(there))
        for name, family in there.items():
            self.assertEqual(said[name]["kind"], family.type, name)
            labels = set(getattr(family, "_labelnames", ())) or {
                label for sample in family.samples for label in sample.labels if label != "le"
            }
            self.assertEqual(set(re.findall(r"`(\w+)`", said[name]["labels"])), labels, name)
            if name.startswith("vspc_"):
                self.assertEqual(said[name]["about"], family.documentation, name)
