"""An ESXi to test and demonstrate against; shares no line with the rest.

From below: `telnet` is the wire and its options, `extension` VMware's, `transport` what a
connection writes to and its TLS; `host` is one connection of one VM. `serial_port` is a VM's UART
with its counters, `migration` one vMotion, `vm` a VM as far as one port goes, `fleet` whole VMs
and their hosts. `impostors` claim what they are not. `guest` (with `guest_terminal` and
`guest_commands`) is a toy system that runs in a VM, `remote_guest` the port of a real one.
`control` takes commands; `arguments` is the command line, `program` the one module with a reactor.
`demo` is `make demo`.

Everything but `program` is handed its clock and its connections. A unit test without sockets:

    clock = Clock()
    network = Network(clock, accept)            # tests.simulator.memory; accept(source) -> Protocol
    vm = SimulatedPort(identity("web1"), clock, network.connect, ToyGuest(clock, "web1"))
    vm.power_on()
    clock.advance(0)                            # the dialogue is over, the guest has booted
    moving = vm.migrate("127.0.0.2", transfer=0.0)
    clock.advance(0)                            # moving has fired with a Report
    vm.stats()["sha256_in"]                     # of all that was typed at it

To have a connection alone, without a VM, make a `HostConnection(port, clock, Settings())` with a
`Port` of the test's own (`vspc.simulator.host.Port`), and join it to a server's protocol.
"""
