"""[[break]]: named sequences, and what bounds them."""

import tomllib
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from vspc.config.breaks import BreakStep
from vspc.config.file import ConfigError, load
from vspc.config.settings import BreakSettings


class Breaks(SynchronousTestCase):
    def load(self, text: str) -> tuple[BreakSettings, ...]:
        tomllib.loads(text)
        path = Path(self.mktemp())
        path.write_text(text)
        return load(path).break_

    def mistakes(self, steps: str) -> str:
        with self.assertRaises(ConfigError) as caught:
            self.load(f'[[break]]\nname = "x"\nsteps = {steps}\n')
        return str(caught.exception)

    def test_steps_of_each_kind(self) -> None:
        (found,) = self.load(
            '[[break]]\nname = "kdb"\nconsoles = ["web*"]\n'
            'steps = ["break", { delay = "0.5s" }, { text = "g\\u001b" }]\n'
        )
        self.assertEqual(found.consoles, ("web*",))
        self.assertEqual(found.steps, (BreakStep(), BreakStep(delay=0.5), BreakStep(b"g\x1b")))
        self.assertEqual([step.is_break for step in found.steps], [True, False, False])

    def test_one_that_would_take_an_hour_is_refused(self) -> None:
        self.assertIn("break[0].steps[0]: a delay of 1h is out of", self.mistakes('[{delay="1h"}]'))
        text = self.mistakes("[" + '"break", {delay=1},' * 50 + '{delay="20s"}]')
        self.assertIn("steps: 101 steps; 1 to 100 steps are allowed", text)
        text = self.mistakes('[{delay="40s"}, "break", {delay="40s"}]')
        self.assertIn("steps: the steps wait for 80s in all; at most 1m is allowed", text)
        text = self.mistakes("[{delay=nan}]")
        self.assertIn("is out of range", text)

    def test_what_is_not_a_step(self) -> None:
        for step in ("7", '"brk"', "{}", '{text="a", delay=1}', "[]", "{delay=-1}", '{text=""}'):
            self.assertIn("break[0].steps[0]", self.mistakes(f"[{step}]"), step)
        self.assertIn("0 steps", self.mistakes("[]"))
        self.assertIn("bytes of text", self.mistakes(f'[{{text="{"x" * 1025}"}}]'))

    def test_names(self) -> None:
        table = '[[break]]\nname = "{}"\nsteps = ["break"]\n'
        for name in ("-x", "--yes", "", "a b", "x" * 33):
            with self.assertRaises(ConfigError):
                self.load(table.format(name))
        with self.assertRaises(ConfigError) as caught:
            self.load(table.format("a") * 2)
        self.assertIn("break[1].name: duplicate of break[0].name", str(caught.exception))
        many = "".join(table.format(f"n{number}") for number in range(101))
        with self.assertRaises(ConfigError) as caught:
            self.load(many)
        self.assertIn("break: 101 sequences", str(caught.exception))
