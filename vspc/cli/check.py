"""`vspc check` and `vspc verify`: a configuration, and the logs that are on the disk."""

import sys
from collections.abc import Iterator
from pathlib import Path

from vspc.common.files import Disk
from vspc.common.text import safe
from vspc.common.values import written_duration, written_size
from vspc.config import Config, summary
from vspc.config.settings import LogPolicy
from vspc.log.verify import examine, recorded_heads, verify
from vspc.server.config_files import file_warnings

DAMAGES = 20
"""Damaged files that `vspc check` names."""


def check(config: Config) -> int:
    """Print a summary of a configuration that has been loaded, and warnings; the exit status."""
    for line in [*summary(config), *forecast(config)]:
        print(line)
    for warning in [*config.warnings, *file_warnings(config)]:
        print(f"warning: {config.lines.placed(warning)}")
    return 0


def forecast(config: Config) -> list[str]:
    """What the logs of `config` may take, set against the disk: for `vspc check`."""
    log, root = config.log, config.state_dir / "log"
    if not log.enabled:
        return ["log: off; what VMs say is kept in memory only"]
    most, each = written_size(log.max_total), written_size(log.max_console)
    keep = written_duration(log.keep)
    lines = [f"log: {root}, at most {most}, {each} a console, {keep}, fsync {log.fsync}"]
    lines += [f"log of {', '.join(p.consoles)}: {_policy(p)}" for p in log.policy]
    known = sum(1 for _ in root.glob("consoles/??/*"))
    if known:
        most = written_size((known * log.max_console) >> 20 << 20)
        lines.append(f"log: {known} consoles have one; each at its limit would be {most}")
    there = next(path for path in (root, *root.parents) if path.is_dir())
    free, disk = Disk().free(there)
    used = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    floor = log.free_floor.of(disk)
    spare = max(0, free - floor + used)
    if spare < log.max_total:
        lines.append(
            f"warning: log.max_total is {written_size(log.max_total)}, but the disk has room for "
            f"{spare >> 20}MiB of it: {free >> 20}MiB are free, and free_floor keeps "
            f"{floor >> 20}MiB of them"
        )
    return lines + list(_damage(root))


def _damage(root: Path) -> Iterator[str]:
    """What a look at the files of logs shows; `vspc verify` reads every byte of them."""
    found = examine(root, deep=False)
    for complaint in found[:DAMAGES]:
        yield f"warning: log: {safe(complaint.text, 1000)}"
    if len(found) > DAMAGES:
        yield f"warning: log: {len(found) - DAMAGES} more files are damaged; see vspc verify"


def _policy(policy: LogPolicy) -> str:
    if not policy.log:
        return "none"
    keep = "" if policy.keep is None else f"for {written_duration(policy.keep)}"
    most = "" if policy.max is None else f"at most {written_size(policy.max)}"
    return ", ".join(filter(None, (keep, most))) or "as all"


def check_chain(config: Config, against: Path | None) -> int:
    """`vspc verify`: print what was found; the exit status."""
    try:
        recorded = None
        if against is not None:
            with against.open(encoding="utf-8", errors="replace") as file:
                recorded = recorded_heads(file)
            if not recorded:
                print(f"{against}: no log-chain line found", file=sys.stderr)
                return 1
        verdict = verify(config.state_dir / "log", recorded)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    for complaint in verdict.wrong:
        print(safe(complaint, 1000), file=sys.stderr)
    heads = "" if recorded is None else f", {verdict.heads} heads are those that were sent"
    print(f"{verdict.right} segments are unchanged, {verdict.gone} are deleted{heads}")
    return 1 if verdict.wrong else 0
