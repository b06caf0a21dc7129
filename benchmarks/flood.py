"""Bad logins at a steady rate, and good ones beside them.

    python -m benchmarks.flood PORT KEY [A_MINUTE [ADDRESS [SECONDS]]]

PORT: a server on 127.0.0.1 that lets `alice` in with KEY. ADDRESS is where the flood comes from,
127.0.0.1 as the good logins or 127.0.0.2. Prints bad logins a minute, and the slowest good one.
"""

import asyncio
import logging
import sys
import time
from typing import Any

import asyncssh


async def attempt(port: int, key: Any, address: str) -> None:
    """One login; raises what AsyncSSH raises."""
    options: dict[str, Any] = {"known_hosts": None, "config": None, "agent_path": None}
    options |= {"username": "alice", "client_keys": [key], "local_addr": (address, 0)}
    async with asyncssh.connect("127.0.0.1", port, **options):
        pass


async def bad(port: int, until: float, address: str, a_minute: int) -> int:
    """Bad logins, each begun when its time has come, whether or not others are over; how many."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    begun, tasks = time.monotonic(), set()
    while (now := time.monotonic()) < until:
        while len(tasks) < (now - begun) * a_minute / 60:
            tasks.add(asyncio.create_task(attempt(port, key, address)))
        await asyncio.sleep(0.005)
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert not any(one is None for one in done), "a bad login came in"
    return len(done)


async def good(port: int, until: float, key: str) -> list[float]:
    """Seconds that each good login takes, by OpenSSH: it shares no process with the flood."""
    times = []
    words = ["-F", "none", "-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null"]
    words += ["-oIdentitiesOnly=yes", "-oLogLevel=ERROR", "-i", key, "-p", str(port)]
    while time.monotonic() < until:
        begun = time.monotonic()
        words_of_one = [*words, "alice@127.0.0.1", "list"]
        child = await asyncio.create_subprocess_exec("ssh", *words_of_one, stdout=-3)
        assert await child.wait() == 0, "a good login was refused"
        times.append(time.monotonic() - begun)
        await asyncio.sleep(0.3)
    return times


async def main(
    port: str, key: str, a_minute: str = "10000", address: str = "127.0.0.1", seconds: str = "20"
) -> None:
    """Run both and print what came of it."""
    until = time.monotonic() + float(seconds)
    count, times = await asyncio.gather(
        bad(int(port), until, address, int(a_minute)), good(int(port), until, key)
    )
    print(f"{count * 60 / float(seconds):.0f} bad logins a minute from {address},")
    print(f"{len(times)} good logins, the slowest of them in {max(times):.2f} s")


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(main(*sys.argv[1:]))
