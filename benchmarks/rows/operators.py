"""What operators and programs cost: reading, typing, logging in, watching, choosing."""

import hashlib
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import product
from subprocess import DEVNULL, PIPE

from benchmarks.bench import Bench
from benchmarks.load import wire
from benchmarks.load.client import Load
from benchmarks.measuring import FLOOR, MS, OURS, Found, Goal, Row, percentile
from benchmarks.processes import PATIENCE, BenchmarkError, Server
from benchmarks.servers.logins import LOGINS, there
from benchmarks.servers.ours import ssh
from tests.end_to_end.processes import free_port
from vspc.ssh.crypto.exchange import CIPHERS

US, PERCENT = 1e6, 100.0
READERS = (1, 10)
UNWATCHED = "vspc unwatched"
MAC = "hmac-sha2-256-etm@openssh.com"

SOCKET = """
[[console.listen]]
console = "vm-00000"
protocol = "raw"
listen = "tcp:{port}:interface=127.0.0.1"
operator = "alice"
"""


def reading(bench: Bench) -> Found:
    """CPU ms of each MiB of a VM that so many `ssh ... raw` read, exactly."""
    attached = 0
    with bench.both() as both:
        for server, load in both.values():
            load.prepare("register", port=server.ports["telnet"], first=0, count=1)
            for kind in wire.OUTPUTS:
                load.prepare("make", kind=kind)
        for readers, kind in product(READERS, wire.OUTPUTS):
            for _ in range(bench.repeats):
                attached += readers
                for server, load in both.values():
                    _read_by(bench, server, load, readers, attached, kind)
    return bench.found()


def _read_by(
    bench: Bench,
    server: Server,
    load: Load,
    readers: int,
    attached: int,
    kind: str,
    subject: str = "",
    options: Sequence[str] = (),
) -> None:
    mib = bench.amount(8)
    said = list(wire.pieces(kind, mib * wire.MIB, escapes=server.name == FLOOR))
    expected = hashlib.sha256(b"".join(said)).hexdigest()
    with ExitStack() as stack:
        found = [stack.enter_context(_reader(server, said, options)) for _ in range(readers)]
        server.wait_for("attached", attached)
        work = partial(_read, load, kind, mib, found, expected)
        bench.cost(server.named(subject or server.name), work, mib / MS, f"{readers} {kind}")


@contextmanager
def _reader(
    server: Server, said: list[bytes], options: Sequence[str]
) -> "Iterator[subprocess.Popen[bytes]]":
    """Says the digest of as many bytes as `said` has, once it has read them."""
    size = sum(map(len, said))
    client = subprocess.Popen(
        ssh(server, "raw", wire.name_of(0), options=options),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
    )
    digest = f"head -c {size} | sha256sum"
    with (
        client,
        subprocess.Popen(["sh", "-c", digest], stdin=client.stdout, stdout=PIPE) as reader,
    ):
        try:
            yield reader
        finally:
            client.kill()
            reader.kill()


def _read(
    load: Load,
    kind: str,
    mib: int,
    readers: "list[subprocess.Popen[bytes]]",
    expected: str,
) -> None:
    load.call("flood", kind=kind, mib=mib, number=0)
    for reader in readers:
        said, _ = reader.communicate(timeout=PATIENCE)
        if said.split()[0].decode() != expected:
            raise BenchmarkError("a reader did not get what the VM said")


def typing(bench: Bench) -> Found:
    """ms from a key to its echo by the VM, while others chatter; percentiles of each repeat."""
    others, keys, pause = bench.amount(1000), bench.amount(150), 0.01
    with bench.both() as both, bench.load() as chatter:
        for server, load in both.values():
            port = server.ports["telnet"]
            chatter.prepare("register", port=port, first=1, count=others)
            load.prepare("register", port=port, first=0, count=1)
            said = 0
            for _ in range(bench.repeats):
                chatter.begin("talk", rate=others, seconds=keys * pause + 0.5)
                command = ssh(server, "raw", wire.name_of(0))
                took = load.call("type", client=command, number=0, count=keys, pause=pause)
                said += chatter.end() * len(wire.LINE) + keys + 1
                bench.add_times(server.name, took)
            server.check_received(said)
            chatter.prepare("hang_up")
    return bench.found()


def logging_in(bench: Bench) -> Found:
    """CPU ms of a login with a key and one verb, by OpenSSH."""
    count = bench.amount(8)
    with ExitStack() as stack:
        names, absent = there(stack.enter_context(bench.directory()))
        servers = [stack.enter_context(each()) for each in (bench.vspc, bench.floor)]
        for name in names:
            place = stack.enter_context(bench.directory())
            servers.append(stack.enter_context(LOGINS[name](place)))
        for server in servers:
            log_in(server)  # the first remembers the host key
        for _ in range(bench.repeats):
            for server in servers:

                def work(server: Server = server) -> None:
                    for _ in range(count):
                        log_in(server)

                bench.cost(server, work, count / MS)
    return bench.found(absent)


def log_in(server: Server) -> None:
    """By OpenSSH with a key, and one verb. Raises BenchmarkError."""
    done = subprocess.run(
        ssh(server, "list"), stdin=DEVNULL, capture_output=True, timeout=PATIENCE, check=False
    )
    if done.returncode != 0 or not done.stdout:
        raise BenchmarkError(f"a login failed: {done.stderr.decode()}")


def exchanging(bench: Bench) -> Found:
    """us of a debugger's packet through a raw socket to the VM and back, the median."""
    count = bench.amount(2000)
    port = free_port()
    with bench.vspc(SOCKET.format(port=port)) as server, bench.load() as load:
        load.prepare("register", port=server.ports["telnet"], first=0, count=1)
        for _ in range(bench.repeats):
            took = load.call("exchange", port=port, number=0, size=20, count=count)
            bench.add(server.name, percentile(took, 0.5) * US)
    return bench.found()


def watching(bench: Bench) -> Found:
    """CPU us of each line of 500 VMs while an operator watches them all."""
    vms, rate, seconds = bench.amount(500), 1000, 0.1 if bench.tiny else 1.0
    with bench.vspc() as server, bench.load() as load:
        unwatched = server.named(UNWATCHED)
        load.prepare("register", port=server.ports["telnet"], first=0, count=vms)
        talk = partial(load.call, "talk", rate=rate, seconds=seconds)
        for _ in range(bench.repeats):
            bench.cost(unwatched, talk, rate * seconds / US)
        command = ssh(server, "watch", "'*'")
        with subprocess.Popen(command, stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL) as client:
            server.wait_for("attached", vms)
            for _ in range(bench.repeats):
                bench.cost(server, talk, rate * seconds / US)
            client.kill()
    return bench.found()


def by_cipher(bench: Bench) -> Found:
    """CPU ms of each MiB of text that one `ssh ... raw` reads, by the client's default and by each
    cipher.
    """
    names: dict[str, tuple[str, ...]] = {OURS: ()}
    for cipher in CIPHERS:
        name = cipher.decode()
        names[name.partition("@")[0]] = ("-c", name, "-m", MAC)
    attached = 0
    with bench.vspc() as server, bench.load() as load:
        load.prepare("register", port=server.ports["telnet"], first=0, count=1)
        load.prepare("make", kind="text")
        for _ in range(bench.repeats):
            for subject, options in names.items():
                attached += 1
                _read_by(bench, server, load, 1, attached, "text", subject, options)
    return bench.found()


def _reading(kind: str, readers: int, goal: float) -> Row:
    many = "one ssh reader" if readers == 1 else f"{readers} ssh readers"
    name, pick = f"reader-{readers}-{kind}", f"{readers} {kind}"
    return Row(name, f"{many}, {kind}, MiB", "ms", reading, Goal(goal), pick=pick)


ROWS = (
    _reading("text", 1, 4.0),
    _reading("random", 1, 6.0),
    _reading("text", 10, 15.0),
    _reading("random", 10, 20.0),
    Row(
        "key-p50",
        "a key and its echo, 1,000 VMs chatter, p50",
        "ms",
        typing,
        pick="p50",
        goal=Goal(0.4),
        spread=3.0,
    ),
    Row(
        "key-p99",
        "a key and its echo, 1,000 VMs chatter, p99",
        "ms",
        typing,
        pick="p99",
        goal=Goal(3.0),
        spread=3.0,
    ),
    Row("login", "login and one verb", "ms", logging_in, Goal(3.0)),
    Row("socket", "a packet through a raw socket and back", "us", exchanging, Goal(400.0)),
    Row("watch", "a line, watched by an operator", "us", watching, Goal(1.3, UNWATCHED)),
    Row(
        "ciphers",
        "one ssh reader, text, MiB, by cipher",
        "ms",
        by_cipher,
        is_long=True,
        pick="1 text",
    ),
)
