"""How a virtual serial port is set up, as an administrator does it in vSphere."""

import random

from attrs import frozen
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator


@frozen
class Settings:
    """One port's settings, and how its connections behave.

    `direction` is "S" (server) or "C" (client), `service_uri` free text. `tls` is what TLS inside
    a telnet connection is begun with; None: the host declines. `chop` splits and joins every
    write; None: written as it is said. `port` is what commands call the port, beside its number.
    """

    direction: str = "S"
    service_uri: str = "vspc"
    tls: IOpenSSLClientConnectionCreator | None = None
    chop: random.Random | None = None
    port: str = "1"
