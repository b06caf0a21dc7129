"""Sockets that VMs ask for by their service URIs."""

from pathlib import Path
from typing import cast

from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.doors.programs.support import Client, Hall, entry
from vspc.config.sockets import PortRange
from vspc.config.vm_settings import ServiceSocketSettings
from vspc.console.console import Console
from vspc.doors.programs.listener import SocketError
from vspc.doors.programs.service_sockets import ServiceSockets

SETTINGS = ServiceSocketSettings(PortRange(2000, 2099), "alice")


class ServiceSocketTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.hall = Hall(Path(self.mktemp()), entry(port=4001))
        self.settings: ServiceSocketSettings | None = SETTINGS
        self.sockets = ServiceSockets(
            self.hall.roster, self.hall.clock, lambda: self.settings, self.hall.door.serve
        )
        self.hall.events.subscribe(self.sockets.on_event)

    def tearDown(self) -> None:
        self.assertEqual(self.hall.failures, 0)

    def vm(self, name: str, uri: str, number: int = 1, **more: object) -> Console:
        console, _ = self.hall.connected(name, f"{number:032x}", service_uri=uri, **more)
        self.hall.settle()
        return console

    def ports(self) -> list[int]:
        """What is listened on beside the configuration."""
        return sorted(port for _, port in self.hall.reactor.factories if port != 4001)

    def warnings(self) -> list[str]:
        return [reason for _, (_, reason) in sorted(self.sockets._told.items())]

    def test_a_vm_gets_the_socket_that_it_asks_for(self) -> None:
        console = self.vm("web01", "tcp://:2001")
        self.assertEqual(self.ports(), [2001])
        client = Client(self.hall, 2001)
        console.link.output(b"login: ")
        self.assertEqual(client.heard(), b"login: ")
        self.assertIn("alice came by tcp:127.0.0.1:2001", self.hall.logins.told)

    def test_telnet_where_the_uri_says_so(self) -> None:
        self.vm("web01", "telnet://:2001?port=com1")
        self.assertTrue(Client(self.hall, 2001).heard().startswith(b"\xff"))

    def test_other_words_and_ignored_ones_open_nothing(self) -> None:
        self.vm("web01", "vspc", 1)
        self.vm("web02", "tcp://10.0.0.1:2001", 2)
        self.settings = None
        self.vm("web03", ":2003", 3)
        self.assertEqual(self.ports(), [])

    def test_it_stays_while_the_vm_is_away_and_goes_when_it_is_forgotten(self) -> None:
        console = self.vm("web01", ":2001")
        client = Client(self.hall, 2001)
        console.link.disconnect("switched off")
        self.hall.settle()
        self.assertFalse(client.closed)
        self.hall.roster.forget(console)
        self.hall.settle()
        self.assertEqual(self.ports(), [])
        self.assertTrue(client.closed)

    def test_the_first_that_asked_keeps_the_port(self) -> None:
        first = self.vm("web02", ":2001", 2)
        self.vm("web01", ":2001", 1)
        client = Client(self.hall, 2001)
        first.link.output(b"first")
        self.assertEqual(client.heard(), b"first")
        self.assertEqual(self.warnings(), ["another console has it"])

    def test_a_vm_that_asks_for_another_port(self) -> None:
        console = self.vm("web01", ":2001")
        console.service_uri = ":2002"
        console.link.disconnect("switched off")
        self.hall.connected("other", f"{9:032x}")
        self.hall.settle()
        self.assertEqual(self.ports(), [2002])

    def test_ports_outside_of_the_range(self) -> None:
        self.vm("web01", ":4002")
        self.assertEqual(self.ports(), [])
        self.assertEqual(self.warnings(), ["it is not in vm.service_socket.ports"])

    def test_a_port_of_another_program_costs_the_others_nothing(self) -> None:
        self.hall.reactor.busy.add(2002)
        for number, uri in enumerate((":2001", ":2002", ":2003"), 1):
            self.hall.connected(f"web0{number}", f"{number:032x}", service_uri=uri)
        self.hall.settle()
        self.assertEqual(self.ports(), [2001, 2003])
        self.assertIn("Address already in use", self.warnings()[0])

    def test_a_reload_of_the_configuration_leaves_them_open(self) -> None:
        self.vm("web01", ":2001")
        client = Client(self.hall, 2001)
        self.hall.reload(entry(port=4001), entry(port=4002))
        self.sockets.update()
        self.assertEqual(self.ports(), [2001, 4002])
        self.assertFalse(client.closed)
        self.settings = ServiceSocketSettings(PortRange(3000, 3010), "alice")
        self.sockets.update()
        self.assertEqual(self.ports(), [4002])
        self.assertTrue(client.closed)

    def test_what_could_not_be_opened_is_not_asked_for_again_by_the_door(self) -> None:
        self.hall.reactor.busy.add(2002)
        asked = SETTINGS.socket("web01", 2002, False, False)
        self.assertRaises(SocketError, self.hall.door.serve, (asked,))
        self.hall.reload(entry(port=4001))

    def test_however_many_are_refused_each_is_logged_once_while_its_console_is_there(self) -> None:
        logged: list[object] = []

        def keep(event: LogEvent) -> None:
            if event.get("log_format") == "service-socket-refused":
                logged.append(event["console"])

        observer = cast(ILogObserver, keep)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        names = [f"web{number}" for number in range(1, 5)]
        consoles = [self.vm(name, ":9", number) for number, name in enumerate(names, 1)]
        self.assertEqual(logged, names)
        self.hall.roster.forget(consoles[0])
        self.hall.settle()
        self.vm(names[0], ":9", 1)
        self.assertEqual(logged, [*names, names[0]])
