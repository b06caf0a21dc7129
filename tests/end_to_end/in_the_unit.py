"""What a server does with passwords, and with programs and sockets that are not its own: all of it
has to work within the limits of the unit of the package.
"""

import json
import shutil
from collections.abc import Mapping

from attrs import define

from tests.end_to_end.installed import SSH, Installed
from tests.run import TREE

PASSWORD = "correct horse"

PLACE = "/usr/local/libexec"

PROGRAMS: Mapping[str, str] = {
    "askpass": f"#!/bin/sh\ncat {PLACE}/answer\n",
    "check": f'#!/bin/sh\ntest "$PAM_USER $(tr -d "\\0")" = "carol {PASSWORD}"\n',
    "pager": "#!/bin/sh\ncat >> /var/lib/vspc/pages\n",
}
"""An operator's askpass, a program of pam_exec(8), and one for alerts; in `PLACE`."""

PAM = f"""\
auth required pam_exec.so expose_authtok quiet {PLACE}/check
account required pam_permit.so
"""

CONFIG = f"""
[ssh]
auth_command = ["{PLACE}/vspc-auth-pam", "vspc"]
[operators.bob]
password_hash = "{{hashed}}"
[operators.carol]
[[access]]
operators = ["bob", "carol"]
consoles = ["*"]
rights = ["read"]
[[alert]]
name = "pager"
pattern = "guest 00000010 "
command = ["{PLACE}/pager"]
[[alert]]
name = "journal"
pattern = "guest 00000010 "
syslog = "unix:/dev/log"
"""

WITH_A_PASSWORD = (
    *("env", f"SSH_ASKPASS={PLACE}/askpass", "SSH_ASKPASS_REQUIRE=force", "ssh"),
    *("-o", "BatchMode=no", "-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1"),
)


@define
class InTheUnit:
    """The server, and what is asked of it."""

    server: Installed

    def prepare(self) -> None:
        """Programs and PAM's configuration, as an administrator makes them."""
        root = self.server.debian.root
        place = root / PLACE[1:]
        place.mkdir(parents=True, exist_ok=True)
        for name, text in PROGRAMS.items():
            (place / name).write_text(text)
            (place / name).chmod(0o755)
        (place / "answer").touch()
        shutil.copy(TREE / "etc" / "auth-pam.py", place / "vspc-auth-pam")
        (place / "vspc-auth-pam").chmod(0o755)
        (root / "etc/pam.d/vspc").write_text(PAM)

    def configure(self) -> str:
        """What the configuration says of it, once the package is installed."""
        made = self.server.debian.do("vspc", "hash-password", typed=PASSWORD.encode() + b"\n")
        return CONFIG.format(hashed=made.out.decode().strip())

    def check(self, has_journal: bool) -> None:
        """All of it; without a journal nobody listens at /dev/log."""
        for operator in ("bob", "carol"):
            self.logs_in(operator)
        self.pages()
        if has_journal:
            self.tells_journal()

    def logs_in(self, operator: str) -> None:
        """With his password, and with no other one."""
        debian = self.server.debian
        for answer, status in ((PASSWORD, 0), ("wrong horse", 255)):
            (debian.root / PLACE[1:] / "answer").write_text(answer + "\n")
            words = (*WITH_A_PASSWORD, *SSH[1:], f"{operator}@127.0.0.1", "list")
            done = debian.inside(*words)
            debian.test.assertEqual(done.status, status, (operator, done))

    def pages(self) -> None:
        """An alert is told to a program."""
        self.until_told("pager")
        root, test = self.server.debian.root, self.server.debian.test
        page = json.loads((root / "var/lib/vspc/pages").read_text())
        test.assertEqual((page["alert"], page["console"]["name"]), ("pager", "guest"))

    def tells_journal(self) -> None:
        """An alert is told to the journal, by /dev/log."""
        self.until_told("journal")
        self.server.debian.test.assertIn("guest 00000010 ", self.server.journal())

    def until_told(self, name: str) -> None:
        """Wait until the alert is delivered."""
        debian = self.server.debian

        def is_told() -> bool:
            alerts = json.loads(debian.do("vspc", "alerts", "--json").out)
            return any(each["name"] == name and each["delivered"] for each in alerts)

        debian.wait(is_told)
