"""Numbers about VMs, their lines, consoles and vMotions."""

from collections.abc import Callable, Iterator, Sequence

from attrs import frozen
from prometheus_client.metrics_core import Metric

from vspc.console.console import Console
from vspc.console.events import RefusalKind
from vspc.doors.metrics.families import Row, counter, counters, gauge, gauges, histogram
from vspc.doors.metrics.sources import MetricSources

Families = Iterator[Metric]


def families(sources: MetricSources) -> Families:
    """Of all VMs together."""
    yield from _lines(sources)
    yield from _bytes(sources)
    yield from _vmotions(sources)
    yield from _incidents(sources)
    yield gauge(
        "vspc_per_console_left_out",
        "Consoles that per_console names, and that are over the limit of 1,000.",
        sources.selection.left_out,
    )


def _lines(sources: MetricSources) -> Families:
    server = sources.lines
    yield gauges(
        "vspc_lines",
        "Connections from VMs, and to VMs and devices, by protocol, TLS and state.",
        ("kind", "tls", "state"),
        (
            ((each.kind, "yes" if each.secure else "no", each.role.value), each.lines)
            for each in server.context.tally
        ),
    )
    states = server.console_states().items()
    yield gauges(
        "vspc_consoles",
        "Consoles by state.",
        ("state",),
        (((state.value,), count) for state, count in states),
    )
    yield gauges(
        "vspc_dialled_consoles",
        "Consoles of [[dial]] by what is done about their connection.",
        ("state",),
        (((state,), count) for state, count in sources.dialled().items() if state != "all"),
    )
    yield gauge(
        "vspc_connections_waiting",
        "Connections of VMs that wait until others of their address are identified.",
        len(server.queue),
    )
    yield counter(
        "vspc_console_connects",
        "How often a console got a line, without those of vMotions.",
        sources.events.connected,
    )
    yield counter(
        "vspc_console_disconnects", "How often a console lost its line.", sources.events.went_away
    )


def _bytes(sources: MetricSources) -> Families:
    counts, tally = sources.counts, sources.lines.context.tally
    yield counters(
        "vspc_bytes",
        "Bytes of consoles, from their VMs and to them.",
        ("direction",),
        ((("from_vm",), counts.from_vm), (("to_vm",), counts.to_vm)),
    )
    yield gauge(
        "vspc_input_waiting_bytes",
        "Input that waits for VMs, held during vMotions included; a BREAK counts as 64.",
        counts.waiting,
    )
    yield gauge(
        "vspc_input_waiting_high_water_bytes",
        "The most input that waited at once since the server started.",
        counts.most_waiting,
    )
    yield counters(
        "vspc_input_dropped_bytes",
        "Input that was taken and not sent: its line went, or it was withdrawn.",
        ("reason",),
        ((("line_lost",), counts.refused), (("withdrawn",), counts.withdrawn)),
    )
    gaps = 0 if sources.log is None else sources.log.recorder.gap_bytes
    yield counters(
        "vspc_output_lost_bytes",
        "Output that logs do not have because the disk was too slow or full, output of lines that "
        "had no console, and what attachments missed that were too slow.",
        ("reason",),
        (
            (("log_gap",), gaps),
            (("no_console",), tally.lost_bytes),
            (("slow_reader",), counts.missed),
        ),
    )


def _vmotions(sources: MetricSources) -> Families:
    events, tally = sources.events, sources.lines.context.tally
    yield counters(
        "vspc_vmotions",
        "vMotions that were completed, that failed, and that were refused (NOTNOW).",
        ("result",),
        (
            (("completed",), events.moved),
            (("failed",), events.not_moved),
            (("refused",), tally.not_now),
        ),
    )
    yield gauge("vspc_vmotions_in_progress", "vMotions that go on.", len(sources.lines.peers))
    yield histogram(
        "vspc_vmotion_downtime_seconds",
        "Time from GOAHEAD to COMPLETE, in which the input of a console is held.",
        events.downtime,
    )
    yield histogram(
        "vspc_vmotion_goahead_seconds",
        "Time from the arrival of BEGIN to GOAHEAD, in which the VM waits.",
        tally.goahead,
    )


def _incidents(sources: MetricSources) -> Families:
    events = sources.events
    refused = {kind.value: 0 for kind in RefusalKind} | events.refused
    yield counters(
        "vspc_lines_refused",
        "Connections of VMs that were turned away, by reason.",
        ("reason",),
        (((reason,), count) for reason, count in refused.items()),
    )
    yield counters(
        "vspc_security_events",
        "Security events by kind (docs/identity.md).",
        ("kind",),
        (((kind,), count) for kind, count in events.security.items()),
    )
    yield counter(
        "vspc_messages_dropped",
        "Messages of VMs that made no sense.",
        sources.lines.context.tally.dropped,
    )
    yield counter(
        "vspc_console_stalls",
        "How often a VM's host did not answer while input waited.",
        events.stalled,
    )


LABELS = "console", "id"


@frozen
class ConsoleNumbers:
    """Of one console, read in the reactor's thread; families are made of them in another."""

    labels: tuple[str, str]
    connected: bool
    from_vm: int
    to_vm: int
    vmotions: int
    last_output: float
    waiting: int
    attachments: int

    @classmethod
    def of(cls, console: Console) -> "ConsoleNumbers":
        """As they are now."""
        link = console.link
        return cls(
            (console.title, console.id),
            console.live,
            link.bytes_from_vm,
            link.bytes_to_vm,
            link.moves,
            link.last_output or 0.0,
            link.input.waiting,
            len(console.attachments),
        )


def console_families(consoles: Sequence[ConsoleNumbers]) -> Families:
    """Of the consoles that `per_console` names."""

    def rows(number: Callable[[ConsoleNumbers], float]) -> Iterator[Row]:
        return ((each.labels, float(number(each))) for each in consoles)

    yield gauges(
        "vspc_console_connected",
        "Whether the console has a line, or a vMotion goes on.",
        LABELS,
        rows(lambda each: each.connected),
    )
    yield counters(
        "vspc_console_from_vm_bytes", "Output of the console.", LABELS, rows(lambda c: c.from_vm)
    )
    yield counters(
        "vspc_console_to_vm_bytes", "Input that the VM got.", LABELS, rows(lambda c: c.to_vm)
    )
    yield counters(
        "vspc_console_vmotions",
        "vMotions of the console that were completed.",
        LABELS,
        rows(lambda each: each.vmotions),
    )
    yield gauges(
        "vspc_console_last_output_timestamp_seconds",
        "When the VM sent its last byte; 0: never, as far as the server knows.",
        LABELS,
        rows(lambda each: each.last_output),
    )
    yield gauges(
        "vspc_console_input_waiting_bytes",
        "Input that waits for the VM.",
        LABELS,
        rows(lambda each: each.waiting),
    )
    yield gauges(
        "vspc_console_attachments",
        "Attachments of operators and programs.",
        LABELS,
        rows(lambda each: each.attachments),
    )
