"""An ESXi to test and demonstrate against; shares no line with the rest.

From below: `wire` is telnet, `extension` VMware's codes, `options`, `authentication` and `comport`
what is negotiated. `host` is one connection of one VM, `dialogue` what it says in the extension,
`outlet` where it writes to. `uart`, `flow` and `counters` are a VM's serial port, `plan` and
`migration` one vMotion, `placement` (with `retry`) where the port is connected, `vm` a VM as far as
one port goes, `machine` a VM with all of them, `fleet` all VMs and their hosts. `liars` are hosts
that lie, `witness` what has no VM behind it. `guest` (with `printer`, `editor`, `commands`,
`readers`) is a toy that runs in a VM, `remote_guest` a real one. `control` takes commands, which
are in `vm_commands`, `host_commands`, `lie_commands` and made of `words`; `command` is the command
line, `program` the one module that knows a reactor.

Everything but `program` is handed its clock and its connections. A unit test without sockets:

    clock = Clock()
    network = Network(clock, accept)            # vspc.simulator.memory; accept(source) -> Protocol
    vm = VirtualMachine(identity("web1"), clock, network.connect, ToyGuest(clock, "web1"))
    vm.power_on()
    clock.advance(0)                            # the dialogue is over, the guest has booted
    moving = vm.migrate("127.0.0.2", transfer=0.0)
    clock.advance(0)                            # moving has fired with a Report
    vm.stats()["sha256_in"]                     # of all that was typed at it

To have a connection alone, without a VM, make a `HostConnection(port, clock, Settings())` with a
`port` of the test's own (`vspc.simulator.port.Port`), and join it to a server's protocol.
"""
