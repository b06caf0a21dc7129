"""A Linux guest's whole userland in one archive: busybox, an init, and two scripts for tests.

The archive is a cpio in the "newc" format of the kernel's `early-userspace/buffer-format`, written
here, because that takes neither root nor device nodes: devtmpfs makes those.
"""

from collections.abc import Iterable
from pathlib import Path
from stat import S_IFDIR, S_IFREG

from attrs import frozen

READY = "GUEST-UP"
"""What the guest prints before its shell's first prompt."""

PROMPT = "guest# "

_INIT = f"""#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ TERM=vt100 PS1='{PROMPT}'
dmesg -n 1  # no message of the kernel in the middle of a numbered line
echo {READY}
while true; do setsid cttyhack sh; done
"""

# count N [SECONDS]: `line 00000001` to N, one each SECONDS, which may be a fraction.
_COUNT = """#!/bin/sh
i=0
while [ $i -lt $1 ]; do
    i=$((i + 1))
    printf 'line %08d\\n' $i
    [ -z "$2" ] || sleep $2
done
"""

# mirror N: the next N bytes as they come and back as they came, all 256 values.
_MIRROR = """#!/bin/sh
kept=$(stty -g)
stty raw -echo
echo mirror
dd bs=1 count=$1 2>/dev/null
stty $kept
"""


@frozen
class Entry:
    """A file, or with `data` None a directory."""

    name: str
    data: bytes | None = None

    def pack(self, number: int) -> bytes:
        """Its header, name and data; `number` is its inode's."""
        data = b"" if self.data is None else self.data
        mode = (S_IFDIR if self.data is None else S_IFREG) | 0o755
        name = self.name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
        header = b"070701" + b"".join(b"%08x" % value for value in fields)
        return _padded(header + name) + _padded(data)


def archive(entries: Iterable[Entry]) -> bytes:
    """A cpio archive of `entries`; directories come before what is in them."""
    packed = [entry.pack(number) for number, entry in enumerate(entries, 1)]
    return b"".join([*packed, Entry("TRAILER!!!", b"").pack(0)])


def build(busybox: Path) -> bytes:
    """The guest's initramfs around `busybox`, which is statically linked."""
    return archive(
        [
            Entry("bin"),
            Entry("bin/busybox", busybox.read_bytes()),
            Entry("init", _INIT.encode()),
            Entry("count", _COUNT.encode()),
            Entry("mirror", _MIRROR.encode()),
        ]
    )


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
