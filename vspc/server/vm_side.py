"""The VMs' side: the listeners with the rules, TLS and allowed hosts of each zone, and what the
server connects to.

A reload changes all of it but the listeners themselves, which need a restart.
"""

import socket
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from attrs import define, field
from twisted.internet.protocol import Factory

from vspc.apps.doctor.facts import Setup
from vspc.common.clock import rfc3339
from vspc.config import Config
from vspc.config.dial_allow import DialAllow
from vspc.config.dials import dialled
from vspc.config.vm_settings import ZoneSettings
from vspc.console.identity import Takeover
from vspc.console.ports import Line
from vspc.net.certificates import Validity, presented_host, validity_of
from vspc.net.fair_tls import DiagnosedTlsFactory
from vspc.net.limits import Allow, Refusals
from vspc.net.tls import Pair, ServerTls, thumbprint
from vspc.vm.context import ANYWHERE, Zone
from vspc.vm.dial import Diallers, Plan
from vspc.vm.lines.comport import ComPortTerms
from vspc.vm.lines.vmware import Terms
from vspc.vm.listen import ConnectionFilter, GuardedFactory, plain_factory, vmware_factory
from vspc.vm.server import LineServer
from vspc.wire.uri import SOCKET_URIS

Listener = tuple[str, Factory, str]
"""An endpoint string, what listens there, and its name in the log."""

_NOWHERE = Allow(())


@define(eq=False)
class _ZoneState:
    """What a reload changes of one zone."""

    zone: Zone
    tls: ServerTls
    filters: list[ConnectionFilter] = field(factory=list)
    start_tls: str = "off"
    terms: Terms | None = None  # one for all its lines, of the settings in `terms_of`
    terms_of: object = None


@define(eq=False)
class VmSide:
    """Everything that VMs connect to. `config` returns the configuration in force."""

    config: Callable[[], Config]
    server: LineServer
    now: Callable[[], float]
    refusals: Refusals
    diallers: Diallers
    _dialled: list[Plan] = field(factory=list, init=False)  # when it starts
    _validity: Validity | None = field(default=None, init=False)  # of the certificate in force
    _thumbprint: str = field(default="", init=False)
    _host: str = field(default="", init=False)  # by which ESXi hosts reach this machine, probably
    _zones: dict[str, _ZoneState] = field(factory=dict, init=False)
    _plain: dict[str, ConnectionFilter] = field(factory=dict, init=False)

    def listeners(self, pair: Pair) -> list[Listener]:
        """Every listener of the configuration in force. TlsError."""
        config, found = self.config(), list[Listener]()
        for settings in config.vm.zones:
            found += self._zone(settings, pair)
        for plain in config.vm.plain:
            factory = plain_factory(self.server, plain.name, plain.telnet)
            key = f"the allow of [[vm.plain]] {plain.name}, or vm.allow,"
            what = f"plain {plain.name}"
            connection_filter = self._plain[plain.name] = self._filter(key)
            found.append(
                (plain.listen, GuardedFactory(connection_filter, what, factory, self.server), what)
            )
        self._dialled = self.diallers.prepare(dialled(config))
        self._apply(config)
        self._present(pair)
        return found

    def _present(self, pair: Pair) -> None:
        self._validity = validity_of(pair.certificate)
        self._thumbprint = thumbprint(pair)
        self._host = presented_host(pair.certificate) or socket.gethostname()

    def start(self) -> None:
        """Connect to what the configuration names."""
        self.diallers.apply(self._dialled)

    def stop(self, continues: Callable[[Line], bool]) -> None:
        """Connect no more; every line is closed that does not continue in another process."""
        self.diallers.stop()
        self.server.close(continues)

    def _zone(self, settings: ZoneSettings, pair: Pair) -> list[Listener]:
        state = _ZoneState(Zone(settings.name), ServerTls(pair, settings.client_ca))
        self._zones[settings.name] = state

        def terms() -> Terms:
            return self._terms(state)

        found = list[Listener]()
        for description in settings.telnet:
            factory: Factory = vmware_factory(self.server, terms, False, state.zone)
            found.append(self._guarded(state, description, factory, "telnet"))
        for description in settings.telnets:
            factory = vmware_factory(self.server, terms, True, state.zone)
            wrapped = DiagnosedTlsFactory(state.tls, False, factory)
            found.append(self._guarded(state, description, wrapped, "telnets"))
        return found

    def _terms(self, state: _ZoneState | None) -> Terms:
        """Those of a zone in force; of one that is not in the configuration any more, without
        TLS.
        """
        vm = self.config().vm
        if state is not None and state.terms is not None and state.terms_of is vm:
            return state.terms
        port = ComPortTerms(vm.com_port, vm.break_ == "comport")
        allow = DialAllow(vm.dial_allow)
        uris = vm.service_uris + (SOCKET_URIS if vm.service_sockets == "open" else ())
        if state is None:
            return Terms(uris, self.now, port=port, dial_allow=allow)
        state.terms_of = vm
        state.terms = Terms(uris, self.now, state.start_tls, state.tls, port, allow)
        return state.terms

    def terms_of(self, zone: Zone) -> Terms:
        """What counts for the lines of `zone`."""
        return self._terms(self._zones.get(zone.name))

    def zones(self) -> dict[str, Zone]:
        """Those of the configuration that this process was started with, by name."""
        return {name: state.zone for name, state in self._zones.items()}

    def _guarded(self, state: _ZoneState, description: str, factory: Any, what: str) -> Listener:
        name = state.zone.name
        is_default = name == Zone().name
        key = "vm.allow" if is_default else f"the allow of [[vm.zone]] {name}"
        connection_filter = self._filter(key)
        state.filters.append(connection_filter)
        shown = what if is_default else f"{what} {name}"
        return description, GuardedFactory(connection_filter, shown, factory, self.server), shown

    def _filter(self, key: str) -> ConnectionFilter:
        return ConnectionFilter(_NOWHERE, self.refusals, self.now, key)

    def reload(self, config: Config, pair: Pair) -> None:
        """`config` will be in force. Raises `TlsError`, and nothing is changed then."""
        fresh = [
            (state, settings, ServerTls(pair, settings.client_ca))
            for settings in config.vm.zones
            if (state := self._zones.get(settings.name)) is not None
        ]
        plans = self.diallers.prepare(dialled(config))
        for state, settings, _ in fresh:
            state.tls.take(pair, settings.client_ca)
        self._apply(config)
        self.diallers.apply(plans)
        self._present(pair)

    def setup(self) -> Setup:
        """For `doctor`."""
        return Setup.of(self.config(), self._host, self._thumbprint)

    @property
    def validity(self) -> Validity | None:
        """Of the certificate of the listeners."""
        return self._validity

    def condition(self, now: float) -> dict[str, object]:
        """For `status`. The certificate is that of the listeners; `now`: seconds since 1970."""
        return {
            "certificate": None if self._validity is None else _certificate(self._validity, now),
            "lines": {
                "all": len(self.server.sessions),
                "unidentified": len(self.server.unidentified),
            },
            "dialled": self.diallers.condition(),
        }

    def _apply(self, config: Config) -> None:
        for settings in config.vm.zones:
            state = self._zones.get(settings.name)
            if state is None:
                continue  # its listeners need a restart
            state.zone.takeover = Takeover(settings.takeover)
            peers = settings.vmotion_peers
            state.zone.targets = Allow(ANYWHERE if peers is None else peers)
            state.start_tls, state.terms = settings.tls, None
            for connection_filter in state.filters:
                connection_filter.allow = Allow(settings.allow)
                connection_filter.balancers = Allow(settings.proxy_protocol_from)
        for plain in config.vm.plain:
            if plain.name in self._plain:
                own = config.vm.allow if plain.allow is None else plain.allow
                self._plain[plain.name].allow = Allow(own)


def _certificate(validity: Validity, now: float) -> dict[str, object]:
    moment = datetime.fromtimestamp(now, UTC)
    return {
        "not_before": rfc3339(validity.not_before.timestamp()),
        "not_after": rfc3339(validity.not_after.timestamp()),
        "days_left": validity.days_left(moment),
        "problem": validity.problem(moment),
    }
