"""What an operator gets for what he asked: a verb, a console, the chooser."""

from collections.abc import Callable, Iterable

from attrs import define, evolve, field, frozen

from vspc.apps.attaching import AttachOptions, options
from vspc.apps.chooser.chooser import Chooser, Row, Visit
from vspc.apps.describe import readers
from vspc.apps.verbs import console as console_verb
from vspc.apps.verbs import raw as raw_verb
from vspc.apps.verbs.commandline import CommandLine, Words
from vspc.apps.verbs.context import DENIED, DONE, USAGE, Call, VerbContext, complain, handle_of
from vspc.apps.verbs.kinds import UsageError
from vspc.apps.verbs.table import (
    VERBS,
    Invocation,
    glob_of,
    overview,
    run_line,
    run_said,
    run_words,
    unknown,
)
from vspc.common.text import safe
from vspc.console.access import Operator
from vspc.console.console import Console, ConsoleState
from vspc.console.events import EventBus
from vspc.console.logins import ExecRequest, ForwardRequest, Login, Request
from vspc.console.ports import Channel
from vspc.console.resolve import NotFound, name_order
from vspc.console.session import Session

Name = tuple[str, str, str | int | None, int]
"""Zone, name, port and number: all that names and places in a list are made of."""


@frozen
class Named:
    """What goes by the name of a console, and lasts as long as that."""

    name: Name
    title: str
    handle: str
    order: str


@define(eq=False)
class Listing:
    """For one chooser, which looks again and again: names are made up once for each of them."""

    _known: dict[Console, Named] = field(factory=dict, init=False)

    def rows(self, consoles: Iterable[Console], now: float) -> list[Row]:
        """In reading order (`vspc.console.resolve.reading_order`)."""
        known = {console: self._named(console) for console in consoles}
        self._known = known
        places = sorted(
            (console.state is ConsoleState.AWAY, named.order, at)
            for at, (console, named) in enumerate(known.items())
        )
        listed = list(known.items())
        return [_row(*listed[at], now) for _, _, at in places]

    def _named(self, console: Console) -> Named:
        name = (console.vm.zone, console.name, console.port, console.number)
        known = self._known.get(console)
        if known is not None and known.name == name:
            return known
        return Named(name, console.title, handle_of(console), name_order(console))


def _row(console: Console, named: Named, now: float) -> Row:
    silent = None if console.last_output is None else now - console.last_output
    return Row(
        handle=named.handle,
        name=named.title,
        state=console.state.value,
        writer=console.pen.operator.name if console.pen else None,
        readers=len(readers(console)),
        idle=silent,
        address=console.line.address if console.line else "",
        key=console,
    )


@define(eq=False)
class Dispatcher:
    """Starts what runs on a channel. `current`: what an operator is now, as reloads change it."""

    context: VerbContext
    events: EventBus
    current: Callable[[Operator], Operator | None]

    def start(self, channel: Channel, login: Login, request: Request) -> None:
        """The door's `Start`."""
        operator = self.current(login.session.operator)
        if operator is None:  # a reload took him away after he had logged in
            complain(channel, "you are no longer an operator here")
            channel.finish(DENIED)
            return
        session = evolve(login.session, operator=operator)
        try:
            chosen = options(login.options)
        except UsageError as mistake:
            complain(channel, f"login: {mistake}")
            channel.finish(USAGE)
            return
        session = evolve(session, read_only=chosen.read_only)
        call = Call(self.context, session, channel, options=chosen)
        match request:
            case ForwardRequest(host):
                self._forward(call, login, host)
            case _ if login.limits.command is not None:
                self._forced(call, login, login.limits.command, request)
            case _:
                self._asked(call, login, request)

    def local(self, channel: Channel, session: Session, words: list[str]) -> None:
        """A verb from the control socket."""
        run_words(Call(self.context, session, channel), words)

    def _forced(self, call: Call, login: Login, command: str, request: Request) -> None:
        """What the key, or the certificate, is for, whatever is asked.

        A verb and a glob of consoles leave the rest to who asks: he may say the same verb, and no
        other console exists for him.
        """
        glob = glob_of(command)
        if glob is None:
            run_line(call, command)
            return
        call = _among(call, (glob,))
        verb = Invocation.of(CommandLine(command)).verb
        try:
            said = _said(login, request)
        except UsageError as mistake:
            call.fail(USAGE, str(mistake))
            return
        grammar = VERBS[verb].grammar
        if said is not None and said.verb == verb:
            run_said(evolve(call, target=login.target or None), said)
        elif grammar.needs_more:
            usage = grammar.usage.partition(" |")[0]
            what = f"this key may do nothing but {usage}, where NAME is among {safe(glob)}"
            evolve(call, verb=verb).fail(DENIED, what)
        else:
            run_line(call, command)

    def _forward(self, call: Call, login: Login, host: str) -> None:
        call = evolve(call, verb=raw_verb.FORWARD)
        limits = login.limits
        if not limits.forwarding or (limits.command is not None and limits.opens is None):
            call.fail(DENIED, "this key may not forward")
            return
        if limits.opens is not None:
            call = _among(call, limits.opens)
        raw_verb.attach(call, host, call.options)

    def _asked(self, call: Call, login: Login, request: Request) -> None:
        """A verb, or what stands for one."""
        try:
            said = _said(login, request)
        except UsageError as mistake:
            call.fail(USAGE, str(mistake))
            return
        if said is not None and _is_console(call, login, said):
            if call.channel.terminal is None:
                hint = "it names a console, to which `ssh -t` attaches"
                call.fail(USAGE, f"{unknown(said.verb)}; {hint}")
                return
            # `ssh -t HOST NAME`
            run_said(evolve(call, target=said.verb), evolve(said, verb="console"))
        elif said is not None:
            run_said(evolve(call, target=login.target or None), said)
        elif call.channel.terminal is None:
            call.fail(USAGE, "without a terminal a verb is needed", *overview().splitlines())
        else:
            self._choose(call, call.options)

    def _choose(
        self, call: Call, options: AttachOptions, remark: str = "", visit: Visit | None = None
    ) -> None:
        """The chooser, and the console chosen; it comes back to the chooser, as that was then."""
        unsubscribe: Callable[[], None] = lambda: None  # noqa: E731

        listing = Listing()

        def rows() -> list[Row]:
            return listing.rows(call.readable(), self.context.clock.wall())

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

        chooser = Chooser(
            call.channel, self.context.clock, rows, chosen, left, "vspc", remark, visit
        )
        unsubscribe = self.events.subscribe(lambda _happening: chooser.changed())
        call.channel.start(chooser)


def _said(login: Login, request: Request) -> Invocation | None:
    """The verb of a command, or `console` for the shell of a login that names one; None for one
    that names none. Raises `UsageError`.
    """
    if isinstance(request, ExecRequest):
        return Invocation.of(CommandLine(request.line.decode("utf-8", "surrogateescape")))
    return Invocation("", "console", Words(())) if login.target else None


def _is_console(call: Call, login: Login, said: Invocation) -> bool:
    """Whether a console's name is said where a verb should stand."""
    if said.verb in VERBS or not said.verb or login.target:
        return False
    return call.context.roster.resolve(said.verb, call.may_read) != NotFound()


def _among(call: Call, patterns: tuple[str, ...]) -> Call:
    """The same where no console exists but those that match one of `patterns`."""
    return evolve(call, session=evolve(call.session, among=patterns))
