"""Files of conserver and conman that tests import, and what loads the TOML that comes out."""

from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from vspc.cli.importing.outcome import Outcome
from vspc.common.text import safe
from vspc.config import Config
from vspc.server.config_files import load_config

CONSERVER = r"""
# terminal servers, users, and every type of console
default full { rw *; }
default cisco { type host; portbase 2000; portinc 1; }
default xyplex { type host; portbase 2000; portinc 100; }
break 4 { string "+\d+\d+"; delay 300; }
break 5 { string "\z"; }
group sysadmin { users bryan, todd; users dave; }
default * { logfile /var/consoles/&; timestamp 1hab; include full; master localhost; }
default ts1 { include xyplex; host ts1.example.com; initcmd /usr/local/sbin/login-xyplex; }
console web1 { include ts1; port 2; rw !bryan; }
console ns1 { include ts1; port 10; options ondemand; }
console ns2 { include cisco; host fd00::7; protocol raw; port 8; logfile ""; }
console "my \"own\" con" { type uds; uds /run/c=.sock; udssubst ==P3d; port 7; host x; }
console ssh { type exec; exec ssh localhost; motd "a {simple} ssh; no more"; }
default * { rw sysadmin; ro guest, !eve; master localhost; }
console ttya {
    type device; device /dev/tty.; devicesubst .=Pd; host none; portbase -1; port 2;
    baud 9600; parity none;
}
console bmc { type ipmi; host 10.0.0.9; password secret; }
console
db1 { type host; host db1.example.com; port telnet; aliases database; }
access * { trusted 127.0.0.1; admin todd; }
config * { daemonmode yes; passwdfile /etc/conserver/passwd; }
task a { cmd reboot; }
"""
"""Taken by conserver 8.2 itself: tests/end_to_end/test_importing.py."""

CONMAN = """\
# comment; SERVER is not case-sensitive
SERVER keepalive=ON logdir="/var/log/conman" port=7890
server timestamp = 1h
global log="%N.log" seropts='115200,8n1'
console name="web # 1" dev="ts1:4001"   # a comment behind it
console name='db1' dev="ts1.example.com:4002" \\
    log="" logopts="timestamp"
console name="vm1" dev="unix:/run/%N.sock"
console name="bmc" dev="ipmi:10.0.0.9" ipmiopts="U:root,P:secret"
console name="tty" dev="/dev/ttyS1" seropts="9600"
console name="sh" dev="/usr/lib/conman/exec/ssh.exp host"
console name="rel" dev="unix:relative"
console name="none"
"""


def load(outcome: Outcome, directory: Path) -> Config:
    """The outcome as `vspc check` reads it. Raises ConfigError."""
    path = directory / "imported.toml"
    path.write_text(outcome.toml(), encoding="utf-8")
    return load_config(path)


def words(names: list[str]) -> Any:
    """One of `names`, or any text."""
    return st.sampled_from(names) | st.text(max_size=12)


def is_shown_as_it_is(line: str) -> bool:
    """Whether nothing in it has an effect on a terminal."""
    bare = line.replace("\\", "")
    return safe(bare, len(bare)) == bare
