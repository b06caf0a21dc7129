"""Known vulnerabilities of what a release has: `python -m tests.supply.audit PIP_AUDIT PINNED`.

pip-audit leaves out what its service does not answer for, and says that nothing was found. Here
that is an audit that did not take place. Exit status 0: each package was looked up and nothing is
known; 1: something is; 2: not each could be looked up.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from attrs import frozen

FOUND, NOT_AUDITED = 1, 2
"""Exit statuses."""

SERVICES = ("pypi", "osv")
"""Where pip-audit looks, in this order."""

PATIENCE = 300.0
"""Seconds for one service."""


@frozen
class AuditResult:
    """What one service said: `vulnerable` a line each, `skipped` names that it did not look up."""

    audited: int
    vulnerable: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    error: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether everything was looked up."""
        return bool(self.audited) and not (self.skipped or self.error)


def read_report(output: str, error: str) -> AuditResult:
    """What pip-audit printed as JSON, and on standard error."""
    try:
        report: dict[str, Any] = json.loads(output)
    except ValueError:
        last = (error.strip().splitlines() or ["it printed nothing"])[-1]
        return AuditResult(0, error=last)
    packages = report["dependencies"]
    skipped = tuple(each["name"] for each in packages if "skip_reason" in each)
    vulnerable = tuple(
        f"{each['name']} {each['version']}: {found['id']}"
        + (f", fixed in {', '.join(found['fix_versions'])}" if found.get("fix_versions") else "")
        for each in packages
        for found in each.get("vulns", ())
    )
    return AuditResult(len(packages) - len(skipped), vulnerable, skipped)


def audit(program: Path, pinned: Path, service: str) -> AuditResult:
    """Ask one service about the versions in the file `pinned`."""
    command = [str(program), "--requirement", str(pinned), "--disable-pip", "--require-hashes"]
    command += ["--format", "json", "--progress-spinner", "off", "--vulnerability-service", service]
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return AuditResult(0, error=f"no answer within {PATIENCE:g} s")
    return read_report(done.stdout, done.stderr)


def verdict(results: dict[str, AuditResult]) -> tuple[int, list[str]]:
    """The exit status, and what to say, of the results by service."""
    vulnerable = sorted({line for result in results.values() for line in result.vulnerable})
    if vulnerable:
        return FOUND, ["known vulnerabilities:", *vulnerable]
    for service, result in results.items():
        if result.is_whole:
            return 0, [f"{result.audited} packages, no known vulnerabilities ({service})"]
    lines = ["NOT AUDITED: no advisory service could be asked about each package"]
    for service, result in results.items():
        why = result.error or f"{len(result.skipped)} packages were not found there"
        lines.append(f"  {service}: {why}")
    return NOT_AUDITED, lines


def main() -> int:
    """The command line."""
    program, pinned = map(Path, sys.argv[1:])
    results = dict[str, AuditResult]()
    for service in SERVICES:
        results[service] = audit(program, pinned, service)
        if results[service].is_whole:
            break
    status, lines = verdict(results)
    print("\n".join(lines))
    return status


if __name__ == "__main__":
    sys.exit(main())
