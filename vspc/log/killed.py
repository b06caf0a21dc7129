"""What the journal says of the process before: whether it was stopped, or killed, and when."""

from collections.abc import Iterable, Iterator

from attrs import define

from vspc.log.console_log import ConsoleLog
from vspc.log.records import START, STOP, Record, gap, reserve
from vspc.log.sinks.lines import moment

KILLED = "the server was killed"
CUT_OFF = "the machine stopped"
DAMAGED = "the journal is damaged"


@define
class Before:
    """The process that wrote the journal's last record, `last` (microseconds since 1970)."""

    boot_id: str = ""
    stopped: bool = True
    last: int = 0
    damaged: bool = False  # something of the journal is missing

    def take(self, record: Record) -> None:
        """`record` comes next; one that is about the whole log, or about a console."""
        self.stopped = record.code == STOP
        self.last = max(self.last, record.at)
        if record.code == START:
            self.boot_id = record.payload.decode("ascii", "replace").partition("\n")[0]

    def jumps(self, chronicles: Iterable[ConsoleLog], now: int, boot_id: str) -> Iterator[Record]:
        """Offsets go on behind what may have been said and was not kept; and again, if the next
        kill comes before their consoles have said a word.

        Everything said before `last` is in the journal, as all consoles share it. Of what was said
        later a kill leaves less than the journal was told of; a machine that stopped may have lost
        that as well, so that only the offsets themselves are a bound.
        """
        killed = self.boot_id in ("", boot_id) and not self.damaged
        why = DAMAGED if self.damaged else KILLED if killed else CUT_OFF
        when = f"{_time(min(self.last, now))} and {_time(now)}"
        for chronicle in chronicles:
            end, to, told = chronicle.end, chronicle.reserved, chronicle.told
            chronicle.reserved = chronicle.told = 0
            if to <= end:
                continue
            most = max(0, told - end) if killed else to - end
            text = f"{why}: output between {when} may be missing"
            if to > end + most:
                text += f" (offsets go on at {to})"
            yield gap(chronicle.id, end, to, now, f"{text}, at most {most} bytes")
            yield reserve(chronicle.id, to + to - end, to + most, 0)


def _time(at: int) -> str:
    return moment(at / 1e6).isoformat(timespec="milliseconds").replace("+00:00", "Z")
