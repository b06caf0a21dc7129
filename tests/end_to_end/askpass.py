"""Answers for OpenSSH, which asks whatever program SSH_ASKPASS names when it has no terminal."""

from collections.abc import Mapping
from pathlib import Path

_SCRIPT = """\
#!/bin/sh
printf '%s\\n' "$1" >> "$ASKPASS_DIRECTORY/asked"
answer=$(head -n 1 "$ASKPASS_DIRECTORY/answers")
sed -i 1d "$ASKPASS_DIRECTORY/answers"
printf '%s\\n' "$answer"
"""


class Askpass:
    """A program that answers questions in turn, and writes down what it was asked."""

    def __init__(self, directory: Path, name: str = "askpass") -> None:
        self._directory = directory / name
        self._directory.mkdir()
        self._program = self._directory / "program"
        self._program.write_text(_SCRIPT)
        self._program.chmod(0o700)

    def answering(self, *answers: str) -> Mapping[str, str]:
        """The environment of a client whose user knows these answers; nothing was asked yet."""
        (self._directory / "answers").write_text("".join(answer + "\n" for answer in answers))
        (self._directory / "asked").write_text("")
        return {
            "SSH_ASKPASS": str(self._program),
            "SSH_ASKPASS_REQUIRE": "force",
            "ASKPASS_DIRECTORY": str(self._directory),
        }

    @property
    def asked(self) -> list[str]:
        """What the last client asked."""
        return (self._directory / "asked").read_text().splitlines()
