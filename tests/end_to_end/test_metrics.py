"""A real Prometheus reads a real vspc; its rules and the dashboard ask for what is there."""

import json
import re
import signal
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

from tests.documents import TREE
from tests.end_to_end.processes import DEADLINE, ProcessTestCase, script
from tests.end_to_end.server import ServerTestCase
from tests.end_to_end.test_handover import HandoverTestCase
from tests.programs import require
from tests.server.test_metrics import ROW

RULES = TREE / "etc" / "prometheus" / "vspc.rules.yml"
RULES_TEST = RULES.with_name("vspc.rules_test.yml")
DASHBOARD = TREE / "etc" / "grafana" / "vspc.json"

PROMETHEUS = """\
global:
  scrape_interval: 1s
  evaluation_interval: 1s
rule_files:
  - {rules}
scrape_configs:
  - job_name: vspc
    static_configs:
      - targets: ["127.0.0.1:{port}"]
"""

ALERT = '[[alert]]\nname = "oops"\nbuiltin = ["oops"]\ncommand = ["/bin/true"]\n'

METRICS = '[metrics]\nlisten = ["tcp:0:interface=127.0.0.1"]\nper_console = ["guest"]\n'

OURS = re.compile(r"\b((?:vspc|process)_\w+)\b")
RECORD = re.compile(r"\binstance:\w+(?::\w+)?")


DAWDLING = """\
import time
from twisted.internet import reactor
from vspc.cli.main import main

def dawdle(secret):
    time.sleep(1)

reactor.callWhenRunning(lambda: reactor.callLater(0.5, dawdle, "hunter2"))
raise SystemExit(main())
"""


def documented() -> set[str]:
    """The names of all series that docs/metrics.md has."""
    names = set[str]()
    text = (TREE / "docs" / "metrics.md").read_text(encoding="utf-8")
    for row in filter(None, map(ROW.match, text.splitlines())):
        name = row["name"]
        parts = ("_bucket", "_sum", "_count") if row["kind"] == "histogram" else ("",)
        names |= {f"{name}{part}" for part in parts}
    return names


def asked(expression: str) -> set[str]:
    """The series of ours that an expression names."""
    return set(OURS.findall(RECORD.sub("", expression)))


def dashboard_queries() -> Iterator[str]:
    """As a browser would send them for all servers."""
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"].replace("$instance", ".*").replace("$__rate_interval", "1m")


class Rules(ProcessTestCase):
    def test_promtool_accepts_them(self) -> None:
        [promtool] = require("promtool")
        checked = self.complete(promtool, "check", "rules", RULES)
        self.assertEqual(checked.status, 0, checked)

    def test_each_alert_fires_when_it_should_and_not_before(self) -> None:
        [promtool] = require("promtool")
        tested = self.complete(promtool, "test", "rules", RULES_TEST)
        self.assertEqual(tested.status, 0, tested)
        alerts = re.findall(r"- alert: (\w+)", RULES.read_text())
        fired = r"alertname: (\w+)\n +exp_alerts:\n +- exp_labels"
        fires = re.findall(fired, RULES_TEST.read_text())
        self.assertEqual(sorted(alerts), sorted(fires))
        self.assertEqual(RULES.read_text().count("          runbook: "), len(alerts))

    def test_rules_and_dashboard_name_what_the_documentation_has(self) -> None:
        there = documented()
        self.assertGreater(len(there), 60)
        text = RULES.read_text()
        expressions = [json.loads(each) for each in re.findall(r"expr: (\".*\")$", text, re.M)]
        for expression in [*expressions, *dashboard_queries()]:
            self.assertEqual(asked(expression) - there, set(), expression)
        recorded = set(re.findall(r"- record: (\S+)", text))
        used = {name for each in expressions for name in RECORD.findall(each)}
        self.assertEqual(used - recorded, set())

    def test_panels_have_places_of_their_own(self) -> None:
        panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
        taken = set[tuple[int, int]]()
        for panel in panels:
            at = panel["gridPos"]
            columns = range(at["x"], at["x"] + at["w"])
            cells = {(x, at["y"] + y) for x in columns for y in range(at["h"])}
            self.assertFalse(cells & taken, panel["title"])
            self.assertLessEqual(at["x"] + at["w"], 24)
            taken |= cells
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))


def page(port: int, path: str) -> tuple[int, str]:
    """Status and body of a page."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=DEADLINE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Restarted(HandoverTestCase):
    def write_config(self, more: str = "") -> None:
        super().write_config(METRICS + more)

    def test_the_port_and_what_is_counted_go_on_with_the_lines(self) -> None:
        guest = self.connect("plain guest")
        guest.sendall(b"boot\n")
        self.until_state("guest")
        port = self.ports["metrics"]
        for number in (signal.SIGTERM, signal.SIGKILL):
            text = page(port, "/metrics")[1]
            self.assertIn('\nvspc_lines{kind="plain",state="leading",tls="no"} 1.0\n', text)
            self.assertIn('\nvspc_consoles{state="connected"} 1.0\n', text)
            self.assertIn('\nvspc_consoles{state="away"} 0.0\n', text)
            self.unit.end(number)
            self.served_by(self.unit.start())
            self.assertEqual(self.ports["metrics"], port)
            self.assertEqual(page(port, "/readyz"), (200, "ok\n"))
        self.assertTrue(self.is_open(guest))
        self.assert_no_defects()


class Scraped(ServerTestCase):
    def page(self, path: str) -> tuple[int, str]:
        return page(self.ports["metrics"], path)

    def prometheus(self) -> int:
        """Start one that reads the server; its port."""
        [program] = require("prometheus")
        file = self.directory / "prometheus.yml"
        file.write_text(PROMETHEUS.format(rules=RULES, port=self.ports["metrics"]))
        child = self.start(
            program,
            f"--config.file={file}",
            f"--storage.tsdb.path={self.directory / 'tsdb'}",
            "--web.listen-address=127.0.0.1:0",
            "--log.level=info",
        )
        found = child.err.expect(rb'msg="Listening on" address=127\.0\.0\.1:(\d+)')
        child.err.expect(b"Server is ready to receive web requests")
        return int(found[1])

    def ask(self, port: int, path: str, **words: str) -> Any:
        """What the API of Prometheus says."""
        query = urllib.parse.urlencode(words)
        status, body = page(port, f"/api/v1/{path}?{query}")
        answer = json.loads(body)
        self.assertEqual((status, answer["status"]), (200, "success"), (path, words, body))
        return answer["data"]

    def until_value(self, port: int, query: str, wanted: str) -> None:
        """Ask until the only value is `wanted`."""
        end, found = time.monotonic() + DEADLINE, None
        while time.monotonic() < end:
            found = self.ask(port, "query", query=query)["result"]
            if [each["value"][1] for each in found] == [wanted]:
                return
            time.sleep(0.1)
        self.fail(f"{query}: {found}")

    def test_prometheus_reads_it_and_every_query_works(self) -> None:
        require("prometheus")
        self.write_config(METRICS + ALERT)
        self.serve()
        port = self.prometheus()
        vms = self.start(
            *(script("vspc"), "simulate", "--proxy"),
            *(f"telnet://127.0.0.1:{self.ports['telnet']}", "--vms", "3"),
        )
        self.until_value(port, 'vspc_consoles{state="connected"}', "3")
        self.until_value(port, 'up{job="vspc"}', "1")
        self.until_value(port, "vspc_healthy", "1")
        self.until_value(port, 'sum(vspc_lines{kind="vmware", state="leading"})', "3")
        (target,) = self.ask(port, "targets")["activeTargets"]
        self.assertEqual(target["lastError"], "")
        groups = self.ask(port, "rules")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        self.assertGreater(len(rules), 30)
        for rule in rules:
            self.ask(port, "query", query=rule["query"])
        queries = list(dashboard_queries())
        self.assertGreater(len(queries), 30)
        for query in queries:
            self.ask(port, "query", query=query)
        names = set(self.ask(port, "label/__name__/values"))
        missing = {name for name in documented() if name.startswith(("vspc_", "process_"))} - names
        # Counters by kinds and names that are not known before.
        happens = {"vspc_security_events_total", "vspc_limits_hit_total", "vspc_log_sink_healthy"}
        single = {name for name in missing if name.startswith("vspc_console_")}
        self.assertEqual(missing - happens - single, set())
        vms.stop()
        self.until_value(port, 'vspc_consoles{state="away"}', "3")
        self.assert_no_defects()

    def test_health_readiness_status_and_check(self) -> None:
        self.write_config(METRICS)
        self.serve(script("vspc"), "run", "--config", self.config)
        self.assertEqual(self.page("/healthz"), (200, "ok\n"))
        self.assertEqual(self.page("/readyz"), (200, "ok\n"))
        status, text = self.page("/metrics")
        self.assertEqual(status, 200)
        self.assertIn("\nvspc_healthy 1.0\n", text)
        self.assertRegex(text, r"\nprocess_open_fds [1-9]")
        self.assertRegex(text, r"\nvspc_reactor_turn_seconds_count [1-9]")
        shown = self.complete(script("vspc"), "status", "--config", self.config)
        self.assertRegex(shown.out, rb"metrics scrapes: +1\n")
        checked = self.complete(script("vspc"), "check", "--config", self.config)
        self.assertIn(b"metrics for Prometheus: tcp:0:interface=127.0.0.1\n", checked.out)
        self.assert_no_defects()

    def test_a_turn_that_takes_too_long_is_in_the_log_with_its_place(self) -> None:
        program = self.directory / "dawdling.py"
        program.write_text(DAWDLING)
        self.write_config(METRICS + "slow_turn = 0.1\n")
        self.serve(sys.executable, program, "run", "--config", self.config)
        found = self.server.out.expect(rb"warn slow-turn seconds=(\S+) stack=([^\n]+)\n")
        self.assertGreaterEqual(float(found[1]), 0.1)
        self.assertIn(b"dawdling.py:6 dawdle", found[2])
        self.assertNotIn(b"hunter2", found[2])
        self.server.out.expect(rb"warn slow-turn-over seconds=\S+\n")
        self.assertRegex(self.page("/metrics")[1], r"\nvspc_reactor_slow_turns_total [1-9]")
