"""Clients that are not OpenSSH's: AsyncSSH, and Paramiko. Each is asked for all that it can do.

AsyncSSH runs in a loop of its own; trial's reactor does not run in these tests.
"""

import asyncio
import json
import logging
import socket
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from functools import partial
from hashlib import sha256
from typing import Any

import asyncssh
import paramiko  # type: ignore[import-untyped]
import pyotp

from tests.end_to_end.access import NOW, AccessTestCase, hashed, operator, write
from tests.end_to_end.processes import DEADLINE

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
LINES = 60_000
TYPED = 300_000  # bytes; typing waits for the VM's host after each few KiB
PROMPTS = ["Password: ", "One-time code: "]


class OtherTestCase(AccessTestCase):
    """One server for all that a client does: alice by key, bob by words, certificates of `ca`."""

    def setUp(self) -> None:
        super().setUp()
        write(self.directory / "totp", SECRET + "\n")
        self.keyring.key("ca")
        self.key("certified")
        self.keyring.sign("ca", "certified", *NOW)
        keys = [self.key("ed25519"), self.key("rsa", "rsa", 2048), self.key("ecdsa", "ecdsa", 256)]
        self.configure(
            operator("alice", authorized_keys=keys)
            + operator("bob", password_hash=hashed("horse"))
            + operator(
                "carol",
                password_hash=hashed("horse"),
                totp_secret_file="totp",
                require=["password", "totp"],
            ),
            certificates=f"authorities = {json.dumps([self.public('ca')])}\n",
        )
        self.serve()
        self.simulate(vms=2)

    def path(self, key: str) -> str:
        return str(self.keyring.path / key)

    def assert_whole(self, said: bytes) -> None:
        """`stream LINES` is in `said`, and nothing of it is lost or stands in another place."""
        streamed = said[said.index(b"00000000\r\n") :]
        wanted = b"".join(b"%08d\r\n" % n for n in range(LINES))
        self.assertTrue(streamed.startswith(wanted), f"{len(streamed)} of {len(wanted)} bytes")

    def right(self, prompt: str) -> str:
        """What bob or carol answers."""
        return pyotp.TOTP(SECRET).now() if prompt.startswith("One-time") else "horse"


class Asked(asyncssh.SSHClient):
    """Answers what it is asked, and remembers the questions."""

    def __init__(self, answer: Callable[[str], str]) -> None:
        self._answer = answer
        self.prompts: list[str] = []

    def kbdint_auth_requested(self) -> str:
        return ""

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Any
    ) -> list[str]:
        self.prompts += [prompt for prompt, _echo in prompts]
        return [self._answer(prompt) for prompt, _echo in prompts]


class Counting(logging.Handler):
    """Counts key exchanges that AsyncSSH tells its log of."""

    exchanges = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.exchanges += "Completed key exchange" in record.getMessage()


class AsyncSsh(OtherTestCase):
    def run_async(self, work: Coroutine[Any, Any, None]) -> None:
        async def bounded() -> None:
            await asyncio.wait_for(work, DEADLINE)

        asyncio.run(bounded())

    def connect(self, user: str = "alice", **options: Any) -> Any:
        """A connection, to be entered or awaited."""
        settings: dict[str, Any] = {
            "known_hosts": None,
            "client_keys": [self.path("ed25519")] if user.startswith("alice") else None,
            "agent_path": None,
            "config": None,
        }
        port = self.ports["ssh"]
        return asyncssh.connect("127.0.0.1", port, username=user, **settings | options)

    def test_each_proof(self) -> None:
        self.run_async(self._each_proof())
        self.assert_no_defects()

    async def _each_proof(self) -> None:
        certificate = (self.path("certified"), self.path("certified-cert.pub"))
        keys: list[Any] = [self.path(name) for name in ("ed25519", "rsa", "ecdsa")]
        for key in [*keys, certificate]:
            async with self.connect(client_keys=[key]) as connection:
                done = await connection.run("list --json")
                self.assertEqual((done.exit_status, len(json.loads(done.stdout))), (0, 2))
        async with self.connect("bob", password="horse") as connection:
            self.assertEqual((await connection.run("list")).exit_status, 0)
        for user, prompts in (("bob", PROMPTS[:1]), ("carol", PROMPTS)):
            asked = partial(Asked, self.right)
            async with self.connect(
                user, client_factory=asked, preferred_auth="keyboard-interactive"
            ) as connection:
                self.assertEqual(connection.get_owner().prompts, prompts)
        for user in ("bob", "mallory"):
            with self.assertRaises(asyncssh.PermissionDenied):
                async with self.connect(user, password="mule"):
                    pass
        stranger = asyncssh.generate_private_key("ssh-ed25519")
        with self.assertRaises(asyncssh.PermissionDenied):
            async with self.connect(client_keys=[stranger]):
                pass

    def test_commands_terminals_and_forwarded_consoles(self) -> None:
        self.run_async(self._doors())
        self.assert_no_defects()

    async def _doors(self) -> None:
        async with self.connect("alice+web1") as connection:
            for line, status in (("info --on web2", 0), ("info --on no1", 3), ("no-such-verb", 2)):
                done = await connection.run(line)
                self.assertEqual(done.exit_status, status)
                self.assertEqual(bool(done.stdout), status == 0)
                self.assertEqual(bool(done.stderr), status != 0)
            async with connection.create_process(term_type="xterm", term_size=(100, 30)) as process:
                await process.stdout.readuntil("[web1 connected")
                process.change_terminal_size(120, 40)
                process.stdin.write("echo by a terminal\r")
                await process.stdout.readuntil("\nby a terminal")
                process.stdin.write("\x05c.")
                self.assertEqual((await process.wait()).exit_status, 0)
            reader, writer = await connection.open_connection("web2", 1)
            writer.write(b"echo forwarded\r")
            await reader.readuntil(b"\nforwarded")
            writer.close()
            with self.assertRaises(asyncssh.ChannelOpenError):
                await connection.open_connection("no1", 1)
            for nothing in (
                connection.start_sftp_client(),
                connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", 9),
            ):
                with self.assertRaises((asyncssh.ChannelOpenError, asyncssh.ChannelListenError)):
                    await nothing

    def test_many_channels_on_one_connection(self) -> None:
        self.run_async(self._many_channels())
        self.assert_no_defects()

    async def _many_channels(self) -> None:
        async with self.connect() as connection, AsyncExitStack() as stack:
            many = [
                await stack.enter_async_context(
                    connection.create_process(f"raw web{n % 2 + 1}", encoding=None)
                )
                for n in range(64)
            ]
            with self.assertRaises(asyncssh.ChannelOpenError):
                await connection.run("list")
            many[0].stdin.write(b"echo for everybody\r")
            for n in range(0, 64, 2):
                await many[n].stdout.readuntil(b"\nfor everybody")
            many[1].close()
            await many[1].wait_closed()
            self.assertEqual((await connection.run("list")).exit_status, 0)

    def test_new_keys_while_much_is_said(self) -> None:
        counting = Counting()
        logger = logging.getLogger("asyncssh")
        before = logger.level
        logger.addHandler(counting)
        logger.setLevel(logging.DEBUG)
        self.addCleanup(logger.removeHandler, counting)
        self.addCleanup(logger.setLevel, before)
        self.run_async(self._new_keys())
        self.assertGreater(counting.exchanges, 3)
        self.assert_no_defects()

    async def _new_keys(self) -> None:
        """AsyncSSH counts what it sends; meanwhile as much is said."""
        typed = b"x" * TYPED
        async with (
            self.connect(rekey_bytes=TYPED // 6) as connection,
            connection.create_process("raw web1", encoding=None) as process,
            connection.create_process("raw web2", encoding=None) as other,
        ):
            other.stdin.write(b"stream %d\r" % LINES)
            process.stdin.write(b"sum %d\r" % TYPED)
            await process.stdout.readuntil(b"sum %d\r\n" % TYPED)
            process.stdin.write(typed)
            await process.stdout.readuntil(sha256(typed).hexdigest().encode())
            said = await other.stdout.readuntil(b"%08d\r\n" % (LINES - 1))
        self.assert_whole(said)

    def test_sixty_four_sessions_and_one_more(self) -> None:
        self.run_async(self._sessions())
        self.assert_no_defects()

    async def _sessions(self) -> None:
        async with AsyncExitStack() as stack:
            many = [await stack.enter_async_context(self.connect()) for _ in range(64)]
            newest = await stack.enter_async_context(self.connect())
            await many[0].wait_closed()  # nothing ran in it, and it was the oldest
            self.assertEqual((await newest.run("list")).exit_status, 0)
            for connection in [*many[1:], newest]:
                process = await stack.enter_async_context(
                    connection.create_process("raw web1", encoding=None)
                )
                process.stdin.write(b"")
            await self._all_attached(newest)
            with self.assertRaises(asyncssh.DisconnectError) as caught:
                await stack.enter_async_context(self.connect())
            self.assertIn("you have 64 sessions already", str(caught.exception))
            async with self.connect("bob", password="horse") as bob:
                self.assertEqual((await bob.run("list")).exit_status, 0)

    async def _all_attached(self, connection: Any) -> None:
        while True:
            who = await connection.run("who web1 --json")
            if len(json.loads(who.stdout)) == 64:
                return


class Paramiko(OtherTestCase):
    def setUp(self) -> None:
        super().setUp()
        logger = logging.getLogger("paramiko")  # it warns of each channel that is refused
        self.addCleanup(logger.setLevel, logger.level)
        logger.setLevel(logging.CRITICAL)

    def connect(self, user: str = "alice") -> Any:
        """A transport that has agreed on keys, and nothing more."""
        connection = socket.create_connection(("127.0.0.1", self.ports["ssh"]), DEADLINE)
        transport = paramiko.Transport(connection)
        self.addCleanup(transport.close)
        transport.start_client(timeout=DEADLINE)
        return transport

    def enter(self, user: str = "alice", key: str = "ed25519") -> Any:  # type: ignore[override]
        transport = self.connect()
        transport.auth_publickey(user, paramiko.Ed25519Key(filename=self.path(key)))
        return transport

    def say(self, transport: Any, line: str) -> tuple[int, bytes, bytes]:
        """A command to its end: status, stdout, stderr."""
        channel = transport.open_session(timeout=DEADLINE)
        channel.settimeout(DEADLINE)
        channel.exec_command(line)
        out = channel.makefile("rb").read()
        err = channel.makefile_stderr("rb").read()
        return channel.recv_exit_status(), out, err

    def read_until(self, channel: Any, text: bytes) -> bytes:
        channel.settimeout(DEADLINE)
        said = b""
        while text not in said:
            piece = channel.recv(65536)
            self.assertTrue(piece, said)
            said += piece
        return said

    def test_each_proof(self) -> None:
        keys = {
            "ed25519": paramiko.Ed25519Key,
            "rsa": paramiko.RSAKey,
            "ecdsa": paramiko.ECDSAKey,
            "certified": paramiko.Ed25519Key,
        }
        for name, kind in keys.items():
            key = kind(filename=self.path(name))
            if name == "certified":
                key.load_certificate(self.path("certified-cert.pub"))
            transport = self.connect()
            self.assertEqual(transport.auth_publickey("alice", key), [], name)
            self.assertEqual(self.say(transport, "list")[0], 0)
        bob = self.connect()
        self.assertEqual(bob.auth_password("bob", "horse", fallback=False), [])
        prompts: list[str] = []

        def answers(_title: str, _text: str, asked: list[tuple[str, bool]]) -> list[str]:
            prompts.extend(prompt for prompt, _echo in asked)
            return [self.right(prompt) for prompt, _echo in asked]

        carol = self.connect()
        self.assertEqual(carol.auth_interactive("carol", answers), ["keyboard-interactive"])
        self.assertEqual(carol.auth_interactive("carol", answers), [])
        self.assertEqual(prompts, PROMPTS)
        for user in ("bob", "mallory"):
            with self.assertRaises(paramiko.AuthenticationException):
                self.connect().auth_password(user, "mule", fallback=False)
        self.assert_no_defects()

    def test_commands_terminals_and_forwarded_consoles(self) -> None:
        transport = self.enter("alice+web1")
        for line, status in (("info --on web2", 0), ("info --on no1", 3), ("no-such-verb", 2)):
            found, out, err = self.say(transport, line)
            self.assertEqual((found, bool(out), bool(err)), (status, status == 0, status != 0))
        shell = transport.open_session()
        shell.get_pty("xterm", 100, 30)
        shell.invoke_shell()
        self.read_until(shell, b"[web1 connected")
        shell.resize_pty(120, 40)
        shell.sendall(b"echo by a terminal\r")
        self.read_until(shell, b"\nby a terminal")
        shell.sendall(b"\x05c.")
        self.assertEqual(shell.recv_exit_status(), 0)
        forwarded = transport.open_channel("direct-tcpip", ("web2", 1), ("127.0.0.1", 1))
        forwarded.sendall(b"echo forwarded\r")
        self.read_until(forwarded, b"\nforwarded")
        with self.assertRaises(paramiko.ChannelException):
            transport.open_channel("direct-tcpip", ("no1", 1), ("127.0.0.1", 1))
        self.assert_no_defects()

    def test_many_channels_and_new_keys_while_much_is_said(self) -> None:
        transport = self.enter()
        many = []
        for n in range(20):
            channel = transport.open_session()
            channel.exec_command(f"raw web{n % 2 + 1}")
            many.append(channel)
        many[0].sendall(b"stream %d\r" % LINES)
        said = self.read_until(many[0], b"00000000\r\n")
        for n in range(1, 4):
            transport.renegotiate_keys()
            said += self.read_until(many[0], b"%d999\r\n" % n)
        said += self.read_until(many[0], b"%d\r\n" % (LINES - 1))
        self.assert_whole(said)
        self.assertEqual(self.say(transport, "list")[0], 0)
        self.assert_no_defects()
