"""`make bench`, with next to nothing to do: rows of each family end, with figures, all bytes there.

How long something took is looked at by nobody here.
"""

import json
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from benchmarks import recording
from benchmarks.__main__ import main
from benchmarks.bench import Bench
from benchmarks.compiling import compiled, paths
from benchmarks.measuring import FLOOR, OTHER, OURS, REACTOR, Result
from benchmarks.processes import TOP, BenchmarkError
from benchmarks.servers.logins import ASYNCSSH, SSHD
from benchmarks.servers.others import CONMAN, CONSERVER, program
from benchmarks.table import chosen
from tests.programs import require


class Rows(SynchronousTestCase):
    def subjects(self, name: str) -> set[str]:
        """Who has figures in that row."""
        require("ssh", "ssh-keygen")
        [row] = chosen([name], is_long=True)
        result = Result.of(row, row.work(Bench(repeats=1, tiny=True)))
        return set(result.figures)

    def test_vms_that_register_over_tls(self) -> None:
        self.assertEqual(self.subjects("telnets"), {OURS, FLOOR, REACTOR})

    def test_vms_that_move_while_others_chatter(self) -> None:
        self.assertEqual(self.subjects("vmotion-among"), {OURS, FLOOR})

    def test_begin_behind_a_paste(self) -> None:
        self.assertEqual(self.subjects("goahead-paste"), {OURS})

    def test_raw_consoles_beside_other_servers(self) -> None:
        require("conserver")
        others = {name for name in (CONSERVER, CONMAN) if program(name)}
        self.assertEqual(self.subjects("raw-line-8"), {OURS, REACTOR} | others)

    def test_random_bytes_come_whole_to_the_log_and_to_a_reader(self) -> None:
        self.assertLessEqual({OURS, FLOOR}, self.subjects("random"))
        self.assertEqual(self.subjects("reader-1-random"), {OURS, FLOOR, REACTOR})

    def test_keys_come_back(self) -> None:
        self.assertEqual(self.subjects("key-p50"), {OURS, FLOOR})

    def test_logins_beside_other_servers(self) -> None:
        found = self.subjects("login") - {SSHD}  # which does not start everywhere
        self.assertEqual(found, {OURS, FLOOR, REACTOR, ASYNCSSH})

    def test_choosers_and_vms_that_leave(self) -> None:
        self.assertEqual(self.subjects("choosers"), {OURS})

    def test_memory_of_vms_that_are_away(self) -> None:
        self.assertEqual(self.subjects("memory-away"), {OURS})

    def test_vms_that_come_back_after_a_restart(self) -> None:
        self.assertEqual(self.subjects("back-10000"), {OURS})

    def test_what_a_vm_costs_beside_others(self) -> None:
        self.assertEqual(self.subjects("memory-10000"), {OURS, FLOOR})

    def test_what_one_process_holds(self) -> None:
        for name in (
            "lines-delay-32000",
            "output-carried-100",
            "operators-memory-100",
            "logins-cost-4",
        ):
            self.assertEqual(self.subjects(name), {OURS})

    def test_what_each_cipher_costs(self) -> None:
        self.assertLessEqual({OURS, "aes256-gcm", "aes128-ctr"}, self.subjects("ciphers"))

    def test_a_chooser_key_by_key(self) -> None:
        self.assertEqual(self.subjects("chooser-key"), {OURS})

    def test_floods_of_vms_of_strangers_and_of_operators(self) -> None:
        self.assertEqual(self.subjects("fair-goahead"), {OURS})

    def test_logins_beside_somebody_who_guesses(self) -> None:
        self.assertEqual(self.subjects("login-guessed"), {OURS, "vspc alone"})

    def test_scrapes(self) -> None:
        self.assertEqual(self.subjects("scrape-10000"), {OURS, REACTOR})


class Checks(SynchronousTestCase):
    def status(self, better: float) -> int:
        """Of a check against a record in which vspc was so many times better."""
        record = json.loads(self.measured.read_text("utf-8"))
        for row in record["rows"]:
            row["figures"][OURS]["median"] /= better
        self.recorded.write_text(json.dumps(record), "utf-8")
        return main(["--tiny", "--repeats", "1", "--check", "line"])

    def test_a_row_that_got_worse_is_the_exit_status(self) -> None:
        self.measured, self.recorded = Path(self.mktemp()), Path(self.mktemp())
        self.patch(recording, "RECORDED", self.recorded)
        said = StringIO()
        with redirect_stdout(said):
            main(["--tiny", "--repeats", "1", "--json", str(self.measured), "line"])
            self.assertEqual((self.status(better=1 / 1000), self.status(better=1000)), (0, 1))
        self.assertRegex(said.getvalue(), "no row got worse\n(.*\n)*worse than recorded:\nline: ")


class AnotherCheckout(SynchronousTestCase):
    def test_one_with_a_module_that_was_compiled_registers_vms_in_turn(self) -> None:
        require("gcc", "python3-config")
        directory = Path(self.mktemp()).absolute()
        compiled(directory, ["vspc/wire/qmethod.py"])
        [row] = chosen(["registration"], is_long=False)
        bench = Bench(repeats=1, tiny=True, against=directory)
        self.assertEqual(set(row.work(bench).values[""]), {OURS, OTHER, FLOOR, REACTOR})
        with bench.both() as both:
            for name, is_compiled in ((OURS, False), (OTHER, True)):
                libraries = Path(f"/proc/{both[name][0].process.pid}/maps").read_text("utf-8")
                self.assertEqual(f"{directory}/vspc/wire/qmethod." in libraries, is_compiled, name)

    def test_modules_that_are_compiled_are_there(self) -> None:
        self.assertEqual([path for path in paths() if not (TOP / path).is_file()], [])


class Losses(SynchronousTestCase):
    def test_bytes_that_are_missing_are_no_figure(self) -> None:
        with Bench(1, tiny=True).floor() as server:
            self.patch(type(server), "received", lambda server: 1)
            self.assertRaises(BenchmarkError, server.check_received, 0)

    def test_a_line_that_the_server_closes_is_no_figure(self) -> None:
        bench = Bench(1, tiny=True)
        with bench.vspc() as server, bench.load() as load:
            words = {"port": server.ports["ssh"], "first": 0, "count": 1}
            self.assertRaises(BenchmarkError, load.call, "register", **words)
