"""Bad logins at a rate: keys that nobody knows, and guessed passwords, from one address.

    python -m benchmarks.load.guessing PORT SECONDS A_MINUTE

Each connection that shows a key is in another name; two guess passwords, as fast as they are looked
at. Prints how many failed.
"""

import asyncio
import sys
import time

import asyncssh

CROWD = 24
PASSWORDS = 2
"""Connections at a time, and those of them that guess passwords."""


async def guess(port: int, seconds: float, a_minute: float) -> int:
    """Guess for so long, and no faster than that; how many guesses failed."""
    begun, guesses = time.monotonic(), 0
    keys = [asyncssh.generate_private_key("ssh-ed25519") for _ in range(CROWD)]

    class Guesser(asyncssh.SSHClient):
        """Says a wrong password as often as it is asked."""

        def password_auth_requested(self) -> str | None:
            nonlocal guesses
            guesses += 1
            return f"wrong{guesses}"

    async def crowd(number: int) -> None:
        nonlocal guesses
        shows_key = number >= PASSWORDS
        serial = number
        while time.monotonic() < begun + seconds:
            ahead = guesses - (time.monotonic() - begun) * a_minute / 60
            await asyncio.sleep(max(0.0, ahead * 60 / a_minute))
            serial += CROWD
            guesses += shows_key
            try:
                await asyncssh.connect(
                    "127.0.0.1",
                    port,
                    username=f"user{serial}",
                    client_keys=[keys[number]] if shows_key else None,
                    agent_path=None,
                    known_hosts=None,
                    preferred_auth="publickey" if shows_key else "password",
                    client_factory=Guesser,
                )
            except (OSError, asyncssh.Error):
                continue

    await asyncio.gather(*(crowd(number) for number in range(CROWD)))
    return guesses


def main() -> None:
    """Until the seconds are over."""
    port, seconds, a_minute = sys.argv[1:]
    print(asyncio.run(guess(int(port), float(seconds), float(a_minute))), flush=True)


if __name__ == "__main__":
    main()
