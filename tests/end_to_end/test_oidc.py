"""Logins at an OpenID Connect issuer with the example program: real ssh, and an issuer of the
tests' own on loopback, over TLS.
"""

import contextlib
import json
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl

from tests.auth.issuer import CLIENT, CODE, EcKey, FakeIssuer
from tests.end_to_end.access import AccessTestCase, operator, rule, write
from tests.end_to_end.processes import DEADLINE, Child
from tests.net.authorities import certificate

PATIENT = (
    "PreferredAuthentications=keyboard-interactive",
    "BatchMode=no",
    "NumberOfPasswordPrompts=1",
    "LogLevel=INFO",
)

EXAMPLE = Path(__file__).parents[2] / "etc" / "auth" / "oidc_device.py"


class IssuerServer(ThreadingHTTPServer):
    """An issuer behind TLS on a free port of loopback; `issuer` is what it answers."""

    daemon_threads = True
    issuer: FakeIssuer

    def __init__(self, directory: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        authority = certificate("the tests' authority")
        own = certificate("localhost", authority, names=["localhost"])
        chain = write(directory / "issuer.pem", (own.pem + own.key_pem).decode())
        self.ca_file = write(directory / "authority.pem", authority.pem.decode())
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(chain)
        self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.issuer = FakeIssuer(f"https://localhost:{self.server_address[1]}")
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves in the middle."""


class _Handler(BaseHTTPRequestHandler):
    server: IssuerServer
    timeout = 20

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(dict(parse_qsl(body.decode())))

    def _answer(self, form: dict[str, str]) -> None:
        issuer = self.server.issuer
        if issuer.is_down:
            self.close_connection = True
            return
        status, found = issuer.answer(self.path, form, dict(self.headers))
        body = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: object = "", size: object = "") -> None:
        """Nothing on standard error."""


class AtAnIssuer(AccessTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.http = IssuerServer(self.directory)
        self.addCleanup(self.http.close)
        self.issuer = self.http.issuer
        self.program = write(
            self.directory / "oidc_device",
            f"#!{sys.executable} -I\n" + EXAMPLE.read_text(encoding="utf-8"),
            0o700,
        )
        words = [str(self.program), "--issuer", self.issuer.url, "--client-id", CLIENT]
        self.command = json.dumps([*words, "--ca-file", str(self.http.ca_file)])

    def begin(self, user: str) -> Child:
        """Log in as far as the code; then the client waits, without having been asked anything."""
        [ssh, *words] = self.words(user, "list", options=PATIENT)
        child = self.start(ssh, *words)
        child.err.expect(rb"Open https://localhost:\d+/activate .* the code " + CODE.encode())
        return child

    def refused(self, told: bytes, logged: str, user: str = "alice") -> None:
        """The login comes to nothing, for a reason that the operator is told, and the log."""
        [ssh, *words] = self.words(user, "list", options=PATIENT)
        child = self.start(ssh, *words)
        child.err.expect(told)
        self.assertEqual(child.wait(), 255)
        line = self.server.out.expect(rb" warn login-failed [^\n]*").group().decode()
        self.assertIn(logged, line)

    def test_operators_with_and_without_a_table_get_in_with_groups_of_the_token(self) -> None:
        self.configure(
            operator("alice", groups=["netops"]),
            ssh=f"auth_command = {self.command}\n"
            'auth_command_groups = ["leads"]\nauth_command_operators = ["ext-*"]\n'
            "login_timeout = 5\n",
            access=rule(["@leads"], ["web*"], ["read", "write"]),
        )
        self.serve()
        self.simulate()
        self.issuer.said = ["authorization_pending"] * 6  # longer than the time to log in
        for user in ("alice", "ext-zoe"):
            self.issuer.claims = {"preferred_username": user}
            self.issuer.entered = ""
            child = self.begin(user)
            self.issuer.enter(CODE)
            child.out.expect(rb"web1")
            self.assertEqual(child.wait(), 0)
            self.assertEqual(self.audited("login", operator=user)["granted"], "leads")
        self.issuer.claims = {"preferred_username": "ext-zoe", "groups": ["strangers"]}
        child = self.begin("ext-zoe")
        self.assertEqual(child.wait(), 0)
        self.assertNotIn(b"web1", child.out.data)
        self.issuer.claims = {"preferred_username": "mallory"}
        child = self.begin("mallory")
        self.assertEqual(child.wait(), 255)
        self.server.out.expect(rb"login-failed operator=mallory .*unknown operator")
        self.assert_no_defects()

    def test_refusals_say_why(self) -> None:
        self.configure(operator("alice"), ssh=f"auth_command = {self.command}\n")
        self.serve()
        self.issuer.entered = "access_denied"
        self.refused(rb"The login was denied at the login server", "denied by the user")
        self.issuer.entered = "expired_token"
        self.refused(rb"The code has expired; log in again", "the code expired unused")
        self.issuer.entered = "approved"
        self.issuer.claims = {"aud": "others"}
        self.refused(rb"answer is not valid", "is for 'others', not for vspc")
        self.issuer.claims = {}
        self.issuer.signer = EcKey()
        self.refused(rb"answer is not valid", "no key of the issuer's signed the ID token")
        self.issuer.is_down = True
        self.refused(rb"The login server cannot be reached", "openid-configuration: ")
        self.issuer.is_down = False
        self.command = self.command.replace("authority.pem", "issuer.pem")
        self.configure(operator("alice"), ssh=f"auth_command = {self.command}\n")
        self.reload()
        self.refused(rb"The login server cannot be used", "certificate")
        self.assert_no_defects()

    def test_an_operator_who_gives_up_ends_the_program(self) -> None:
        self.configure(operator("alice"), ssh=f"auth_command = {self.command}\n")
        self.serve()
        child = self.begin("alice")
        self.assertEqual(len(self.running()), 1)
        child.stop()
        end = time.monotonic() + DEADLINE
        while self.running():
            self.assertLess(time.monotonic(), end, "the program did not end with the connection")
            time.sleep(0.05)
        self.assert_no_defects()

    def running(self) -> list[str]:
        """Processes of the example."""
        lines = []
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                lines.append(process.read_bytes())
        return [line.decode() for line in lines if str(self.program).encode() in line]
