"""Why keywords and kinds of consoles of conserver.cf have no counterpart here, or need none."""

from collections.abc import Mapping
from types import MappingProxyType

Why = Mapping[str, str]

NOT_ONE_OPERATOR = "not the name of one operator here; name operators, or give them a group"

TYPES = "access, break, config, console, default, group and task are known"

KINDS = "host and uds become [[dial]]"

KINDS_LOST: Why = MappingProxyType(
    {
        "": "it has no type",
        "device": "a serial device of this machine; serve it with ser2net and dial rfc2217://",
        "exec": "vspc starts no programs; dial what the program connects to",
        "ipmi": "IPMI is not spoken here; serve `ipmiconsole` on a unix socket with socat",
        "noop": "it is a placeholder",
    }
)

TAKEN = frozenset(
    {"type", "host", "port", "portbase", "portinc", "protocol", "uds", "udssubst", "replstring"}
    | {"logfile", "baud", "parity", "device", "devicesubst", "exec", "execrunas", "execsubst"}
    | {"username", "password", "ipmikg", "ipmiciphersuite", "ipmiprivlevel", "ipmiworkaround"}
)
"""Keywords of consoles whose remark, if any, is that about the type of the console."""

OFF_IF_EMPTY = frozenset({"aliases", "break", "breaklist", "idlestring", "initcmd", "motd"})
"""Keywords whose null string only clears what an earlier one said."""

OPTIONS_LOST: Why = MappingProxyType(
    {
        "login": "to keep operators off a console, give them no rights",
        "striphigh": "all eight bits pass",
        "unloved": "`vspc log -f` follows output without an attachment",
    }
)

CONSOLE_LOST: Why = MappingProxyType(
    {
        "aliases": "a console has one name; a unique prefix of it selects it, too",
        "break": "^Ecl0 sends a BREAK",
        "breaklist": "break sequences of text have no counterpart",
        "idlestring": "nothing is typed without an operator",
        "idletimeout": "nothing is typed without an operator",
        "initcmd": "no program is run on a connection; log in to the device by hand",
        "initrunas": "no program is run on a connection",
        "initsubst": "no program is run on a connection",
        "logfilemax": "log.max_console, log.max_total and log.keep limit the logs of all",
        "motd": "there is no message for one console; `note NAME TEXT` writes into its log",
        "tasklist": "vspc runs no commands for operators",
    }
)

CONSOLE_SPARED: Why = MappingProxyType(
    {
        "timestamp": "each line's time is kept; `log NAME --timestamps` prints it",
        "initspinmax": "connections are tried again after 1 s to 2 min, without end",
        "initspintimer": "connections are tried again after 1 s to 2 min, without end",
    }
)

ACCESS_LOST: Why = MappingProxyType(
    {
        "allowed": "hosts of operators: a firewall, or from= in front of a key, limits them",
        "include": "hosts of operators: a firewall, or from= in front of a key, limits them",
        "limited": "there is no such restriction",
        "rejected": "hosts of operators: a firewall, or from= in front of a key, limits them",
        "trusted": "nobody is let in for an address; operators log in by SSH",
    }
)

CONFIG_LOST: Why = MappingProxyType(
    {
        "defaultaccess": "nobody is let in for an address; operators log in by SSH",
        "logfile": "the server's own log goes to standard output",
        "passwdfile": "operators need a key, or a password that `vspc hash-password` has hashed",
        "primaryport": "operators connect to ssh.listen",
        "secondaryport": "operators connect to ssh.listen",
        "sslcacertificatefile": "operators connect by SSH; see ssh.certificates",
        "sslcredentials": "operators connect by SSH; [tls] is for VMs",
        "sslreqclientcert": "operators connect by SSH; see ssh.certificates",
        "unifiedlog": '[[log.sink]] with kind = "json" writes one file of all consoles',
    }
)

CONFIG_SPARED: Why = MappingProxyType(
    {
        "autocomplete": "a unique prefix always selects a console",
        "daemonmode": "systemd, or twistd, puts the server into the background",
        "initdelay": "connections are begun a few at a time",
        "redirect": "one server has all consoles",
        "reinitcheck": "a console that is away is connected again by itself",
        "setproctitle": "the process has one title",
        "sslrequired": "SSH is always encrypted",
    }
)
