"""A Debian of a test's own: made by mmdebstrap in a directory, booted in namespaces.

Where the machine lets systemd run there (a cgroup can be mounted) it is the init, else a program
that does nothing is. Nothing of it touches the machine: files, processes, network and host name are
its own, and the kernel's settings are read-only for it.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from attrs import define, field

from tests.end_to_end.processes import Child, Completed, ProcessTestCase
from tests.programs import require

PATIENCE = 900.0
"""Seconds for what needs a mirror of Debian, or an index of Python packages."""

_BOOT = r"""
set -e
root=$1
test -d "$root/proc" && test "$root" != /
mount --make-rprivate /
mount --bind "$root" "$root"
mount --make-shared "$root"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount --make-shared "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for name in null zero full random urandom tty; do
    touch "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
chroot "$root" ip link set lo up
init="/bin/sleep infinity"
if test -e /sys/fs/cgroup/cgroup.controllers; then
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup" && init=/lib/systemd/systemd
else
    mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
    mkdir "$root/sys/fs/cgroup/systemd"
    mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd" &&
        init=/lib/systemd/systemd
fi || true
echo "init $init"
exec env -i container=vspc-test PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" $init < /dev/null
"""


@define
class Debian:
    """One of them, in `root`. `test` is whose processes are in it."""

    test: ProcessTestCase
    root: Path
    _init: Child = field(init=False)
    _pid: int = field(default=0, init=False)

    def boot(self) -> bool:
        """Start it; whether systemd is its init."""
        [unshare] = require("unshare")
        spaces = ("--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup")
        words = (*spaces, "--fork", "--kill-child", "bash", "-c", _BOOT, "boot", self.root)
        self._init = self.test.start(unshare, *words)
        self.test.addCleanup(self.end)
        found = self._init.out.expect(rb"init ([^\n]*)\n")
        children = Path(f"/proc/{self._init.pid}/task/{self._init.pid}/children").read_text()
        self._pid = int(children.split()[0])
        if b"systemd" not in found[1]:
            return False
        states = (b"running", b"degraded")
        self.wait(lambda: self.inside("systemctl", "is-system-running").out.strip() in states)
        return True

    def wait(self, is_so: Callable[[], bool]) -> None:
        """Until `is_so`, which is asked again and again for a minute at most."""
        end = time.monotonic() + 60
        while not is_so():
            if time.monotonic() > end:
                raise AssertionError(self._init.report())
            time.sleep(0.2)

    def end(self) -> None:
        """Kill its init, and with it all that runs in it."""
        with suppress(ProcessLookupError):
            if self._pid:
                os.kill(self._pid, signal.SIGKILL)

    def words(self, *command: str) -> list[str]:
        """`command` inside it, by root."""
        spaces = ["--mount", "--pid", "--uts", "--ipc", "--net"]
        enter = ["nsenter", "--target", str(self._pid), *spaces, "chroot", str(self.root)]
        return [*enter, "/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *command]

    def inside(self, *command: str, timeout: float = 60.0) -> Completed:
        """Run `command` to its end."""
        [nsenter] = require("nsenter")
        return self.test.complete(nsenter, *self.words(*command)[1:], timeout=timeout)

    def start(self, *command: str) -> Child:
        """Start `command`, and leave it running."""
        [nsenter] = require("nsenter")
        return self.test.start(nsenter, *self.words(*command)[1:])

    def files(self) -> Iterator[str]:
        """Paths of all that is on its disk."""
        for place, directories, names in os.walk(self.root):
            for name in (*directories, *names):
                yield "/" + str(Path(place, name).relative_to(self.root))


def made(packages: str) -> Path:
    """A new minimal Debian 12 with `packages`, in a directory that the caller removes."""
    [mmdebstrap] = require("mmdebstrap")
    directory = Path(tempfile.mkdtemp(prefix="vspc-debian-"))
    wanted = (
        *("--variant=minbase", "--mode=root", "--skip=check/empty"),
        *("--dpkgopt=force-unsafe-io", f"--include={packages}"),
    )
    command = [str(mmdebstrap), "--quiet", *wanted, "bookworm", str(directory), mirror()]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
    if done.returncode:
        shutil.rmtree(directory)
        raise AssertionError(done.stderr.decode("utf-8", "replace"))
    directory.chmod(0o755)
    return directory


def mirror() -> str:
    """The mirror that apt uses here."""
    targets = ("Created-By: Packages", "Codename: bookworm", "Component: main")
    command = ("apt-get", "indextargets", "--format", "$(REPO_URI)", *targets)
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return found[0] if found else "http://deb.debian.org/debian"
