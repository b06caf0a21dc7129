"""Login: ssh-userauth (RFC 4252) with keyboard-interactive (RFC 4256).

This is the protocol; `context.authenticator` decides. A key is checked before the client is told
that it is accepted (PK_OK), so a client never signs, and a FIDO key is never touched, for a key
that is not authorised. An unknown operator gets the same answers as one whose proofs fail. While a
verdict is awaited nothing more is read from the client.
"""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from twisted.conch.ssh.transport import (
    DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE,
    DISCONNECT_TOO_MANY_CONNECTIONS,
)
from twisted.conch.ssh.userauth import (
    MSG_USERAUTH_FAILURE,
    MSG_USERAUTH_INFO_REQUEST,
    MSG_USERAUTH_PK_OK,
    MSG_USERAUTH_REQUEST,
    MSG_USERAUTH_SUCCESS,
    SSHUserAuthServer,
)
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from vspc.common.text import safe
from vspc.config.credentials import fingerprint
from vspc.console.authentication import (
    Claimant,
    Offered,
    ProofRefused,
    Proved,
    Question,
    Verdict,
    together,
)
from vspc.console.logins import Login, UserName, begin_login, split_user
from vspc.console.session import Proof
from vspc.net.scheduler import SIGNATURE
from vspc.ssh import limits
from vspc.ssh.context import quiet
from vspc.ssh.crypto.signatures import acceptable, proves
from vspc.ssh.limits import LoginFailures
from vspc.ssh.transport import SshTransport
from vspc.wire.ssh import MalformedSsh, SshReader, string, uint32

_UNNAMED = UserName("", None, ())

log = Logger()

NOT_OFFERED = "method not offered"

T = TypeVar("T")


class SshUserAuth(SSHUserAuthServer):
    """The login of one client."""

    _log = quiet
    transport: SshTransport

    def serviceStarted(self) -> None:
        """The client may log in."""
        self._context = context = self.transport.context
        self._failures = LoginFailures(self.transport.address, context.observer)
        self._name = _UNNAMED
        self._claimant = Claimant("", self.transport.address)
        self._proved: tuple[Proved, ...] = ()
        self._verdict: Deferred[None] | None = None
        self._answer: Deferred[bytes] | None = None  # to the question that the client was asked
        self._question: Question | None = None  # the last one
        self._is_owed = False  # an answer that is not wanted any more

    def serviceStopped(self) -> None:
        """The client has logged in, or left: its failures are reported."""
        self._stop_verdict()
        if self.transport.login is None:
            self._conclude()

    def _conclude(self) -> None:
        self._failures.conclude(self._name.operator, self._context.loggable)

    # Requests

    def ssh_USERAUTH_REQUEST(self, packet: bytes) -> None:
        """One attempt, or a question whether an attempt would succeed."""
        reader = SshReader(packet)
        user, service, method = reader.string(), reader.string(), reader.string()
        if service != b"ssh-connection":
            raise MalformedSsh("a login for a service that is not available")
        self._stop_verdict()
        self._is_owed = False
        self._set_name(split_user(user) or _UNNAMED)
        if method == b"publickey":
            self._public_key(packet, reader)
        elif method == b"password":
            self._password(reader)
        elif method == b"keyboard-interactive":
            self._throttled(self._converse)
        else:
            self._count_probe(ProofRefused("" if method == b"none" else NOT_OFFERED))

    def _set_name(self, name: UserName) -> None:
        """What was proved as one operator does not count for another one (section 5)."""
        if name.operator != self._name.operator:
            self._proved = ()
            self._conclude()
        self._name = name
        self._claimant = Claimant(name.operator, self.transport.address)

    def _throttled(self, attempt: Callable[[], None]) -> None:
        """Make the attempt now, or later after many failures."""
        transport = self.transport
        now = self._context.clock.seconds()
        delay = self._context.throttle.delay(transport.address, self._name.operator, now)
        if delay:
            transport.input.hold("attempt")
            transport.timers.later("attempt", delay, self._attempt_late, attempt)
        else:
            attempt()

    def _attempt_late(self, attempt: Callable[[], None]) -> None:
        if not self.transport.ended:
            attempt()
        self.transport.input.release("attempt")

    def _await_verdict(self, asked: Coroutine[Any, Any, T], then: Callable[[T], None]) -> None:
        """Wait for the authenticator: nothing is read meanwhile but answers to its questions."""
        transport = self.transport

        def decided(verdict: T) -> None:
            self._is_owed = self._answer is not None
            self._verdict = self._answer = None
            if not transport.ended:
                then(verdict)
                transport.input.release("verdict")

        waiting = Deferred.fromCoroutine(asked)
        self._verdict = over = waiting.addCallback(decided).addErrback(self._verdict_failed)
        if over.called:
            self._verdict = None
        elif self._answer is None:
            transport.input.hold("verdict")

    def _verdict_failed(self, failure: Failure) -> None:
        if not (isinstance(failure.value, CancelledError) or self.transport.ended):
            self.transport.fail(failure)

    def _stop_verdict(self) -> None:
        waiting, self._verdict, self._answer = self._verdict, None, None
        if waiting is not None:
            waiting.cancel()
            self.transport.input.release("verdict")

    # Public keys (section 7)

    def _public_key(self, packet: bytes, reader: SshReader) -> None:
        signed = reader.boolean()
        algorithm, blob = reader.string(), reader.string()
        signature = reader.string() if signed else b""
        reader.end()
        proof = Proof("publickey", fingerprint(blob))
        if not acceptable(algorithm, blob):
            self._count_probe(ProofRefused("key type or signature not accepted", proof))
            return
        covered = packet[: len(packet) - 4 - len(signature)] if signed else b""

        def decided(verdict: Offered | ProofRefused) -> None:
            if isinstance(verdict, ProofRefused):
                self._count_probe(verdict, not verdict.unknown_key)
            elif verdict.proof.fingerprint in (one.proof.fingerprint for one in self._proved):
                # A key and a certificate for it are one proof, not two.
                twice = ProofRefused("the same key is shown twice", verdict.proof)
                self._count_probe(twice, known=True)
            elif not signed:
                body = string(algorithm) + string(blob)
                self.transport.sendPacket(MSG_USERAUTH_PK_OK, body)
            else:
                self._throttled(lambda: self._check(verdict, algorithm, signature, covered))

        authenticator = self._context.authenticator
        self._await_verdict(authenticator.key(self._claimant, self._methods, blob), decided)

    def _check(self, offer: Offered, algorithm: bytes, signature: bytes, covered: bytes) -> None:
        session = self.transport.sessionID
        assert session is not None
        message = string(session) + bytes((MSG_USERAUTH_REQUEST,)) + covered
        self.transport.share.spend(SIGNATURE)
        if proves(algorithm, offer.key, signature, message, offer.verified):
            self._accept(Proved(offer.proof.via, offer.proof, offer.limits))
        else:
            why = "bad signature, or a token without PIN or finger" if offer.verified else ""
            self._count_failure(ProofRefused(why or "bad signature", offer.proof))

    # Passwords (section 8)

    def _password(self, reader: SshReader) -> None:
        changes = reader.boolean()
        password = reader.string()
        if changes:
            reader.string()
        reader.end()
        authenticator = self._context.authenticator
        if changes or "password" not in authenticator.methods(self._claimant, self._methods):
            self._count_probe(ProofRefused(NOT_OFFERED))
            return
        self._throttled(
            lambda: self._await_verdict(
                authenticator.password(self._claimant, self._methods, password), self._decided
            )
        )

    @property
    def _methods(self) -> tuple[str, ...]:
        return tuple(one.method for one in self._proved)

    # Questions and answers (RFC 4256)

    def _converse(self) -> None:
        authenticator = self._context.authenticator
        if "keyboard-interactive" not in authenticator.methods(self._claimant, self._methods):
            self._count_probe(ProofRefused(NOT_OFFERED))
            return
        self._await_verdict(
            authenticator.converse(self._claimant, self._methods, self._ask), self._decided
        )

    def _ask(self, question: Question) -> Deferred[bytes]:
        """Put one question to the client, or only show it a text (section 3.2)."""
        self._question = question
        self.transport.allow_longer(question.seconds)
        if not (question.is_asked or question.text):
            return succeed(b"")
        self._answer = answer = Deferred[bytes]()
        text = string(question.text.encode())
        if question.is_asked:
            prompt = uint32(1) + text + (b"\1" if question.echo else b"\0")
            body = string(b"") + string(b"") + string(b"") + prompt
        else:
            body = string(b"") + text + string(b"") + uint32(0)
        self.transport.sendPacket(MSG_USERAUTH_INFO_REQUEST, body)
        # Not from within the authenticator: what is read may cancel the judgement.
        self.transport.timers.later("question", 0, self._read_answer, answer)
        return answer

    def _read_answer(self, answer: Deferred[bytes]) -> None:
        if answer is self._answer:
            self.transport.input.release("verdict")

    def ssh_USERAUTH_INFO_RESPONSE(self, packet: bytes) -> None:
        """The answer to the one question that was asked (section 3.4). One that comes after the
        verdict is ignored.

        While the operator does something elsewhere the client is read: it may leave, or begin anew.
        """
        reader = SshReader(packet)
        waiting, self._answer = self._answer, None
        if waiting is None and self._is_owed:
            self._is_owed = False
            return
        question = self._question
        if waiting is None or question is None or reader.uint32() != question.is_asked:
            raise MalformedSsh("an answer to a question that was not asked")
        answer = reader.string(limits.ANSWER_LIMIT) if question.is_asked else b""
        reader.end()
        if not question.seconds:
            self.transport.input.hold("verdict")
        waiting.callback(answer)

    # Verdicts

    def _decided(self, verdict: Verdict) -> None:
        if isinstance(verdict, Proved):
            self._accept(verdict)
        else:
            self._count_failure(verdict)

    def _accept(self, proved: Proved) -> None:
        """One thing is proved: it is enough, or more is required (RFC 4252 section 5.1)."""
        self._proved = (*self._proved, proved)
        transport = self.transport
        missing = self._context.authenticator.methods(self._claimant, self._methods)
        if missing:
            transport.sendPacket(MSG_USERAUTH_FAILURE, string(",".join(missing).encode()) + b"\1")
            return
        proof, allowed = together(self._proved)
        operator = self._context.authenticator.admit(self._claimant, self._proved)
        if allowed is None:
            self._count_failure(ProofRefused("two proofs, each with a command of its own", proof))
        elif isinstance(operator, ProofRefused):
            self._count_failure(operator)
        else:
            now = self._context.wall()
            login = begin_login(self._name, operator, proof, transport.address, now, allowed)
            self._log_in(login)

    def _log_in(self, login: Login) -> None:
        transport, proof = self.transport, login.session.proof
        self._context.throttle.succeeded(transport.address, login.operator)
        self._context.grace_period.leave(transport)
        refused = self._context.observer.came(login, transport)
        log.info(
            "login-without-room" if refused else "login-accepted",
            operator=safe(login.operator),
            address=login.address,
            via=proof.via,
            key=proof.fingerprint,
            session=login.session.id,
        )
        if refused:
            transport.disconnect(refused, DISCONNECT_TOO_MANY_CONNECTIONS)
            return
        self._failures.admitted()
        transport.sendPacket(MSG_USERAUTH_SUCCESS, b"")
        transport.logged_in(login)

    def _count_probe(self, refused: ProofRefused, known: bool = False) -> None:
        if self._failures.probe(refused, known):
            self._count_failure(refused)
        else:
            self._send_failure()

    def _count_failure(self, refused: ProofRefused) -> None:
        self._proved = ()
        self._failures.fail(self._name.operator, refused)
        context, transport = self._context, self.transport
        now = context.clock.seconds()
        context.throttle.failed(transport.address, self._name.operator, now)
        context.grace_period.failed(transport)
        if self._failures.attempts >= context.limits.attempts:
            transport.disconnect(
                "too many failed logins", DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE
            )
        else:
            self._send_failure()

    def _send_failure(self) -> None:
        methods = self._context.authenticator.methods(self._claimant, self._methods)
        body = string(",".join(methods).encode()) + b"\0"
        self.transport.sendPacket(MSG_USERAUTH_FAILURE, body)
