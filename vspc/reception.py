"""What an operator gets for what he asked: a verb, a console, the chooser."""

from collections.abc import Callable

from attrs import define, evolve

from vspc.console.access import NOTHING, Operator, Rights, Subject
from vspc.console.console import Console
from vspc.console.happenings import Happenings
from vspc.console.ports import Channel
from vspc.console.session import Session
from vspc.listing import Listing
from vspc.ssh.chooser import Chooser, Row, Visit
from vspc.ssh.logins import Exec, Forward, Login, Request, Shell
from vspc.text import safe
from vspc.verbs import console as console_verb
from vspc.verbs import raw as raw_verb
from vspc.verbs.call import DENIED, DONE, USAGE, Call, World, complain
from vspc.verbs.console import BadOption, Options
from vspc.verbs.naming import names_one
from vspc.verbs.table import REASON, VERBS, BadLine, run_words, split
from vspc.verbs.words import BadWord

_WITH_TEXT = frozenset({"expect", "kick", "msg", "note"})
"""Verbs that can do nothing with a console alone."""

_OF_SERVER = frozenset({"--session", "--operator", "--all-writers"})
"""Options with which a verb is about the whole server."""


@define(eq=False)
class Reception:
    """Starts what runs on a channel. `current`: what an operator is now, as reloads change it."""

    world: World
    happenings: Happenings
    current: Callable[[Operator], Operator | None]

    def start(self, channel: Channel, login: Login, request: Request) -> None:
        """The door's `Start`."""
        operator = self.current(login.session.operator)
        if operator is None:  # a reload took him away after he had logged in
            complain(channel, "you are no longer an operator here")
            channel.finish(DENIED)
            return
        call = Call(self.world, evolve(login.session, operator=operator), channel)
        match request:
            case Forward(host):
                self._forward(call, login, host)
            case _ if login.limits.command is not None:
                self._forced(call, login, login.limits.command, request)
            case Exec():
                self._exec(call, login, request)
            case Shell():
                self._shell(call, login)

    def local(self, channel: Channel, session: Session, words: list[str]) -> None:
        """A verb from the control socket."""
        run_words(Call(self.world, session, channel), words)

    def _forced(self, call: Call, login: Login, command: str, request: Request) -> None:
        """What the key, or the certificate, is for, whatever is asked.

        A verb and a glob of consoles leave the rest to who asks: he may say the same verb, and no
        other console exists for him.
        """
        try:
            words = split(command)
            is_glob = len(words) == 2 and _is_glob(words[1])
            asked = _asked(login, request) if is_glob else []
        except BadLine as mistake:
            call.fail(USAGE, str(mistake))
            return
        if is_glob:
            call = _among(call, (words[1],))
            said = asked[1:] if asked and asked[0].startswith(REASON) else asked
            if said[:1] == words[:1] and not _of_server(said):
                words = asked
            elif words[0] in _WITH_TEXT:
                usage = VERBS[words[0]].usage.partition(" |")[0]
                what = f"this key may do nothing but {usage}, where NAME is among {safe(words[1])}"
                evolve(call, verb=words[0]).fail(DENIED, what)
                return
        run_words(call, words)

    def _forward(self, call: Call, login: Login, host: str) -> None:
        call = evolve(call, verb=raw_verb.FORWARD)
        limits = login.limits
        if not limits.forwarding or (limits.command is not None and limits.opens is None):
            call.fail(DENIED, "this key may not forward")
            return
        if limits.opens is not None:
            call = _among(call, limits.opens)
        try:
            chosen = console_verb.options(login.options)
        except BadOption as mistake:
            call.fail(USAGE, str(mistake))
            return
        raw_verb.attach(call, host, chosen)

    def _exec(self, call: Call, login: Login, request: Exec) -> None:
        try:
            words = _asked(login, request)
        except BadLine as mistake:
            call.fail(USAGE, str(mistake))
        else:
            run_words(call, words)

    def _shell(self, call: Call, login: Login) -> None:
        if login.target:
            console_verb.run(call.saying(login.target, *login.options))
            return
        try:
            options = console_verb.options(login.options)
        except BadOption as mistake:
            call.fail(USAGE, str(mistake))
            return
        if call.channel.terminal is None:
            call.fail(USAGE, "without a terminal say a verb:", *(v.usage for v in VERBS.values()))
        else:
            self._choose(call, options)

    def _choose(
        self, call: Call, options: Options, remark: str = "", visit: Visit | None = None
    ) -> None:
        """The chooser, and the console chosen; it comes back to the chooser, as that was then."""
        unsubscribe: Callable[[], None] = lambda: None  # noqa: E731

        listing = Listing()

        def rows() -> list[Row]:
            return listing.rows(call.readable(), self.world.clock.wall())

        def chosen(picked: Row) -> None:
            unsubscribe()
            assert isinstance(picked.key, Console)
            here = Visit(picked, chooser.filter)
            if not call.may_read(picked.key):  # it, or the rules, changed since it was shown
                self._choose(call, options, visit=here)
                return

            def again(why: str) -> None:
                self._choose(call, options, why, here)

            console_verb.attach(call, picked.key, options, left=again)

        def left() -> None:
            unsubscribe()
            call.channel.finish(DONE)

        chooser = Chooser(call.channel, self.world.clock, rows, chosen, left, "vspc", remark, visit)
        unsubscribe = self.happenings.subscribe(lambda _happening: chooser.changed())
        call.channel.start(chooser)


def _asked(login: Login, request: Request) -> list[str]:
    """The words of a verb: those of a command, or the console for which a shell stands. In
    `ssh alice+web01@host info` the login has named the console already. Raises `BadLine`.
    """
    if not isinstance(request, Exec):
        return ["console", login.target, *login.options] if login.target else []
    words = split(_text(request.line))
    why = words[:1] if words and words[0].startswith(REASON) else []
    said = words[len(why) :]
    if login.target and said and _wants_one(said, login.target):
        said.insert(1, login.target)
        if said[0] in ("console", "raw"):
            said += login.options
    return why + said


def _wants_one(said: list[str], target: str) -> bool:
    try:
        return not names_one(said[0], tuple(said[1:]), target)
    except BadWord as mistake:
        raise BadLine(str(mistake)) from None


def _text(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape")


def _is_glob(word: str) -> bool:
    return any(letter in word for letter in "*?[")


def _among(call: Call, patterns: tuple[str, ...]) -> Call:
    """The same where no console exists but those that match one of `patterns`."""
    every, session = call.world.rights, evolve(call.session, among=patterns)

    def rights(operator: Operator, subject: Subject) -> Rights:
        return every(operator, subject) if session.sees(subject) else NOTHING

    return evolve(call, world=evolve(call.world, rights=rights), session=session)


def _of_server(words: list[str]) -> bool:
    return any(word.partition("=")[0] in _OF_SERVER for word in words)
