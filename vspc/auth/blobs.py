"""SSH's binary values as files and certificates hold them (RFC 4251 section 5), read strictly."""

CERTIFICATE = b"-cert-v01@openssh.com"
"""The end of a certificate's type."""

OLD_CERTIFICATE = b"-cert-v00@openssh.com"
"""The same before OpenSSH 5.6; none is taken any more."""


class BlobReader:
    """Takes the fields of `data`, first to last; ValueError, which shows none, if one is short."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        """Whether anything is left."""
        return self._at < len(self._data)

    @property
    def at(self) -> int:
        """Bytes that were taken."""
        return self._at

    def take(self, count: int) -> bytes:
        """Exactly `count` bytes."""
        end = self._at + count
        if end > len(self._data):
            raise ValueError("it is cut short")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def number(self, size: int) -> int:
        """A number of `size` bytes."""
        return int.from_bytes(self.take(size), "big")

    def string(self) -> bytes:
        """A counted string."""
        return self.take(self.number(4))

    def inner(self) -> "BlobReader":
        """A counted string that has fields of its own."""
        return BlobReader(self.string())

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._data) - self._at)

    def end(self) -> None:
        """Nothing may be left."""
        if self:
            raise ValueError("something follows its last field")


def string(data: bytes) -> bytes:
    """A counted string."""
    return len(data).to_bytes(4, "big") + data


def kind_of(blob: bytes) -> bytes:
    """The type of a key or certificate, as it says; empty if it is none. Never raises."""
    try:
        return BlobReader(blob[:128]).string()
    except ValueError:
        return b""


def is_certificate(blob: bytes) -> bool:
    """Whether `blob` says that it is a certificate, of whatever kind. Never raises."""
    return kind_of(blob).endswith((CERTIFICATE, OLD_CERTIFICATE))


def foreign(data: bytes) -> str:
    """Somebody's text, whatever its bytes: two are equal where the bytes are."""
    return data.decode("utf-8", "surrogateescape")
