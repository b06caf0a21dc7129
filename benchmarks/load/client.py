"""The benchmark's side of the pipe to a load generator."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import define

from benchmarks.processes import BenchmarkError, python, running


@define(eq=False)
class Load:
    """A generator. `busiest` is the largest share of a core that one of its commands used, `share`
    and `time` those of the last one.
    """

    process: "subprocess.Popen[bytes]"
    busiest: float = 0.0
    share: float = 0.0
    time: float = 0.0

    def begin(self, command: str, **words: Any) -> None:
        """Ask; `end` waits for the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"command": command, **words}).encode() + b"\n")
        self.process.stdin.flush()

    def end(self) -> Any:
        """What was found. Raises BenchmarkError for what the generator says went wrong."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        try:
            answer = json.loads(line)
        except ValueError:
            rest = line + self.process.stdout.read()
            raise BenchmarkError(f"the load generator failed: {rest.decode()}") from None
        if "wrong" in answer:
            raise BenchmarkError(answer["wrong"])
        self.time = answer["time"]
        self.share = answer["cpu"] / self.time
        self.busiest = max(self.busiest, self.share)
        return answer["found"]

    def call(self, command: str, **words: Any) -> Any:
        """Ask, and wait."""
        self.begin(command, **words)
        return self.end()

    def prepare(self, command: str, **words: Any) -> Any:
        """The same for what is not measured."""
        busiest = self.busiest
        found = self.call(command, **words)
        self.busiest = busiest
        return found


@contextmanager
def generator(directory: Path) -> Iterator[Load]:
    """One, as long as the block."""
    with running(python("benchmarks.load"), directory) as process:
        yield Load(process)
