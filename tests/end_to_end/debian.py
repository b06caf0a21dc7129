"""A Debian of a test's own: made by mmdebstrap in a directory, booted in namespaces.

Where the machine lets systemd run there (a cgroup can be mounted) it is the init, else a program
that does nothing is. Nothing of it touches the machine: files, processes, network and host name are
its own, and the kernel's settings are read-only for it.
"""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from attrs import define, field

from tests.end_to_end.processes import DEADLINE, Child, Completed, ProcessTestCase
from tests.programs import require

PATIENCE = 900.0
"""Seconds for what needs a mirror of Debian, or an index of Python packages."""

_CLONE_NEWNET = 0x40000000  # of setns(2), which Python has since 3.12

_COMMON = r"""
set -e
root=$1
test -d "$root/proc" && test "$root" != /
mount --make-rprivate /
# Mounts the hierarchy of control groups in $1, at $place; $group is one below that of the test.
hierarchy() {
    place=$1 kind="-t cgroup2 cgroup2" own=
    if ! test -e /sys/fs/cgroup/cgroup.controllers; then
        mount -t tmpfs -o mode=755 tmpfs "$place"
        place=$place/systemd kind="-t cgroup -o none,name=systemd cgroup" own=name=systemd
        mkdir "$place"
    fi
    mount $kind "$place" || return 1
    group=$place$(sed -n "s|^[0-9]*:$own:/*|/|p" /proc/self/cgroup)/${root##*/}
}
"""

_BOOT = r"""
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
while read -r name major minor; do
    mknod -m 666 "$root/dev/$name" c "$major" "$minor"
done <<< "null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0"
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
chroot "$root" ip link set lo up
init="/bin/sleep infinity"
if hierarchy "$root/sys/fs/cgroup"; then
    # What systemd makes and kills there is below a group of its own, not beside the machine's.
    mkdir "$group"
    echo $$ > "$group/cgroup.procs"
    umount "$place"
    init=/lib/systemd/systemd
fi
echo "init $init"
exec unshare --cgroup bash -c '
    set -e
    root=$1 init=$2
    test "$init" != /lib/systemd/systemd || mount $3
    exec env -i container=vspc-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        chroot "$root" $init < /dev/null
' boot "$root" "$init" "$kind $place"
"""

_END = """
if hierarchy "$root/tmp" && test -d "$group"; then
    find "$group" -depth -type d -exec rmdir {} +
fi
"""


@define
class Debian:
    """One of them, in `root`. `test` is whose processes are in it."""

    test: ProcessTestCase
    root: Path
    _init: Child = field(init=False)
    _pid: int = field(default=0, init=False)
    _is_over: bool = field(default=False, init=False)

    def boot(self) -> bool:
        """Start it; whether systemd is its init."""
        [unshare] = require("unshare")
        spaces = ("--mount", "--pid", "--uts", "--ipc", "--net")
        shell = ("--fork", "--kill-child", "bash", "-c", _COMMON + _BOOT, "boot", self.root)
        self._init = self.test.start(unshare, *spaces, *shell)
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
        """Kill its init, and with it all that runs in it; its control groups go, too."""
        if self._is_over:
            return
        self._is_over = True
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            self._init.wait()
        self._init.stop()
        [unshare] = require("unshare")
        words = ("--mount", "bash", "-c", _COMMON + _END, "end", self.root)
        done = self.test.complete(unshare, *words)
        self.test.assertEqual(done.status, 0, done.err)

    def words(self, *command: str) -> list[str]:
        """`command` inside it, by root."""
        spaces = ["--mount", "--pid", "--uts", "--ipc", "--net"]
        enter = ["nsenter", "--target", str(self._pid), *spaces, "chroot", str(self.root)]
        return [*enter, "/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *command]

    def inside(self, *command: str, typed: bytes = b"", timeout: float = 60.0) -> Completed:
        """Run `command` to its end."""
        [nsenter] = require("nsenter")
        words = self.words(*command)[1:]
        return self.test.complete(nsenter, *words, typed=typed, timeout=timeout)

    def do(self, *command: str, typed: bytes = b"") -> Completed:
        """Run `command` to its end; it has to succeed."""
        done = self.inside(*command, typed=typed)
        said = (done.out + done.err).decode("utf-8", "replace")
        self.test.assertEqual(done.status, 0, f"{command}: {said}")
        return done

    def connect(self, port: int) -> socket.socket:
        """A connection of the test's own, within it; it ends with the test."""

        def enter() -> socket.socket:
            with Path(f"/proc/{self._pid}/ns/net").open() as space:
                # Of this thread alone, which ends with that.
                if ctypes.CDLL(None).setns(space.fileno(), _CLONE_NEWNET) != 0:
                    raise OSError("setns")
            return socket.create_connection(("127.0.0.1", port), DEADLINE)

        with ThreadPoolExecutor(1) as pool:
            peer = pool.submit(enter).result()
        self.test.addCleanup(peer.close)
        return peer

    def start(self, *command: str) -> Child:
        """Start `command`, and leave it running."""
        [nsenter] = require("nsenter")
        child = self.test.start(nsenter, *self.words(*command)[1:])
        # Before the child is stopped: of a signal only nsenter ends, which is its parent.
        self.test.addCleanup(self.end)
        return child

    def files(self) -> Iterator[str]:
        """Paths of all that is on its disk."""
        for place, directories, names in os.walk(self.root):
            for name in (*directories, *names):
                yield "/" + str(Path(place, name).relative_to(self.root))


def made(packages: str) -> Path:
    """A new minimal Debian 12 with `packages`, in a directory that the caller removes.

    mmdebstrap mounts what is the machine's in it: in namespaces that end with it, however it ends.
    """
    mmdebstrap, unshare = require("mmdebstrap", "unshare")
    wanted = (
        *("--variant=minbase", "--mode=root", "--skip=check/empty"),
        *("--dpkgopt=force-unsafe-io", f"--include={packages}"),
    )
    spaces = ("--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    directory = Path(tempfile.mkdtemp(prefix="vspc-debian-"))
    words = (*spaces, mmdebstrap, "--quiet", *wanted, "bookworm", directory, mirror())
    try:
        subprocess.run((unshare, *words), capture_output=True, timeout=PATIENCE, check=True)
    except BaseException as error:
        shutil.rmtree(directory)
        if isinstance(error, subprocess.CalledProcessError):
            raise AssertionError(error.stderr.decode("utf-8", "replace")) from None
        raise
    directory.chmod(0o755)
    return directory


def mirror() -> str:
    """The mirror that apt uses here."""
    targets = ("Created-By: Packages", "Codename: bookworm", "Component: main")
    command = ("apt-get", "indextargets", "--format", "$(REPO_URI)", *targets)
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return found[0] if found else "http://deb.debian.org/debian"
