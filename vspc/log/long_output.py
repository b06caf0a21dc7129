"""Output of a console that says a lot: it is written once, to its segment, and not to the journal.

It is long where a batch has `Sizes.long` bytes of it. What else is in the batch goes to the journal
before, in a write of its own: a segment that fails or stands still delays nobody else's output.
"""

from vspc.log.console_log import ConsoleLog
from vspc.log.records import DATA, REACHED, RESERVE, Record, reserve
from vspc.log.store import Store


def divide(store: Store, batch: list[Record]) -> tuple[list[Record], list[Record]]:
    """What of `batch` `store` appends first, and the output that `write_long` takes after that.

    Reserves are in the first part, as always: a kill in between uses no offset twice. A console
    whose log has not begun, or of which there is more than output and reserves, is not divided.
    """
    sizes: dict[bytes, int] = {}
    for record in batch:
        if record.code == DATA:
            sizes[record.console] = sizes.get(record.console, 0) + len(record.payload)
    long = {console: list[Record]() for console, size in sizes.items() if size >= store.sizes.long}
    if not long:
        return batch, []
    for record in batch:
        if record.console in long:
            long[record.console].append(record)
    apart = {console for console, records in long.items() if _is_apart(store, console, records)}
    first, output = list[Record](), list[Record]()
    for record in batch:
        is_long = record.code == DATA and record.console in apart
        (output if is_long else first).append(record)
    return first, output


def _is_apart(store: Store, console: bytes, records: list[Record]) -> bool:
    log = store.logs.get(console)
    if log is None or any(record.code not in (DATA, RESERVE) for record in records):
        return False
    return log.follows(_new(log, records))


def _new(log: ConsoleLog, records: list[Record]) -> list[Record]:
    """The output in `records` that is not in `log` yet."""
    return [record for record in records if record.code == DATA and record.offset >= log.end]


def write_long(store: Store, output: list[Record]) -> None:
    """Write `output`, the second part of what `divide` returned, to segments; the journal gets how
    far these reach, and what cannot be written there. Raises OSError, and then it is to be called
    again with the same: what is in a segment is not written twice.

    A kill in between loses nothing: what a segment has counts. What the journal says of the end
    shows after a power cut whether anything is missing.
    """
    consoles: dict[bytes, list[Record]] = {}
    for record in output:
        consoles.setdefault(record.console, []).append(record)
    rest = list[Record]()
    for console, records in consoles.items():
        log = store.logs[console]
        new = _new(log, records)
        if new and not _write(store, log, new):
            rest += new
            continue
        # They are synced before the journal.
        store.unsynced.update(dict.fromkeys(log.segments[-1:]))
        rest.append(Record(REACHED, console, log.end, records[-1].at, b""))
        if log.reserved:
            rest.append(reserve(console, log.reserved, log.announced, 0))
    store.append(rest)


def _write(store: Store, log: ConsoleLog, output: list[Record]) -> bool:
    """Whether it is in a segment, behind all that was pending."""
    try:
        store.move(log)
        limit, age = store.sizes.segment, store.segment_age
        closed = log.write(store.disk, store.boot_detector, limit, age, output)
    except OSError:
        return False
    store.closed += [(log, segment) for segment in closed]
    return True
