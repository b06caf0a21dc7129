"""The gatekeeper: what a claimant shows, held against what the configuration says of him.

Everything is judged by what the last reload read. An operator whom nobody knows is asked the same
questions as one who has nothing that would do, and a wrong answer takes as long.
"""

from collections.abc import Callable
from functools import partial

from vspc.auth.context import AuthContext
from vspc.auth.directory import NOBODY, OperatorDirectory, Person, wire_methods
from vspc.auth.offers import Answer, Offers
from vspc.common.addresses import rate_key
from vspc.common.clock import Cancellable, Clock
from vspc.config import Config
from vspc.console.access import Operator, Voucher
from vspc.console.authentication import Ask, Claimant, Conversation, ProofRefused, Proved, Verdict
from vspc.console.session import Proof, Session, SessionLimits

LEAST = 1.0
"""Seconds that a wrong password or answer takes at least, whatever was wrong."""

Heard = Callable[[Ask | Verdict], None]

Judge = Callable[[bytes, Callable[[Verdict], None]], Cancellable | None]
"""Looks at an answer, and says later what it thinks of it."""


class Delayed:
    """Hands on what somebody thinks of an answer: a no not before `LEAST` after the answer."""

    def __init__(self, clock: Clock, heard: Heard) -> None:
        self._clock = clock
        self._heard = heard
        self._since = clock.seconds()
        self._waiting: Cancellable | None = None
        self._judging: Cancellable | None = None
        self._over = False

    def judge(self, judge: Judge, answer: bytes) -> None:
        """An answer came."""
        self._since = self._clock.seconds()
        self._judging = judge(answer, self.hear)

    def answered(self) -> None:
        """An answer came, and somebody else looks at it."""
        self._since = self._clock.seconds()

    def hear(self, said: Ask | Verdict) -> None:
        """A question, or what came of it."""
        if self._over:
            return
        left = self._since + LEAST - self._clock.seconds()
        if isinstance(said, ProofRefused) and left > 0:
            self._waiting = self._clock.call_later(left, lambda: self._say(said))
        else:
            self._say(said)

    def _say(self, said: Ask | Verdict) -> None:
        if not self._over:
            self._over = not isinstance(said, Ask)
            self._heard(said)

    def cancel(self) -> None:
        """Nobody wants to know any more."""
        self._over = True
        for call in (self._waiting, self._judging):
            if call is not None and call.active():
                call.cancel()

    def active(self) -> bool:
        """Whether something may still be heard."""
        return not self._over


class ClaimantQuestion:
    """A `Conversation` of one question."""

    def __init__(self, clock: Clock, text: str, judge: Judge, heard: Heard) -> None:
        self._slowly = Delayed(clock, heard)
        self._judge = judge
        self._asking = clock.call_later(0, lambda: self._slowly.hear(Ask(text)))

    def answer(self, text: bytes) -> None:
        """Once."""
        self._slowly.judge(self._judge, text)

    def cancel(self) -> None:
        """He has gone."""
        if self._asking.active():
            self._asking.cancel()
        self._slowly.cancel()


class Relay:
    """A `Conversation` that somebody else leads; `verify` may turn its yes into a no."""

    def __init__(
        self,
        clock: Clock,
        converse: Callable[[Heard], Conversation],
        verify: Callable[[Verdict], Verdict],
        heard: Heard,
    ) -> None:
        self._slowly = Delayed(clock, heard)
        self._verify = verify
        self._other = converse(self._hear)

    def _hear(self, said: Ask | Verdict) -> None:
        self._slowly.hear(said if isinstance(said, Ask) else self._verify(said))

    def answer(self, text: bytes) -> None:
        """To whoever leads it."""
        self._slowly.answered()
        self._other.answer(text)

    def cancel(self) -> None:
        """He has gone."""
        self._slowly.cancel()
        self._other.cancel()


PASSWORD, CODE = "Password: ", "One-time code: "


class OperatorAuthenticator:
    """`vspc.console.authentication.Gatekeeper` over one configuration at a time."""

    def __init__(self, means: AuthContext, config: Config, people: OperatorDirectory) -> None:
        self._means = means
        self.take(config, people)

    def take(self, config: Config, people: OperatorDirectory) -> None:
        """`config`, and those whom it knows, are in force from now on."""
        self._ssh = config.ssh
        self._people = people
        self._offers = Offers(self._means, config.ssh, people)
        self._means.passwords.imitate(people.hashes())

    def stands(self, session: Session) -> bool:
        """Whether what `session` showed would still do, and for as much: its key is there and not
        revoked, its authority trusted, its password the same, and no more is required.
        """
        operator = session.operator
        if self._people.operator(operator.name, operator.voucher) is None:
            return False
        claimant = Claimant(operator.name, session.address)
        if self._person(claimant).next_step(tuple(session.proof.via.split("+"))) is not None:
            return False  # more is required than when he came
        return not self._fallen(claimant, session.proof, session.limits)

    # The port

    def methods(self, claimant: Claimant, shown: tuple[str, ...]) -> tuple[str, ...]:
        """SSH's names of what may be tried next."""
        if not shown:
            return self._people.methods
        step = self._person(claimant).next_step(shown)
        return () if step is None else wire_methods(step)

    def key(
        self, claimant: Claimant, shown: tuple[str, ...], blob: bytes, answer: Answer
    ) -> Cancellable:
        """A certificate, a key of the table, or one that the administrator's program knows."""
        return self._offers.offer(claimant, shown, blob, answer)

    def password(
        self,
        claimant: Claimant,
        shown: tuple[str, ...],
        password: bytes,
        answer: Callable[[Verdict], None],
    ) -> Cancellable:
        """Against the hash of the table."""

        def heard(said: Ask | Verdict) -> None:
            assert not isinstance(said, Ask)
            answer(said)

        slowly = Delayed(self._means.clock, heard)
        slowly.judge(partial(self._check_password, claimant, shown), password)
        return slowly

    def converse(self, claimant: Claimant, shown: tuple[str, ...], heard: Heard) -> Conversation:
        """One step: a password, a code, or what the administrator's program asks."""
        clock, command = self._means.clock, self._ssh.auth_command
        step = self._person(claimant).next_step(shown)
        if step == "totp":
            return ClaimantQuestion(clock, CODE, partial(self._check_code, claimant), heard)
        own = step in ("", "publickey", "certificate") and self._has_password(claimant)
        if command is None or step == "password" or own:
            return ClaimantQuestion(
                clock, PASSWORD, partial(self._check_password, claimant, shown), heard
            )
        programs = self._means.programs
        return Relay(
            clock,
            partial(programs.converse, command, claimant),
            partial(self._program_says, claimant, shown),
            heard,
        )

    def admit(self, claimant: Claimant, proved: tuple[Proved, ...]) -> Operator | ProofRefused:
        """Who comes in: with the groups and roles of the table, and of a certificate.

        Between the first proof and this a minute may have passed, and a reload.
        """
        for one in proved:
            why = self._means.locked(claimant.name, one.proof)
            why = why or self._fallen(claimant, one.proof, one.limits)
            if why:
                return ProofRefused(why, one.proof)
        vouchers = (_voucher(one.proof) for one in proved if one.method == "certificate")
        operator = self._people.operator(claimant.name, next(vouchers, None))
        return ProofRefused("there is no such operator") if operator is None else operator

    # What they are judged by

    def _person(self, claimant: Claimant) -> Person:
        return self._people.person(claimant.name) or NOBODY

    def _has_password(self, claimant: Claimant) -> bool:
        return self._person(claimant).password is not None

    def _fallen(self, claimant: Claimant, proof: Proof, limits: SessionLimits) -> str:
        """Why that would not do any more; empty if it would."""
        why = ""
        if proof.fingerprint:
            why = self._offers.fallen(claimant, proof, limits, _voucher(proof).key_id)
        if "password" in proof.via.split("+") and proof.stamp != self._person(claimant).stamp:
            why = why or "the password is another one now"
        if "auth_command" in proof.via.split("+") and self._ssh.auth_command is None:
            why = why or "no program is asked any more"
        return why

    # Passwords, codes and programs

    def _check_password(
        self,
        claimant: Claimant,
        shown: tuple[str, ...],
        password: bytes,
        decided: Callable[[Verdict], None],
    ) -> Cancellable:
        person = self._person(claimant)
        proof = Proof("password", stamp=person.stamp)
        why = person.not_now(shown, "password") or self._means.locked(claimant.name, proof)
        if person.password is None:
            why = why or "there is no such operator, or he has no password"

        def answered(right: bool) -> None:
            if right and not why:
                decided(Proved("password", proof))
            else:
                decided(ProofRefused(why or "wrong password", proof))

        hashed = None if why else person.password
        return self._means.passwords.check(hashed, password, answered, rate_key(claimant.address))

    def _check_code(
        self, claimant: Claimant, code: bytes, decided: Callable[[Verdict], None]
    ) -> None:
        proof = Proof("totp")

        def answered(why: str) -> None:
            why = why or self._means.locked(claimant.name, proof)
            decided(ProofRefused(why, proof) if why else Proved("totp", proof))

        secret = self._person(claimant).code_secret
        place = rate_key(claimant.address)
        self._means.codes.check(claimant.name, secret, code, answered, place)

    def _program_says(
        self, claimant: Claimant, shown: tuple[str, ...], verdict: Verdict
    ) -> Verdict:
        if isinstance(verdict, ProofRefused):
            return verdict
        why = self._person(claimant).not_now(shown, "auth_command")
        if self._people.person(claimant.name) is None:
            why = "there is no such operator"
        why = why or self._means.locked(claimant.name, verdict.proof)
        return ProofRefused(why, verdict.proof) if why else verdict


def _voucher(proof: Proof) -> Voucher:
    """What a certificate says of its holder."""
    return proof.voucher or Voucher(proof.key_id, proof.principals)
