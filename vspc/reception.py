"""What an operator gets for what he asked: a verb, a console, the chooser."""

from collections.abc import Callable, Mapping

from attrs import define

from vspc.console.access import Operator
from vspc.console.console import Console
from vspc.console.happenings import Happenings
from vspc.console.ports import Channel
from vspc.console.resolve import sort_key
from vspc.reload import LOCAL
from vspc.ssh.chooser import Chooser, Row
from vspc.ssh.logins import Exec, Forward, Login, Request, Shell
from vspc.verbs import console as console_verb
from vspc.verbs import raw as raw_verb
from vspc.verbs.call import DENIED, DONE, USAGE, Call, World, complain, handle_of
from vspc.verbs.console import BadOption, Options
from vspc.verbs.describe import readers
from vspc.verbs.table import VERBS, BadLine, run_words, split

_NAME_VERBS = frozenset({"console", "raw", "info", "break", "log", "boots", "export", "note"})


@define(eq=False)
class Reception:
    """Starts what runs on a channel. `operators` is asked anew for each: a reload may change it."""

    world: World
    happenings: Happenings
    operators: Callable[[], Mapping[str, Operator]]

    def start(self, channel: Channel, login: Login, request: Request) -> None:
        """The door's `Start`."""
        operator = self.operators().get(login.operator)
        if operator is None:  # a reload took him away after he had logged in
            complain(channel, "you are no longer an operator here")
            channel.finish(DENIED)
            return
        call = Call(self.world, operator, channel, ())
        match request:
            case Forward(host):
                self._forward(call, login, host)
            case Exec(line):
                self._exec(call, login, line)
            case Shell():
                self._shell(call, login)

    def local(self, channel: Channel, words: list[str]) -> None:
        """A verb from the control socket."""
        run_words(Call(self.world, LOCAL, channel, ()), words)

    def _forward(self, call: Call, login: Login, host: str) -> None:
        try:
            chosen = console_verb.options(login.options)
        except BadOption as mistake:
            call.fail(USAGE, str(mistake))
            return
        raw_verb.attach(call, host, chosen)

    def _exec(self, call: Call, login: Login, line: bytes) -> None:
        try:
            words = split(line.decode("utf-8", "surrogateescape"))
        except BadLine as mistake:
            call.fail(USAGE, str(mistake))
            return
        # `ssh alice+web01@host info`: the login has named the console already.
        if login.target and words and words[0] in _NAME_VERBS and not _names_one(words):
            words.insert(1, login.target)
            if words[0] in ("console", "raw"):
                words += login.options
        run_words(call, words)

    def _shell(self, call: Call, login: Login) -> None:
        if login.target:
            console_verb.run(
                Call(call.world, call.operator, call.channel, (login.target, *login.options))
            )
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

    def _choose(self, call: Call, options: Options) -> None:
        unsubscribe: Callable[[], None] = lambda: None  # noqa: E731

        def rows() -> list[Row]:
            now = self.world.clock.wall()
            return [row(console, now) for console in sorted(call.readable(), key=sort_key)]

        def chosen(picked: Row) -> None:
            unsubscribe()
            assert isinstance(picked.key, Console)
            if not call.may_read(picked.key):  # it, or the rules, changed since it was shown
                self._choose(call, options)
                return
            console_verb.attach(call, picked.key, options, left=again)

        def left() -> None:
            unsubscribe()
            call.channel.finish(DONE)

        def again() -> None:
            self._choose(call, options)

        chooser = Chooser(call.channel, self.world.clock, rows, chosen, left, "vspc")
        unsubscribe = self.happenings.subscribe(lambda _happening: chooser.changed())
        call.channel.start(chooser)


def _names_one(words: list[str]) -> bool:
    """Whether the words of a verb name a console: the first behind it is no option."""
    return len(words) > 1 and not console_verb.is_option(words[1])


def row(console: Console, now: float) -> Row:
    """A console as the chooser shows it."""
    silent = None if console.last_output is None else now - console.last_output
    return Row(
        handle=handle_of(console),
        name=console.title,
        state=console.state.value,
        writer=console.pen.operator.name if console.pen else None,
        readers=len(readers(console)),
        idle=silent,
        address=console.line.address if console.line else "",
        key=console,
    )
