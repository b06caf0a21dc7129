"""What each cipher of the SSH server costs, by itself and with the whole server behind it.

    python -m benchmarks.ssh [MIB]

By itself: CPU microseconds to seal and to open one packet. Whole: CPU milliseconds of a server in a
process of its own for each MiB that OpenSSH takes from it, over loopback; needs `ssh`.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import process_time

from benchmarks.processes import cpu_of
from tests.end_to_end.openssh import make_key, ssh_command
from vspc.ssh.crypto.exchange import CIPHERS
from vspc.ssh.crypto.packets import Incoming, Outgoing, authenticates, direction

SIZES = (64, 1024, 4096, 32768)
PACKETS = 4000
ROUNDS = 5
MAC = b"hmac-sha2-256-etm@openssh.com"
SECRETS = (b"v" * 20, b"k" * 64, b"m" * 64)
ROOT = Path(__file__).parents[1]


def cost(cipher: bytes, size: int) -> tuple[float, float]:
    """Microseconds to seal and to open a packet with a payload of `size` bytes: medians."""
    seals, opens = [], []
    for _ in range(ROUNDS):
        outgoing, incoming = Outgoing(), Incoming()
        outgoing.rekey(direction(cipher, MAC, *SECRETS), reset=True)
        incoming.rekey(direction(cipher, MAC, *SECRETS), reset=True)
        payload = bytes(size)
        begun = process_time()
        packets = [outgoing.seal(payload) for _ in range(PACKETS)]
        sealed = process_time()
        for packet in packets:
            incoming.feed(packet)
            incoming.packet()
        seals.append(sealed - begun)
        opens.append(process_time() - sealed)
    return median(seals) / PACKETS * 1e6, median(opens) / PACKETS * 1e6


def whole(place: Path, mib: int) -> None:
    """Let OpenSSH take `mib` MiB with each cipher, and print what that cost the door."""
    (place / "authorized").mkdir()
    key = make_key(place)
    (place / "authorized" / "alice").write_text(key.with_suffix(".pub").read_text())
    command = [sys.executable, "-m", "tests.end_to_end.toy_door", str(place)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as door:
        try:
            assert door.stdout is not None
            port = next(int(line.split()[1]) for line in door.stdout if line.startswith("port "))
            for cipher in CIPHERS:
                client = [*ssh_command(place, port, key), "-c", cipher.decode(), "-m", MAC.decode()]
                before = cpu_of(door.pid)
                client += ["alice@127.0.0.1", "bytes", str(mib << 20)]
                subprocess.run(client, check=True, stdout=subprocess.DEVNULL)
                spent = (cpu_of(door.pid) - before) * 1000 / mib
                print(f"{cipher.decode():32} {spent:8.2f}", flush=True)
        finally:
            door.terminate()
            door.communicate()


def main() -> None:
    """Print both tables."""
    print("us to seal / to open a packet of", *SIZES, "bytes")
    for cipher in CIPHERS:
        name = cipher.decode() + ("" if authenticates(cipher) else " with etm")
        costs = (cost(cipher, size) for size in SIZES)
        print(f"{name:32}", *(f"{sealed:7.1f} /{opened:6.1f}" for sealed, opened in costs))
    print("ms for a MiB, the whole server, packets of 32 KiB")
    with tempfile.TemporaryDirectory(prefix="vspc-bench-") as place:
        whole(Path(place), int(sys.argv[1]) if len(sys.argv) > 1 else 200)


if __name__ == "__main__":
    main()
