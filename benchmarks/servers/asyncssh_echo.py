"""A server by AsyncSSH that echoes the words of a command.

python -m benchmarks.servers.asyncssh_echo PORT HOST_KEY AUTHORIZED_KEYS
"""

import asyncio
import sys
from typing import Any

import asyncssh


def _echo(process: "asyncssh.SSHServerProcess[Any]") -> None:
    process.stdout.write(f"{process.command}\n")
    process.exit(0)


async def _serve(port: int, host_key: str, authorized_keys: str) -> None:
    await asyncssh.listen(
        "127.0.0.1",
        port,
        server_host_keys=[host_key],
        authorized_client_keys=authorized_keys,
        process_factory=_echo,
    )
    print("- info started", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Serve until it is ended."""
    port, host_key, authorized_keys = sys.argv[1:]
    asyncio.run(_serve(int(port), host_key, authorized_keys))


if __name__ == "__main__":
    main()
