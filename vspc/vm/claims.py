"""What a line says of itself, or what a vMotion proves of it, as a claim."""

from sys import intern

from vspc.console.console import Console
from vspc.console.identity import Claim
from vspc.vm.line_observer import VmLine
from vspc.vm.registration import Joined
from vspc.vm.zone import Zone


def said(joined: Joined, line: VmLine, zone: Zone) -> Claim:
    """The claim of a line that has registered."""
    return Claim(
        zone.name,
        joined.uuid,
        joined.uuid_kind,
        joined.name,
        line.address,
        line.provenance,
        intern(joined.service_uri),
        joined.port_label,
    )


def proved(console: Console, line: VmLine, zone: Zone) -> Claim:
    """The claim of the target of a vMotion: it is the VM of `console`."""
    vm = console.vm
    return Claim(
        zone.name,
        vm.uuid,
        vm.identity.kind,
        vm.said_name,
        line.address,
        line.provenance,
        console.service_uri,
        console.label,
    )
