"""How many packets of a debugger a second go through a raw socket to an echoing VM and back.

The real server in a process of its own, a device in another, a client here, on loopback; one packet
is under way at a time, as gdb's are. Prints round trips a second, and percentiles of one.
Run: python -m benchmarks.sockets [ROUND_TRIPS]
"""

import multiprocessing
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PACKET = b"$m7fffffffe000,40#c1"
"""What gdb asks when it reads memory."""

WARM = 500
"""Round trips that are not counted."""

CONFIG = """\
state_dir = "state"
[vm]
telnet = []
telnets = []
[[vm.plain]]
name = "vm"
listen = "tcp:{vm}:interface=127.0.0.1"
telnet = {telnet}
[ssh]
listen = []
[operators.gdb]
[[access]]
operators = ["gdb"]
consoles = ["vm"]
rights = ["read", "write"]
[[console.listen]]
console = "vm"
protocol = "raw"
listen = "tcp:{program}"
operator = "gdb"
"""


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in listeners]
    for each in listeners:
        each.close()
    return ports


def connect(port: int) -> socket.socket:
    """Connect as soon as somebody listens."""
    while True:
        try:
            found = socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            time.sleep(0.05)
            continue
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return found


def echo(port: int) -> None:
    """A VM that sends back what it gets, without the negotiation of telnet."""
    with connect(port) as line:
        while data := line.recv(4096):
            if not data.startswith(b"\xff"):
                line.sendall(data)


def round_trips(port: int, count: int) -> list[float]:
    """Seconds of each."""
    found = list[float]()
    with connect(port) as client:
        for number in range(WARM + count):
            began = time.perf_counter()
            client.sendall(PACKET)
            left = len(PACKET)
            while left:
                left -= len(client.recv(left))
            if number >= WARM:
                found.append(time.perf_counter() - began)
    return found


def measure(telnet: bool, count: int) -> None:
    """One kind of line."""
    vm, program = free_ports(2)
    with tempfile.TemporaryDirectory() as directory:
        config = Path(directory) / "vspc.toml"
        config.write_text(CONFIG.format(vm=vm, program=program, telnet=str(telnet).lower()))
        command = [sys.executable, "-m", "vspc", "run", "--config", str(config)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            device = multiprocessing.Process(target=echo, args=(vm,), daemon=True)
            device.start()
            while " vm-registered " not in server.stdout.readline():
                pass
            found = sorted(round_trips(program, count))
            server.terminate()
            server.communicate()
            device.join(5)
    median, worst = (found[int(part * len(found))] * 1e6 for part in (0.5, 0.99))
    line = "telnet" if telnet else "raw TCP"
    rate = len(found) / sum(found)
    print(f"{line:8} {rate:7.0f} round trips a second; median {median:.0f} us, p99 {worst:.0f} us")


if __name__ == "__main__":
    for is_telnet in (False, True):
        measure(is_telnet, int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
