"""`require` and what operators have for it: a proof that is required must be there to be given."""

import re
from collections.abc import Callable, Iterator, Sequence

from attrs import frozen

from vspc.common.values import InvalidValue
from vspc.config.credentials import AuthorizedKey
from vspc.config.keyoptions import limited
from vspc.config.mistakes import Finding, Tainted, choice, join, shown
from vspc.config.settings import CertificateSettings, Config, OperatorSettings

NAMED = 10
"""Keys with options of no effect that are named for one operator."""

_ODD_TOKEN = re.compile(r"(?<!%)(?:%%)*+(%(?![%ufkt]).?)", re.DOTALL)


@frozen
class MethodSettings:
    """What the configuration has to do with one authentication method.

    `word` stands for it in `require`. `keys` are the key paths that `available` looks at, with the
    operator's table for {}, and `needed` says what to do if an operator has nothing for it.
    """

    word: str
    keys: tuple[str, ...]
    needed: str
    available: Callable[[OperatorSettings, Config], bool]
    also: tuple[str, ...] = ()  # other words of `require` that it satisfies
    first: bool = True  # whether it may be the first proof
    own: str = ""  # the key of the operator's table that is of no use where `require` is without it
    unlimited: str = ""  # what else lets in without the limits that options of keys set


Methods = Sequence[MethodSettings]
"""All methods that there are, in the order in which they are preferred."""


def ways(operator: OperatorSettings, config: Config, methods: Methods) -> frozenset[str]:
    """Words of `require` that `operator` can satisfy."""
    return frozenset(each.word for each in methods if each.available(operator, config))


def conflicts(config: Config, tainted: Tainted, methods: Methods) -> Iterator[Finding]:
    """Mistakes: proofs that are required and cannot be given."""
    named = {each.word: each for each in methods}
    for name, operator in config.operators.items():
        table = join("operators", name)
        key = f"{table}.require"
        for index, word in tainted.numbered(key, operator.require):
            place = f"{key}[{index}]"
            try:
                method = named[choice(word, tuple(named))]
            except InvalidValue as wrong:
                yield place, wrong.problem, wrong.allowed
                continue
            if index == 0 and not method.first:
                # It could be guessed, and the limit of guesses would show that the operator exists.
                yield place, f"{word} cannot be the first proof", f"put a method before {word}"
            sources = (source.format(table) for source in method.keys)
            if not (method.available(operator, config) or any(map(tainted.about, sources))):
                yield place, f"the operator has nothing to show for {word}", method.needed
    command = config.ssh.authorized_keys_command
    for index, word in enumerate(command.words if command else ()):
        if index and (odd := _ODD_TOKEN.search(word)):
            allowed = "%u (the operator), %f, %k and %t (the key) and %% are allowed"
            problem = f"{shown(odd[1])} is not a token"
            yield f"ssh.authorized_keys_command[{index}]", problem, allowed


def warnings(config: Config, methods: Methods) -> Iterator[str]:
    """What is allowed and probably not meant."""
    for key in ("auth_command_groups", "auth_command_operators"):
        if getattr(config.ssh, key) and config.ssh.auth_command is None:
            yield f"ssh.{key}: without auth_command, it has no effect"
    for name, operator in config.operators.items():
        key = join("operators", name)
        has_socket = any(name == each.operator for each in config.console.listen)
        yield from (f"{key}{text}" for text in _odd(operator, config, methods, has_socket))
        yield from (f"{key}.{text}" for text in _without_effect(operator))
    yield from _certificates(config.ssh.certificates)


def _odd(
    operator: OperatorSettings, config: Config, methods: Methods, has_socket: bool
) -> Iterator[str]:
    there = [each for each in methods if each.available(operator, config)]
    if not has_socket and not any(each.first for each in there):
        yield ": no authorized key, and nothing else to show, so the operator cannot log in"
    for each in there:
        unused = each.own and each.word not in operator.require
        if unused and (operator.require or not each.first):
            yield f".{each.own}: require does not name {each.word}, so it is never asked for"
    yield from _beside_limits(operator, there)
    keyed = bool(operator.keys) and not config.ssh.certificates.keys
    if operator.verify_required and keyed and not any(_is_token(k) for k in operator.keys):
        yield ".verify_required: none of the keys is of a FIDO token, so none is accepted"


def _beside_limits(operator: OperatorSettings, there: Methods) -> Iterator[str]:
    """A method without limits beside keys that have them."""
    limits = [limited(key.options) for key in operator.keys]
    if not limits or not all(limits) or operator.require:
        return
    other = next((each.unlimited for each in there if each.unlimited), "")
    if other:
        words = ", ".join(dict.fromkeys(word for found in limits for word in found))
        how = 'require = ["publickey"] lets in by key only'
        yield f": all keys have limits ({words}), but {other} lets in without them; {how}"


def _is_token(key: AuthorizedKey) -> bool:
    return key.kind.startswith("sk-")


def _without_effect(operator: OperatorSettings) -> Iterator[str]:
    """Options of keys that are ignored, and those with which a key never logs in."""
    found = []
    for place, key in operator.placed_keys:
        if key.options.ignored:
            words = ", ".join(key.options.ignored)
            have = "option {} has" if len(key.options.ignored) == 1 else "options {} have"
            found.append(f"{place}: the {have.format(words)} no effect here")
        if key.options.sources is not None and not key.options.sources.yes:
            found.append(f"{place}: the option from only excludes, so the key is good nowhere")
    yield from found[:NAMED]
    if len(found) > NAMED:
        yield f"authorized_keys: {len(found) - NAMED} more keys have such options"


def _certificates(settings: CertificateSettings) -> Iterator[str]:
    given = {
        "map": bool(settings.map),
        "revoked": settings.revoked is not None,
        "max_validity": settings.max_validity is not None,
    }
    if not settings.keys:
        for key in (key for key, there in given.items() if there):
            yield f"ssh.certificates.{key}: without authorities, no certificate is taken"
