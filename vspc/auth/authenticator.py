"""The gatekeeper: what a claimant shows, held against what the configuration says of him.

Everything is judged by what the last reload read. An operator whom nobody knows is asked the same
questions as one who has nothing that would do, and a wrong answer takes as long.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredQueue, race

from vspc.auth.context import AuthContext
from vspc.auth.directory import NOBODY, OperatorDirectory, Person, wire_methods
from vspc.auth.offers import Offers
from vspc.auth.programs import Conversation
from vspc.common.addresses import rate_key
from vspc.common.clock import Cancellable
from vspc.config import Config
from vspc.console.access import Operator, Voucher
from vspc.console.authentication import (
    Asker,
    Claimant,
    Offered,
    ProofRefused,
    Proved,
    Question,
    Verdict,
)
from vspc.console.session import Proof, Session, SessionLimits
from vspc.net.reactor import sleep

LEAST = 1.0
"""Seconds that a wrong password or answer takes at least, whatever was wrong."""

T = TypeVar("T")

Heard = Callable[[Question | Verdict], None]


def _answered(ask: Callable[[Callable[[T], None]], Cancellable | None]) -> Deferred[T]:
    """The answer of what has a callback for it; cancelling ends the work for it."""
    answer = Deferred[T](lambda _: work.cancel() if work is not None else None)
    work = ask(answer.callback)
    return answer


async def _relay(converse: Callable[[Heard], Conversation], ask: Asker) -> Verdict:
    """What a conversation comes to that a program leads."""

    async def put(question: Question) -> bytes:
        return await ask(question)

    heard = DeferredQueue[Question | Verdict]()
    conversation = converse(heard.put)
    try:
        said = await heard.get()
        while isinstance(said, Question):
            either: list[Deferred[Any]] = [Deferred.fromCoroutine(put(said)), heard.get()]
            first, result = await race(either)
            if first == 0:
                conversation.answer(result)
                result = await heard.get()
            said = result
        return said
    finally:
        conversation.cancel()


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

    async def key(
        self, claimant: Claimant, shown: tuple[str, ...], blob: bytes
    ) -> Offered | ProofRefused:
        """A certificate, a key of the table, or one that the administrator's program knows."""
        return await _answered(partial(self._offers.offer, claimant, shown, blob))

    async def password(
        self, claimant: Claimant, shown: tuple[str, ...], password: bytes
    ) -> Verdict:
        """Against the hash of the table."""
        since = self._means.clock.seconds()
        return await self._slowly(since, await self._check_password(claimant, shown, password))

    async def converse(self, claimant: Claimant, shown: tuple[str, ...], ask: Asker) -> Verdict:
        """One step: a password, a code, or what the administrator's program asks."""
        since = self._means.clock.seconds()

        async def timed(question: Question) -> bytes:
            nonlocal since
            answer = await ask(question)
            since = self._means.clock.seconds()
            return answer

        return await self._slowly(since, await self._conversed(claimant, shown, timed))

    async def _conversed(self, claimant: Claimant, shown: tuple[str, ...], ask: Asker) -> Verdict:
        command = self._ssh.auth_command
        step = self._person(claimant).next_step(shown)
        if step == "totp":
            return await self._check_code(claimant, await ask(Question(CODE)))
        own = step in ("", "publickey", "certificate") and self._has_password(claimant)
        if command is None or step == "password" or own:
            return await self._check_password(claimant, shown, await ask(Question(PASSWORD)))
        verdict = await _relay(partial(self._means.programs.converse, command, claimant), ask)
        return self._program_says(claimant, shown, verdict)

    async def _slowly(self, since: float, verdict: Verdict) -> Verdict:
        """`verdict`; a refusal not before `LEAST` after `since`."""
        left = since + LEAST - self._means.clock.seconds()
        if isinstance(verdict, ProofRefused) and left > 0:
            await sleep(self._means.clock, left)
        return verdict

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

    async def _check_password(
        self, claimant: Claimant, shown: tuple[str, ...], password: bytes
    ) -> Verdict:
        person = self._person(claimant)
        proof = Proof("password", stamp=person.stamp)
        why = person.not_now(shown, "password") or self._means.locked(claimant.name, proof)
        if person.password is None:
            why = why or "there is no such operator, or he has no password"
        hashed, asker = None if why else person.password, rate_key(claimant.address)
        check = self._means.passwords.check
        checking: Deferred[bool] = _answered(lambda answer: check(hashed, password, answer, asker))
        right = await checking
        if right and not why:
            return Proved("password", proof)
        return ProofRefused(why or "wrong password", proof)

    async def _check_code(self, claimant: Claimant, code: bytes) -> Verdict:
        proof, secret = Proof("totp"), self._person(claimant).code_secret
        place, check = rate_key(claimant.address), self._means.codes.check
        checking: Deferred[str] = _answered(
            lambda answer: check(claimant.name, secret, code, answer, place)
        )
        why = await checking or self._means.locked(claimant.name, proof)
        return ProofRefused(why, proof) if why else Proved("totp", proof)

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
