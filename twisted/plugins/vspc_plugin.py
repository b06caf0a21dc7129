"""`twistd vspc`: names the service maker and nothing else."""

from twisted.application.service import ServiceMaker

vspc_service = ServiceMaker(  # type: ignore[no-untyped-call]
    "vspc",
    "vspc.cli.tap",
    "A console access server for virtual machines (VMware vSPC with an SSH front door)",
    "vspc",
)
