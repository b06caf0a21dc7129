"""The guest behind a simulated VM in tests of the documentation: `login_guest.py PORT`.

It boots, says `login: ` every half second, as a line on which somebody presses Enter would, asks
for a password after `root`, and boots anew after `reboot`.
"""

import asyncio
import sys

BOOT = (
    b"\r\nSeaBIOS (version 1.16)\r\nLinux version 6.1.0-test\r\ncommand line: panic=10\r\n"
    b"Oops: 0002 [#1] in a driver, which goes on\r\nlogin: "
)
TICK = b"\r\nlogin: "
EVERY = 0.5


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection, until it ends."""
    ticking = asyncio.create_task(_tick(writer))
    writer.write(BOOT)
    line = b""
    try:
        while data := await reader.read(4096):
            writer.write(data)
            *ended, line = (line + data).split(b"\r")
            for one in ended:
                writer.write(_answer(one.strip()))
    finally:
        ticking.cancel()
        writer.close()


def _answer(line: bytes) -> bytes:
    if line == b"root":
        return b"\r\nPassword: "
    return BOOT if line == b"reboot" else TICK


async def _tick(writer: asyncio.StreamWriter) -> None:
    while True:
        await asyncio.sleep(EVERY)
        writer.write(TICK)


async def main(port: int) -> None:
    server = await asyncio.start_server(talk, "127.0.0.1", port)
    print("listening", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
