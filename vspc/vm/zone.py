"""A zone of VMs: hosts that trust each other as far as its configuration says."""

from ipaddress import ip_network

from attrs import define, field

from vspc.console.identity import DEFAULT_ZONE
from vspc.console.takeover import Takeover
from vspc.net.limits import Allow

ANYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))
"""What `vmotion_peers` is where the configuration does not say: `allow` was asked already."""


@define(eq=False)
class Zone:
    """What lines of one zone are judged by. A reload changes it in place.

    `targets` are the hosts that may be the target of a vMotion here (`vmotion_peers`).
    """

    name: str = DEFAULT_ZONE
    takeover: Takeover = Takeover.PROBE
    targets: Allow = field(factory=lambda: Allow(ANYWHERE))
