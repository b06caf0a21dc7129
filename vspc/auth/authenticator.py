"""The authenticator: which proofs an operator has to give, checked by the methods there are.

Everything is decided by what the last reload read. An unknown operator is asked the same questions
as one who has nothing that would be accepted, and a refusal takes as long.
"""

from collections.abc import Sequence

from vspc.auth.directory import OperatorDirectory, voucher_of
from vspc.auth.method import WIRE, Attempt, AuthContext, AuthMethod, Evidence, no_questions
from vspc.auth.methods import METHODS
from vspc.config import Config, OperatorSettings
from vspc.config.proofs import ways
from vspc.console.access import Operator
from vspc.console.authentication import (
    Asker,
    Claimant,
    Offered,
    ProofRefused,
    Proved,
    Question,
    RefusalCause,
    Verdict,
    together,
)
from vspc.console.session import Session
from vspc.net.waiting import sleep
from vspc.wire.ssh import is_certificate

LEAST = 1.0
"""Seconds that a wrong password or answer takes at least, whatever was wrong."""

KEYS = "publickey"
"""SSH's method that is offered unless no operator could begin with it."""


class OperatorAuthenticator:
    """`vspc.console.authentication.Authenticator` over one configuration at a time."""

    def __init__(
        self,
        context: AuthContext,
        config: Config,
        directory: OperatorDirectory,
        kinds: Sequence[type[AuthMethod]] = METHODS,
    ) -> None:
        self._context = context
        self._kinds = kinds
        self.take(config, directory)

    def take(self, config: Config, directory: OperatorDirectory) -> None:
        """`config` and its operators are in force from now on."""
        self._directory = directory
        methods = [kind(self._context, config, directory) for kind in self._kinds]
        self._methods = {each.settings.word: each for each in methods}
        settings = [each.settings for each in methods]
        self._ways = {name: ways(o, config, settings) for name, o in config.operators.items()}
        self._unknown_ways = ways(OperatorSettings(), config, settings)
        self._first = self._offered_first(config)

    def stands(self, session: Session) -> bool:
        """Whether what `session` showed would still be accepted, and for as much: its key is there
        and not revoked, its authority trusted, its password the same, and no more is required.
        """
        operator, parts = session.operator, session.proof.parts
        if self._directory.current(operator) is None:
            return False
        claimant = Claimant(operator.name, session.address)
        if self._next_step(claimant, tuple(part.via for part in parts)) is not None:
            return False
        proved = (Proved(part.via, part, session.limits) for part in parts)
        return not any(self._lapsed(claimant, each) for each in proved)

    # The port

    def methods(self, claimant: Claimant, shown: tuple[str, ...]) -> tuple[str, ...]:
        """SSH's names of what may be tried next."""
        if not shown:
            return self._first
        step = self._next_step(claimant, shown)
        return () if step is None else WIRE[self._methods[step].evidence]

    async def key(
        self, claimant: Claimant, shown: tuple[str, ...], blob: bytes
    ) -> Offered | ProofRefused:
        """A certificate or a plain key."""
        await self._context.revocations().refreshed(self._context.clock)
        asked = Evidence.CERTIFICATE if is_certificate(blob) else Evidence.KEY
        method = self._asking_for(asked)
        found = await method.prove(self._attempt(method, claimant, shown, key=blob))
        assert not isinstance(found, Proved), "a key is proved by a signature"
        return found

    async def password(
        self, claimant: Claimant, shown: tuple[str, ...], password: bytes
    ) -> Verdict:
        """The client has sent the password already."""

        async def given(_question: Question) -> bytes:
            return password

        return await self._questioned(self._asking_for(Evidence.PASSWORD), claimant, shown, given)

    async def converse(self, claimant: Claimant, shown: tuple[str, ...], ask: Asker) -> Verdict:
        """One step: what `require` names, or the preferred method of those that are there."""
        step = self._next_step(claimant, shown) or ""
        method = self._methods.get(step)
        if method is None or "keyboard-interactive" not in WIRE[method.evidence]:
            method = self._preferred(claimant)
        return await self._questioned(method, claimant, shown, ask)

    def admit(self, claimant: Claimant, proved: tuple[Proved, ...]) -> Operator | ProofRefused:
        """With the groups and roles of the operator's table, of a certificate, and of the program.

        Between the first proof and this a minute may have passed, and a reload.
        """
        for one in proved:
            why = self._context.locked(claimant.name, one.proof) or self._lapsed(claimant, one)
            if why:
                return ProofRefused(why, one.proof)
        vouchers = (voucher_of(one.proof) for one in proved if one.proof.ca)
        proof, _limits = together(proved)
        operator = self._directory.operator(claimant.name, next(vouchers, None), proof.granted)
        if operator is not None:
            return operator
        return ProofRefused("unknown operator", proof, cause=RefusalCause.UNKNOWN_OPERATOR)

    # Which method

    def _asking_for(self, evidence: Evidence) -> AuthMethod:
        return next(each for each in self._methods.values() if each.evidence is evidence)

    def _preferred(self, claimant: Claimant) -> AuthMethod:
        """The method with questions that an operator may begin with; an unknown one is asked as if
        there were one without any: by a program, or for a password.
        """
        there = self._ways.get(claimant.name, self._unknown_ways)
        usable = (
            each
            for word, each in self._methods.items()
            if word in there
            and each.settings.first
            and "keyboard-interactive" in WIRE[each.evidence]
        )
        return next(usable, None) or self._asking_for(Evidence.PASSWORD)

    def _offered_first(self, config: Config) -> tuple[str, ...]:
        """SSH's names of what is offered to a client that has shown nothing: the same for all."""
        there = self._unknown_ways.union(*self._ways.values())
        names = {name for word in there for name in WIRE[self._methods[word].evidence]}
        # OpenSSH tries its keys first, and does not try one again that was refused as too early.
        early = (
            not config.operators
            or config.ssh.certificates.map
            or any(
                not each.require or KEYS in WIRE[self._methods[each.require[0]].evidence]
                for each in config.operators.values()
            )
        )
        others = [name for name in ("keyboard-interactive", "password") if name in names]
        return (KEYS, *others) if early else tuple(others)

    # Which step

    def _next_step(self, claimant: Claimant, shown: tuple[str, ...]) -> str | None:
        """The word of `require` that follows `shown`; "" for any one method, None: enough."""
        require = self._directory.record(claimant.name).settings.require
        if not require:
            return None if shown else ""
        for index, step in enumerate(require):
            if index >= len(shown) or not self._satisfies(shown[index], step):
                return step
        return None

    def _satisfies(self, word: str, step: str) -> bool:
        method = self._methods.get(word)
        return method is not None and step in (word, *method.settings.also)

    def _untimely(self, method: AuthMethod, claimant: Claimant, shown: tuple[str, ...]) -> str:
        """Empty, or why `method` is of no use after `shown`."""
        step, word = self._next_step(claimant, shown), method.settings.word
        if step == "" or (step is not None and self._satisfies(word, step)):
            return ""
        return f"{word} is shown, and {step} is required" if step else "nothing more is required"

    # What comes of it

    def _attempt(
        self,
        method: AuthMethod,
        claimant: Claimant,
        shown: tuple[str, ...],
        key: bytes = b"",
        ask: Asker = no_questions,
    ) -> Attempt:
        operator = self._directory.record(claimant.name)
        return Attempt(claimant, operator, self._untimely(method, claimant, shown), key, ask)

    async def _questioned(
        self, method: AuthMethod, claimant: Claimant, shown: tuple[str, ...], ask: Asker
    ) -> Verdict:
        """A refusal not before `LEAST` after the last answer."""
        clock = self._context.clock
        since = clock.seconds()

        async def timed(question: Question) -> bytes:
            nonlocal since
            answer = await ask(question)
            since = clock.seconds()
            return answer

        verdict = await method.prove(self._attempt(method, claimant, shown, ask=timed))
        assert not isinstance(verdict, Offered), "an answer is a proof by itself"
        left = since + LEAST - clock.seconds()
        if isinstance(verdict, ProofRefused) and left > 0:
            await sleep(clock, left)
        return verdict

    def _lapsed(self, claimant: Claimant, proved: Proved) -> str:
        """Why that proof would not be accepted any more; empty if it would."""
        method = self._methods.get(proved.method)
        if method is None:
            return f"there is no method {proved.method} any more"
        return method.lapsed(claimant, proved.proof, proved.limits)
