"""The diagnosis as a table: facts in, findings out."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

import vspc
from vspc.apps.doctor.console_findings import SILENT, in_trouble
from vspc.apps.doctor.diagnosis import diagnose
from vspc.apps.doctor.facts import (
    AskedAbout,
    ConsoleFacts,
    Facts,
    ListenerFacts,
    Setup,
    digits_of,
    is_about,
    spellings,
)
from vspc.apps.doctor.failures import MEANINGS, failure
from vspc.apps.doctor.findings import Finding
from vspc.apps.doctor.other_side import OTHER_SIDES, Check
from vspc.apps.doctor.report import SHORT, report_json, report_text
from vspc.config.settings import Config
from vspc.console.connection_history import (
    FailedConnection,
    ForgottenConsole,
    HostRecord,
    UnidentifiedLine,
)
from vspc.console.console import ConsoleState
from vspc.console.events import HOST_CLOSED, ConsoleRef, HostChange, Introduction, RefusalKind
from vspc.net.heard_peer import Answer

NOW, SINCE = 1_700_010_000.0, 1_700_000_000.0
NETS = (ip_network("10.0.0.0/8"),)
SETUP = Setup(
    "vspc.example.com",
    (
        ListenerFacts("telnet", "default", "tcp:13370", 13370),
        ListenerFacts("telnets", "default", "tcp:13371", 13371),
    ),
    (("default", NETS),),
    ("vspc", "vSPC.py"),
    120.0,
    "AB:CD",
)
WELL = ConsoleFacts("web1", "web1", ConsoleState.CONNECTED, "10.0.0.1", NOW - 60, NOW - 3)
FAILED = FailedConnection(
    "10.0.0.5", "default", RefusalKind.OTHER, "no", "", Introduction(), NOW - 90, NOW - 30, 3
)


def facts(about: AskedAbout = AskedAbout.VM, asked: str = "web1") -> Facts:
    return Facts(about, asked, NOW, SINCE, SETUP)


def codes(found: Facts) -> list[str]:
    return [each.code for each in diagnose(found)]


class OneConsole(SynchronousTestCase):
    """Each row: what is changed in a console that is well, and the codes that are found."""

    ROWS: tuple[tuple[dict[str, Any], list[str]], ...] = (
        ({}, ["connected"]),
        ({"last_output": NOW - SILENT + 1}, ["connected"]),
        ({"last_output": NOW - SILENT}, ["silent"]),
        ({"last_output": None}, ["no-output"]),
        ({"remark": "it speaks telnet"}, ["mismatch"]),
        ({"state": ConsoleState.MIGRATING}, ["vmotion-open"]),
        ({"state": ConsoleState.AWAY, "away_reason": HOST_CLOSED}, ["away"]),
        ({"state": ConsoleState.AWAY, "away_reason": "it was reset"}, ["away"]),
        ({"state": ConsoleState.AWAY}, ["not-back"]),
        ({"state": ConsoleState.QUARANTINED, "claims": "web2"}, ["quarantined"]),
        ({"claimants": ("10.9.9.9",)}, ["claimed"]),
        ({"unanswered": 12}, ["unanswered"]),
        ({"suspended": True}, ["suspended"]),
        ({"host_change": HostChange("10.0.0.2", "10.0.0.1", NOW - 9)}, ["host-changed"]),
        ({"duplicate": True}, ["duplicate"]),
        ({"namesakes": 2}, ["connected", "namesake"]),
        ({"port_certain": False}, ["connected", "port-uncertain"]),
        ({"unanswered": 0, "last_output": None}, ["unanswered", "no-output"]),
    )

    def test_each_row(self) -> None:
        for changed, expected in self.ROWS:
            console = evolve(WELL, **changed)
            self.assertEqual(codes(evolve(facts(), consoles=(console,))), expected, changed)

    def found(self, **changed: Any) -> Finding:
        [found] = diagnose(evolve(facts(), consoles=(evolve(WELL, **changed),)))
        return found

    def test_why_it_is_away_decides_what_that_means(self) -> None:
        off = self.found(state=ConsoleState.AWAY, away_reason=HOST_CLOSED)
        self.assertIn("switched off", off.means)
        cut = self.found(state=ConsoleState.AWAY, away_reason="it was reset")
        self.assertIn("it was reset", cut.known)
        self.assertIn("the connection failed", cut.means)
        self.assertIn(Check.RULE_SET, cut.checks)

    def test_one_that_the_server_connects_to(self) -> None:
        away: dict[str, Any] = {"state": ConsoleState.AWAY, "dial_uri": "tcp://10.0.0.9:4001"}
        found = self.found(**away, away_reason="connection refused", next_try=NOW + 8)
        self.assertEqual((found.code, found.is_trouble), ("not-connected", True))
        self.assertIn("connection refused, next try in 8 s", found.known)
        self.assertEqual(
            found.do, ("nc -vz 10.0.0.9 4001", "vspc doctor --probe tcp://10.0.0.9:4001")
        )
        self.assertEqual(found.checks, (Check.DEVICE_SERVER,))
        away["dial_uri"] = "telnets://[fd00::5]:2001"
        found = self.found(**away, next_try=NOW + 8)
        self.assertIn(Check.DIRECT_RULE_SET, found.checks)
        self.assertEqual(found.do[0], "nc -vz fd00::5 2001")
        self.assertEqual(found.do[1], "openssl s_client -connect [fd00::5]:2001 </dev/null")
        idle = self.found(**away, away_reason="not needed")
        self.assertEqual((idle.code, idle.is_trouble), ("not-connected", False))
        silent = self.found(dial_uri="rfc2217://h:1", last_output=None, settings="9600 8N1")
        self.assertIn("to rfc2217://h:1 for 1 min", silent.known)
        self.assertIn("sent nothing, 9600 8N1", silent.known)
        self.assertEqual(silent.checks, (Check.DEVICE_SERVER,))

    def test_nothing_of_vsphere_is_said_of_a_plain_listener(self) -> None:
        for why in ("", HOST_CLOSED):
            found = self.found(state=ConsoleState.AWAY, away_reason=why, is_plain=True)
            self.assertEqual(found.checks, ())
            self.assertNotIn("vSphere", found.means)

    def test_what_to_do_names_the_console_as_it_is_typed(self) -> None:
        found = self.found(state=ConsoleState.QUARANTINED, handle="web%201", claims="web2")
        self.assertEqual(found.do[0], "accept web%201")
        self.assertIn("to be web2", found.known)


class Failures(SynchronousTestCase):
    """Connections that came to nothing."""

    def failure(self, kind: RefusalKind | None, **changed: Any) -> Finding:
        failed = evolve(FAILED, kind=kind, **changed)
        found = diagnose(evolve(facts(), failed=(failed,)))
        self.assertEqual(len(found), 1, found)
        return found[0]

    def test_every_kind_has_a_meaning_and_its_own_code(self) -> None:
        self.assertEqual(set(MEANINGS), {*RefusalKind, None})
        found = [self.failure(kind) for kind in MEANINGS]
        self.assertEqual(len({each.code for each in found}), len(MEANINGS))
        self.assertTrue(all(each.means for each in found))

    def test_it_says_how_often_when_why_and_what_was_said(self) -> None:
        said = Introduction("web1", "", "console", "UUID")
        found = self.failure(RefusalKind.INCOMPLETE, said=said)
        for words in (
            "10.0.0.5 was refused 3 times in 1 min",
            ", last 30 s ago (2023-11-15T00:59:30Z)",
            "UUID was not received in time",
            "name 'web1', service URI 'console'",
        ):
            self.assertIn(words, found.known)

    def test_the_line_of_the_configuration_is_there(self) -> None:
        hint = 'add to vm.allow: "10.0.0.5/32"'
        found = self.failure(RefusalKind.NOT_ALLOWED, hint=hint)
        self.assertEqual(found.do[0], hint)

    def test_the_service_uri_to_type(self) -> None:
        found = self.failure(RefusalKind.SERVICE_URI, hint='add to vm.service_uris: "x"')
        self.assertEqual(found.do[0], "in vSphere set Port URI to one of vspc, vSPC.py")
        self.assertIn('add to vm.service_uris: "x"', found.do[1])

    def test_a_pattern_is_not_a_service_uri_to_type(self) -> None:
        setup = evolve(SETUP, service_uris=("lab?", "vspc"))
        failed = evolve(FAILED, kind=RefusalKind.SERVICE_URI, hint="add")
        self.assertEqual(
            failure(failed, setup, NOW).do[0], "in vSphere set Port URI to one of vspc"
        )
        only = evolve(setup, service_uris=("lab?",))
        self.assertEqual(failure(failed, only, NOW).do[0], "add")

    def test_what_was_said_is_escaped_once(self) -> None:
        said = Introduction("it's \\x1b", service_uri="x")
        known = failure(evolve(FAILED, said=said), SETUP, NOW).known
        self.assertIn("name 'it's \\x1b', service URI 'x'", known)

    def test_the_proxy_uris_to_type(self) -> None:
        for kind in (RefusalKind.TLS_ON_TELNET, RefusalKind.TELNET_ON_TLS):
            [line] = self.failure(kind).do
            self.assertIn("telnets://vspc.example.com:13371", line)
            self.assertIn("telnet://vspc.example.com:13370", line)

    def test_what_ended_by_itself_is_no_trouble(self) -> None:
        self.assertFalse(self.failure(None).is_trouble)
        self.assertFalse(self.failure(RefusalKind.FOREIGN).is_trouble)
        self.assertTrue(self.failure(RefusalKind.TLS).is_trouble)
        left = self.failure(None, reason="closed", said=Introduction(missing="UUID"))
        self.assertIn("closed, before UUID was received", left.known)

    def test_one_that_goes_on(self) -> None:
        line = UnidentifiedLine("10.0.0.5", "prod", 12.0, Introduction("web1", missing="UUID"))
        [found] = diagnose(evolve(facts(), unidentified=(line,)))
        self.assertEqual(found.code, "identifying")
        self.assertIn("10.0.0.5 in zone prod has been connected for 12 s", found.known)

    def test_those_without_a_name_may_be_it(self) -> None:
        failed = evolve(FAILED, kind=RefusalKind.DIRECTION)
        never, perhaps = diagnose(evolve(facts(), nameless=(failed,)))
        self.assertEqual((never.code, perhaps.code), ("never-seen", "direction"))
        self.assertTrue(perhaps.known.startswith("this may be it: 10.0.0.5 was refused"))


class NeverSeen(SynchronousTestCase):
    """What is said of what is not there."""

    def test_a_name(self) -> None:
        [found] = diagnose(facts())
        self.assertEqual(found.code, "never-seen")
        self.assertIn("since the server started 2 h 46 min ago", found.known)
        self.assertIn(Check.RULE_SET, found.checks)

    def test_a_forgotten_console(self) -> None:
        ref = ConsoleRef("id", "web1", "web1", None, "default", None, "10.0.0.1", False)
        [found] = diagnose(evolve(facts(), forgotten=(ForgottenConsole(ref, NOW - 5),)))
        self.assertEqual(found.code, "forgotten")
        self.assertIn("it was at 10.0.0.1", found.known)

    def test_a_host(self) -> None:
        asked = facts(AskedAbout.HOST, "10.1.1.1")
        self.assertEqual(codes(asked), ["no-connection"])
        self.assertEqual(codes(evolve(asked, asked="192.0.2.1")), ["no-connection", "not-allowed"])
        [_, line] = diagnose(evolve(asked, asked="192.0.2.1"))
        self.assertEqual(line.do[0], 'add to vm.allow: "192.0.2.1/32"')

    def test_a_host_that_connected(self) -> None:
        record = HostRecord("10.1.1.1", NOW - 99, NOW - 9, 4, 3, 2, NOW - 50)
        [found] = diagnose(evolve(facts(AskedAbout.HOST, "10.1.1.1"), host=record))
        self.assertIn("4 lines got a console, the last 50 s ago", found.known)
        self.assertIn("3 were refused, 2 left", found.known)


class Everything(SynchronousTestCase):
    """Without an argument: what is wrong, and no more."""

    def test_all_is_well(self) -> None:
        [found] = diagnose(evolve(facts(AskedAbout.EVERYTHING, ""), readable=2))
        self.assertEqual((found.code, found.is_trouble), ("well", False))
        self.assertTrue(found.known.startswith("2 consoles"))

    def test_nobody_has_come(self) -> None:
        self.assertEqual(codes(facts(AskedAbout.EVERYTHING, "")), ["nobody"])

    def test_only_consoles_in_trouble_are_there(self) -> None:
        away = evolve(WELL, state=ConsoleState.AWAY, namesakes=1)
        asked = evolve(facts(AskedAbout.EVERYTHING, ""), consoles=(WELL, away), failed=(FAILED,))
        self.assertEqual(codes(asked), ["not-back", "other"])
        self.assertEqual([in_trouble(each, NOW) for each in (WELL, away)], [False, True])

    def test_vms_that_are_switched_off_are_one_finding(self) -> None:
        off = evolve(WELL, state=ConsoleState.AWAY, away_reason=HOST_CLOSED)
        many = tuple(evolve(off, title=f"web{number}") for number in range(1000))
        [found] = diagnose(evolve(facts(AskedAbout.EVERYTHING, ""), consoles=many, readable=1000))
        self.assertEqual((found.code, found.is_trouble), ("off", False))
        self.assertIn("1000 consoles away since the host closed", found.known)
        self.assertLess(len(found.known), 500)

    def test_a_configuration_that_lets_nobody_in(self) -> None:
        asked = evolve(facts(AskedAbout.EVERYTHING, ""), readable=1)
        self.assertEqual(codes(evolve(asked, setup=Setup())), ["no-listener"])
        loopback = evolve(asked, setup=Setup.of(Config(), "h"))
        self.assertEqual(codes(loopback), ["well"])  # a demonstration
        self.assertEqual(codes(evolve(loopback, readable=0)), ["loopback-only", "nobody"])
        self.assertEqual(codes(evolve(loopback, readable=0, administrator=False)), ["well"])


class Reports(SynchronousTestCase):
    """Findings in print."""

    def report(self, *found: Finding, verbose: bool = False, columns: int | None = None) -> str:
        return report_text(found, SETUP, verbose, columns)

    def test_only_what_fits_is_printed_of_the_other_side(self) -> None:
        said = self.report(Finding("x", "known", "means", ("do it",), (Check.RULE_SET,)))
        self.assertEqual(
            said.splitlines()[:5],
            [
                "! known",
                "  means",
                "  > do it",
                "",
                "On the ESXi host, the firewall's rule set for a concentrator:",
            ],
        )
        self.assertIn("    esxcli network firewall ruleset set --ruleset-id vSPC", said)
        self.assertNotIn("remoteSerialPort", said)
        self.assertNotIn("nothing inwards", said)

    def test_more_words_for_those_who_ask(self) -> None:
        finding = Finding("x", "known", checks=(Check.RULE_SET,))
        self.assertIn("nothing inwards", self.report(finding, verbose=True))

    def test_every_check_has_lines_with_this_server_in_them(self) -> None:
        self.assertEqual(set(OTHER_SIDES), set(Check))
        said = self.report(Finding("x", "known", checks=tuple(Check)), verbose=True)
        for line in (
            "nc -z vspc.example.com 13371",
            "openssl s_client -connect vspc.example.com:13371 </dev/null",
            "it has to print AB:CD",
            "telnets://vspc.example.com:13371#thumbprint=AB:CD",
            "config.vpxd.SerialPort.PersistNetworkBacking",
            "serialN.vmotionLimit",
            "--ruleset-id remoteSerialPort",
            "connections to one port at once, 8 as a rule",
        ):
            self.assertIn(line, said)

    def test_a_check_that_does_not_fit_this_server_is_left_out(self) -> None:
        finding = Finding("x", "known", checks=(Check.CERTIFICATE, Check.REACH))
        plain = evolve(SETUP, listeners=SETUP.listeners[:1])
        said = report_text([finding], plain, False, None)
        self.assertNotIn("certificate", said)
        self.assertIn("nc -z vspc.example.com 13370", said)
        self.assertEqual(report_text([finding], Setup(), False, None), "! known\n")

    def test_a_long_list_is_cut_and_says_so(self) -> None:
        many = [Finding("x", f"known {number}") for number in range(SHORT + 2)]
        self.assertIn("2 more findings: see --verbose", self.report(*many))
        self.assertIn(f"known {SHORT + 1}", self.report(*many, verbose=True))

    def test_in_a_terminal_words_end_at_its_width(self) -> None:
        said = self.report(Finding("x", "word " * 40, "means " * 40), columns=40)
        self.assertTrue(all(len(line) <= 40 for line in said.splitlines()), said)

    def test_as_json(self) -> None:
        found = report_json([Finding("x", "known", do=("a",), checks=(Check.VCENTER,))], SETUP)
        self.assertEqual(
            found["findings"],
            [{"code": "x", "trouble": True, "known": "known", "means": "", "do": ["a"]}],
        )
        [side] = list(found["other_side"])  # type: ignore[call-overload]
        self.assertEqual(side["check"], "vcenter")


class Documentation(SynchronousTestCase):
    def test_every_code_is_in_the_docs(self) -> None:
        package = Path(vspc.__file__).parent
        sources = [*package.glob("apps/doctor/*.py"), package / "cli" / "doctor.py"]
        text = "".join(source.read_text() for source in sources)
        found = {*re.findall(r'Finding\(\s*"([a-z0-9-]+)"', text), "left"}
        found |= {each.value for each in (*RefusalKind, *Answer)}
        page = (package.parent / "docs" / "troubleshooting.md").read_text()
        self.assertGreater(len(found), 40)
        self.assertEqual({code for code in found if f"`{code}`" not in page}, set())


class Asked(SynchronousTestCase):
    """Names and UUIDs as they are typed."""

    def test_uuids(self) -> None:
        digits = "0123456789abcdeffedcba9800000000"
        for typed in (digits, digits.upper(), f"uuid:{digits}", "01 23 45 67-89" + digits[10:]):
            self.assertEqual(digits_of(typed), digits)
        self.assertIsNone(digits_of("web1"))
        self.assertIsNone(digits_of(digits[:-1] + "g"))

    def test_what_is_about_a_vm(self) -> None:
        uuid = f"{10:032x}"
        for asked in ("web1", "lab/web1", "WEB1:2", "lab/web1:2", "%77eb1"):
            self.assertTrue(is_about(Introduction("Web1"), spellings(asked)), asked)
            self.assertFalse(is_about(Introduction("web", uuid), spellings(asked)), asked)
            self.assertFalse(is_about(Introduction(), spellings(asked)), asked)
        for asked in (uuid, uuid.upper(), f"uuid:{uuid}", f"{uuid[:8]}-{uuid[8:]}"):
            self.assertTrue(is_about(Introduction("x", uuid), spellings(asked)), asked)
        self.assertFalse(is_about(Introduction(), spellings("")))
