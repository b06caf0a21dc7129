"""A diagnosis as text and as JSON values."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from vspc.apps.doctor.facts import Setup
from vspc.apps.doctor.findings import Finding, counted
from vspc.apps.doctor.other_side import OTHER_SIDES, Check

SHORT = 20
"""Findings that are printed, unless all are asked for."""


def report_text(
    findings: Sequence[Finding], setup: Setup, verbose: bool, columns: int | None
) -> str:
    """Findings, then what to check on the other side; in a terminal lines end at its width, but
    those to be pasted do not.
    """
    lines = list[str]()
    shown = findings if verbose else findings[:SHORT]
    for finding in shown:
        lines += _finding(finding, columns)
    if len(shown) < len(findings):
        lines.append(f"{counted(len(findings) - len(shown), 'more finding')}: see --verbose")
    for check, pasted in checks_of(shown, setup):
        side = OTHER_SIDES[check]
        lines += ["", *_wrapped(side.heading, "", columns)]
        lines += [f"    {line}" for line in pasted]
        if verbose:
            lines += _wrapped(" ".join(side.more), "  ", columns)
    return "".join(f"{line}\n" for line in lines)


def _finding(finding: Finding, columns: int | None) -> Iterator[str]:
    mark = "! " if finding.is_trouble else "- "
    yield from _wrapped(finding.known, "  ", columns, mark)
    if finding.means:
        yield from _wrapped(finding.means, "  ", columns)
    for line in finding.do:
        yield from _wrapped(line, "    ", columns, "  > ")


def _wrapped(text: str, indent: str, columns: int | None, first: str | None = None) -> list[str]:
    start = indent if first is None else first
    if columns is None:
        return [start + text]
    return textwrap.wrap(
        text,
        max(columns, 2 * len(indent) + 20),
        initial_indent=start,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def checks_of(findings: Iterable[Finding], setup: Setup) -> Iterator[tuple[Check, list[str]]]:
    """What is to be checked on the other side for these, each once, in the order of `Check`; the
    lines of each. One without lines does not fit this server.
    """
    found = {check for finding in findings for check in finding.checks}
    for check in Check:
        if check in found and (lines := list(OTHER_SIDES[check].lines(setup))):
            yield check, lines


def report_json(findings: Sequence[Finding], setup: Setup) -> dict[str, object]:
    """The same for programs."""
    return {
        "findings": [
            {
                "code": each.code,
                "trouble": each.is_trouble,
                "known": each.known,
                "means": each.means,
                "do": list(each.do),
            }
            for each in findings
        ],
        "other_side": [
            {
                "check": check.value,
                "heading": OTHER_SIDES[check].heading,
                "lines": lines,
                "more": " ".join(OTHER_SIDES[check].more),
            }
            for check, lines in checks_of(findings, setup)
        ],
    }
