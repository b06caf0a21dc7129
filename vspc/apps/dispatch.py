"""What runs for a request: a verb, a console, the chooser. Every door starts programs here."""

from attrs import Factory, define, evolve, field

from vspc.apps.chooser.consoles import ConsoleChooser
from vspc.apps.chooser.listing import ConsoleRows
from vspc.apps.verbs import console as console_verb
from vspc.apps.verbs import raw as raw_verb
from vspc.apps.verbs.commandline import CommandLine, Words
from vspc.apps.verbs.context import DENIED, USAGE, Call, VerbContext, complain, run_verb
from vspc.apps.verbs.kinds import UsageError
from vspc.apps.verbs.table import VERBS, Invocation
from vspc.common.text import safe
from vspc.console.logins import ExecRequest, ForwardRequest, Login, Request
from vspc.console.names import NotFound
from vspc.console.ports import Channel
from vspc.console.session import Session


@define(eq=False)
class Dispatcher:
    """Starts what runs on a channel."""

    context: VerbContext
    _rows: ConsoleRows = field(
        default=Factory(lambda self: ConsoleRows(self.context), takes_self=True), init=False
    )

    def start(self, channel: Channel, login: Login, request: Request) -> None:
        """`vspc.console.logins.Start`."""
        operator = self.context.current(login.session.operator)
        if operator is None:  # removed by a reload since the login
            complain(channel, "you are no longer an operator here")
            channel.finish(DENIED)
            return
        session = evolve(login.session, operator=operator)
        try:
            chosen = console_verb.options(login.options)
        except UsageError as mistake:
            complain(channel, f"login: {mistake}")
            channel.finish(USAGE)
            return
        session = evolve(session, read_only=chosen.has(console_verb.READ_ONLY))
        call = Call(self.context, session, channel, options=chosen)
        match request:
            case ForwardRequest(host):
                self._forward(call, login, host)
            case _ if login.limits.command is not None:
                self._forced(call, login, login.limits.command, request)
            case _:
                self._requested(call, login, request)

    def local(self, channel: Channel, session: Session, words: list[str]) -> None:
        """A verb whose words are separate, as a process has them."""
        call = Call(self.context, session, channel)
        VERBS.run_words(evolve(call, choose=ConsoleChooser(call, self._rows).resume), words)

    def _forced(self, call: Call, login: Login, command: str, request: Request) -> None:
        """The command of the key, or of the certificate, whatever is requested.

        Where it is a verb with a glob of consoles, the request may be the same verb with words of
        its own; no console exists for it that the glob does not match.
        """
        glob = VERBS.glob_of(command)
        if glob is None:
            VERBS.run_line(call, command)
            return
        call = _among(call, (glob,))
        verb = Invocation.of(CommandLine(command)).verb
        try:
            asked = _invocation(login, request)
        except UsageError as mistake:
            call.fail(USAGE, str(mistake))
            return
        grammar = VERBS[verb].grammar
        if asked is not None and asked.verb == verb:
            VERBS.run(evolve(call, target=login.target or None), asked)
        elif grammar.needs_more:
            usage = grammar.usage.partition(" |")[0]
            what = f"this key may do nothing but {usage}, where NAME is among {safe(glob)}"
            evolve(call, verb=verb).fail(DENIED, what)
        else:
            VERBS.run_line(call, command)

    def _forward(self, call: Call, login: Login, host: str) -> None:
        call = evolve(call, verb=raw_verb.FORWARD)
        limits = login.limits
        if not limits.forwarding or (limits.command is not None and limits.opens is None):
            call.fail(DENIED, "this key may not forward")
            return
        if limits.opens is not None:
            call = _among(call, limits.opens)
        run_verb(call, raw_verb.attach(call, host, call.options), attaches=True)

    def _requested(self, call: Call, login: Login, request: Request) -> None:
        """A verb, a console by its name alone, or the chooser."""
        call = evolve(call, choose=ConsoleChooser(call, self._rows).resume)
        try:
            asked = _invocation(login, request)
        except UsageError as mistake:
            call.fail(USAGE, str(mistake))
            return
        if asked is not None and _is_console(call, login, asked):
            if call.channel.terminal is None:
                hint = "it is the name of a console; attaching to one needs a terminal"
                call.fail(USAGE, f"unknown verb {safe(asked.verb)!r}: {hint}")
                return
            VERBS.run(evolve(call, target=asked.verb), evolve(asked, verb="console"))
        elif asked is not None:
            VERBS.run(evolve(call, target=login.target or None), asked)
        elif call.channel.terminal is None:
            call.fail(USAGE, "without a terminal a verb is needed", *VERBS.overview().splitlines())
        else:
            self._choose(call)

    def _choose(self, call: Call) -> None:
        """The console that a restart of the server took the operator from, or the chooser."""
        chooser = ConsoleChooser(call, self._rows)
        taken = self.context.interruptions.take(call.operator.name)
        console = None if taken is None else self.context.roster.get(taken.console)
        if taken is None or console is None or not call.may_read(console):
            chooser.show()
        else:
            call.remark(f"{safe(console.title)}: you were here when the server restarted")
            chooser.go_on(console, min(taken.offset, console.history.end))


def _invocation(login: Login, request: Request) -> Invocation | None:
    """The verb of a command, or `console` for the shell of a login that names one; None for one
    that names none. Raises `UsageError`.
    """
    if isinstance(request, ExecRequest):
        return Invocation.of(CommandLine(request.line.decode("utf-8", "surrogateescape")))
    return Invocation("", "console", Words(())) if login.target else None


def _is_console(call: Call, login: Login, asked: Invocation) -> bool:
    """Whether the first word is not a verb, but the name of a console."""
    if asked.verb in VERBS or not asked.verb or login.target:
        return False
    return call.context.roster.resolve(asked.verb, call.may_read) != NotFound()


def _among(call: Call, patterns: tuple[str, ...]) -> Call:
    """The same where no console exists but those that match one of `patterns`."""
    return evolve(call, session=evolve(call.session, among=patterns))
