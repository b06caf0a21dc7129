"""How an operator proves who he is: ssh-userauth (RFC 4252), keyboard-interactive (RFC 4256).

The door speaks the protocol; the gatekeeper (`vspc.console.authentication`) judges. A key is judged
before the client is told that it will do (PK_OK), so a client never signs, and a FIDO key is never
touched, for a key that is not authorised. An operator that nobody knows gets the answers of one
whose proofs fail. While a judgement is awaited nothing more is read from the client.
"""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from twisted.conch.ssh.transport import DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE
from twisted.conch.ssh.userauth import (
    MSG_USERAUTH_FAILURE,
    MSG_USERAUTH_INFO_REQUEST,
    MSG_USERAUTH_PK_OK,
    MSG_USERAUTH_REQUEST,
    MSG_USERAUTH_SUCCESS,
    SSHUserAuthServer,
)
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from vspc.common.text import safe
from vspc.config.keys import fingerprint
from vspc.console.authentication import (
    Claimant,
    Offered,
    ProofRefused,
    Proved,
    Question,
    Verdict,
    together,
)
from vspc.console.logins import Login, UserName, split_user
from vspc.console.session import Proof
from vspc.ssh import limits
from vspc.ssh.crypto.signatures import acceptable, proves
from vspc.ssh.login_failures import LoginFailures
from vspc.ssh.quiet import quiet
from vspc.ssh.session import Avatar
from vspc.wire.ssh import MalformedSsh, SshReader, string, uint32

if TYPE_CHECKING:
    from vspc.ssh.transport import SshTransport

_NOBODY = UserName("", None, ())

log = Logger()

T = TypeVar("T")


class SshUserAuth(SSHUserAuthServer):
    """One client's way through the door."""

    _log = quiet
    transport: "SshTransport"

    def serviceStarted(self) -> None:
        """The client may ask."""
        self._tries = LoginFailures(self.transport.address, self.transport.factory.witness)
        self._name = _NOBODY
        self._claimant = Claimant("", self.transport.address)
        self._proved: tuple[Proved, ...] = ()
        self._judging: Deferred[None] | None = None
        self._answer: Deferred[bytes] | None = None  # to the question that the client was asked

    def serviceStopped(self) -> None:
        """The client is in, or gone: who tried and failed is told of."""
        self._stop_judging()
        if self.transport.login is None:
            self._conclude()

    def _conclude(self) -> None:
        self._tries.conclude(self._name.operator, self.transport.factory.tellable)

    # What the client asks

    def ssh_USERAUTH_REQUEST(self, packet: bytes) -> None:
        """One attempt, or a question whether an attempt would do."""
        reader = SshReader(packet)
        user, service, method = reader.string(), reader.string(), reader.string()
        if service != b"ssh-connection":
            raise MalformedSsh("a login for a service that is not to be had")
        self._stop_judging()
        self._is(split_user(user) or _NOBODY)
        if method == b"publickey":
            self._public_key(packet, reader)
        elif method == b"password":
            self._password(reader)
        elif method == b"keyboard-interactive":
            self._soon(self._converse)
        else:
            self._count_probe(Proof(""), "" if method == b"none" else "method not offered")

    def _is(self, name: UserName) -> None:
        """Who has shown something as one operator has shown nothing as another (section 5)."""
        if name.operator != self._name.operator:
            self._proved = ()
            self._conclude()
        self._name = name
        self._claimant = Claimant(name.operator, self.transport.address)

    def _soon(self, attempt: Callable[[], None]) -> None:
        """Do it now, or later where there were many failures."""
        transport = self.transport
        delay = transport.factory.delay(transport.address, self._name.operator)
        if delay:
            transport.hold("attempt")
            transport.timers.later("attempt", delay, self._late, attempt)
        else:
            attempt()

    def _late(self, attempt: Callable[[], None]) -> None:
        if not self.transport.ended:
            attempt()
        self.transport.release("attempt")

    def _judge(self, asked: Coroutine[Any, Any, T], then: Callable[[T], None]) -> None:
        """Wait for the authenticator: nothing is read meanwhile but answers to its questions."""
        transport = self.transport

        def judged(verdict: T) -> None:
            self._judging = self._answer = None
            if not transport.ended:
                then(verdict)
                transport.release("judgement")

        judging = Deferred.fromCoroutine(asked)
        self._judging = over = judging.addCallback(judged).addErrback(self._judging_failed)
        if over.called:
            self._judging = None
        elif self._answer is None:
            transport.hold("judgement")

    def _judging_failed(self, failure: Failure) -> None:
        if not (isinstance(failure.value, CancelledError) or self.transport.ended):
            log.failure("ssh-failed", failure, address=self.transport.address)
            self.transport.refuse(f"{type(failure.value).__name__} on what the client sent")

    def _stop_judging(self) -> None:
        judging, self._judging, self._answer = self._judging, None, None
        if judging is not None:
            judging.cancel()
            self.transport.release("judgement")

    # Public keys (section 7)

    def _public_key(self, packet: bytes, reader: SshReader) -> None:
        signed = reader.boolean()
        algorithm, blob = reader.string(), reader.string()
        signature = reader.string() if signed else b""
        reader.end()
        proof = Proof("publickey", fingerprint(blob))
        if not acceptable(algorithm, blob):
            self._count_probe(proof, "key type or signature not accepted")
            return
        covered = packet[: len(packet) - 4 - len(signature)] if signed else b""

        def judged(verdict: Offered | ProofRefused) -> None:
            if isinstance(verdict, ProofRefused):
                self._count_probe(verdict.proof or proof, verdict.reason, not verdict.unknown_key)
            elif verdict.proof.fingerprint in (one.proof.fingerprint for one in self._proved):
                # A key and a certificate for it are one thing that he has, not two.
                self._count_probe(verdict.proof, "the same key is shown twice", known=True)
            elif not signed:
                body = string(algorithm) + string(blob)
                self.transport.sendPacket(MSG_USERAUTH_PK_OK, body)
            else:
                self._soon(lambda: self._check(verdict, algorithm, signature, covered))

        gate = self.transport.factory.gate
        self._judge(gate.key(self._claimant, self._words, blob), judged)

    def _check(self, offer: Offered, algorithm: bytes, signature: bytes, covered: bytes) -> None:
        session = self.transport.sessionID
        assert session is not None
        message = string(session) + bytes((MSG_USERAUTH_REQUEST,)) + covered
        self.transport.check_signature()
        if proves(algorithm, offer.key, signature, message, offer.verified):
            self._shown(Proved(offer.proof.via, offer.proof, offer.limits))
        else:
            why = "bad signature, or a token without PIN or finger" if offer.verified else ""
            self._count_failure(offer.proof, why or "bad signature")

    # Passwords (section 8)

    def _password(self, reader: SshReader) -> None:
        changes = reader.boolean()
        password = reader.string()
        if changes:
            reader.string()
        reader.end()
        gate = self.transport.factory.gate
        if changes or "password" not in gate.methods(self._claimant, self._words):
            self._count_probe(Proof(""), "method not offered")
            return
        self._soon(
            lambda: self._judge(gate.password(self._claimant, self._words, password), self._decided)
        )

    @property
    def _words(self) -> tuple[str, ...]:
        return tuple(one.method for one in self._proved)

    # Questions and answers (RFC 4256)

    def _converse(self) -> None:
        gate = self.transport.factory.gate
        if "keyboard-interactive" not in gate.methods(self._claimant, self._words):
            self._count_probe(Proof(""), "method not offered")
            return
        self._judge(gate.converse(self._claimant, self._words, self._ask), self._decided)

    def _ask(self, question: Question) -> Deferred[bytes]:
        """Put one question to the client (section 3.2)."""
        self._answer = answer = Deferred[bytes]()
        prompt = string(question.text.encode()) + (b"\1" if question.echo else b"\0")
        body = string(b"") + string(b"") + string(b"") + uint32(1) + prompt
        self.transport.sendPacket(MSG_USERAUTH_INFO_REQUEST, body)
        self.transport.release("judgement")
        return answer

    def ssh_USERAUTH_INFO_RESPONSE(self, packet: bytes) -> None:
        """The answer to the one question that was asked (section 3.4)."""
        reader = SshReader(packet)
        waiting, self._answer = self._answer, None
        if waiting is None or reader.uint32() != 1:
            raise MalformedSsh("an answer to a question that was not asked")
        answer = reader.string(limits.ANSWER_LIMIT)
        reader.end()
        self.transport.hold("judgement")
        waiting.callback(answer)

    # What comes of it

    def _decided(self, verdict: Verdict) -> None:
        if isinstance(verdict, Proved):
            self._shown(verdict)
        else:
            self._count_failure(verdict.proof or Proof(""), verdict.reason)

    def _shown(self, proved: Proved) -> None:
        """One thing is proved: in, or on to the next one (RFC 4252 section 5.1)."""
        self._proved = (*self._proved, proved)
        transport = self.transport
        missing = transport.factory.gate.methods(self._claimant, self._words)
        if missing:
            transport.sendPacket(MSG_USERAUTH_FAILURE, string(",".join(missing).encode()) + b"\1")
            return
        proof, allowed = together(self._proved)
        operator = transport.factory.gate.admit(self._claimant, self._proved)
        if allowed is None:
            self._count_failure(proof, "two proofs, each with a command of its own")
        elif isinstance(operator, ProofRefused):
            self._count_failure(operator.proof or proof, operator.reason)
        else:
            factory = transport.factory
            self._enter(factory.login(self._name, operator, proof, allowed, transport.address))

    def _enter(self, login: Login) -> None:
        """He has shown all that is wanted: he is in, if there is room for him."""
        transport, proof = self.transport, login.session.proof
        is_in = transport.authenticated(login)
        log.info(
            "login-accepted" if is_in else "login-without-room",
            operator=safe(login.operator),
            address=login.address,
            via=proof.via,
            key=proof.fingerprint,
            session=login.session.id,
        )
        if is_in:
            self._tries.admitted()
            transport.avatar = Avatar()
            transport.sendPacket(MSG_USERAUTH_SUCCESS, b"")
            transport.enter_service(b"ssh-connection")

    def _count_probe(self, proof: Proof, reason: str, known: bool = False) -> None:
        if self._tries.probe(proof, reason, known):
            self._count_failure(proof, reason)
        else:
            self._say_failure()

    def _count_failure(self, proof: Proof, reason: str) -> None:
        self._proved = ()
        self._tries.fail(self._name.operator, proof, reason)
        self.transport.failed(self._name.operator)
        if self._tries.attempts >= self.transport.factory.limits.attempts:
            self.transport.disconnect(
                "too many failed logins", DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE
            )
        else:
            self._say_failure()

    def _say_failure(self) -> None:
        methods = self.transport.factory.gate.methods(self._claimant, self._words)
        body = string(",".join(methods).encode()) + b"\0"
        self.transport.sendPacket(MSG_USERAUTH_FAILURE, body)
