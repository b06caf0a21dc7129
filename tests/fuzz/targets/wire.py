"""Parsers and encoders of wire/: no exception but the declared ones, round trips, any chunks."""

from contextlib import suppress

from tests.conversations import read
from tests.fuzz.target import Choices, Target, chunks, same
from vspc.common.serial import PortSettings
from vspc.common.text import ensure_safe
from vspc.common.values import InvalidValue
from vspc.wire import comport, gdb, opening, proxy, ssh, starttls, telnet, uri, vmware

TELNET_TOKENS = (
    *(b"\xff\xff", b"\xff\xfa\xe8", b"\xff\xfa\x2c", b"\xff\xfa\x25", b"\xff\xf0", b"\xff\xf3"),
    *(b"\xff\xfb\xe8", b"\xff\xfd\xe8", b"\xff\xfb\x00", b"\xff\xfd\x06", b"\xff\xfc\x06"),
)
CONVERSATIONS = ("registration", "vmotion-source", "vmotion-target", "vmotion-escaped", "comport")


def conversations() -> tuple[bytes, ...]:
    """What VMs say in tests/conversations."""
    return tuple(
        b"".join(turn.data for turn in read(name) if turn.from_vm) for name in CONVERSATIONS
    )


def _bodies(option: int) -> tuple[bytes, ...]:
    """The bodies of the subnegotiations of `option`, by both sides, in tests/conversations."""
    found = set[bytes]()
    for name in CONVERSATIONS:
        for from_vm in (True, False):
            said = b"".join(turn.data for turn in read(name) if turn.from_vm is from_vm)
            for event in decoded((said,)):
                if isinstance(event, telnet.Subnegotiation) and event.option == option:
                    found.add(event.body)
    return tuple(sorted(found))


def decoded(pieces: tuple[bytes, ...], runs: bool = False) -> list[telnet.Event]:
    """The events of `pieces`, neighbouring data joined; `runs`: through `Decoder.run` as well."""
    decoder, found = telnet.Decoder(), list[telnet.Event]()
    for number, piece in enumerate(pieces):
        if number % 16 == 15 and decoder.tail:  # another process takes up where this one stands
            decoder = telnet.Decoder(decoder.tail)
        decoder.receive(piece)
        while True:
            if runs and (run := decoder.run()) is not None:
                event: telnet.Event | None = telnet.Data(run.data)
            else:
                event = decoder.next_event()
            if event is None:
                break
            last = found[-1] if found else None
            if isinstance(event, telnet.Data) and isinstance(last, telnet.Data):
                found[-1] = telnet.Data(last.data + event.data)
            else:
                found.append(event)
        if len(decoder.tail) > telnet.MAX_SUBNEGOTIATION + len(piece) + 4:
            raise AssertionError(f"{len(decoder.tail)} bytes are held")
    return found


def _telnet(data: bytes) -> None:
    seed, data = data[:1], data[1:]
    whole = decoded((data,))
    same(decoded(tuple(chunks(data, seed[0] if seed else 0))), whole, "in pieces")
    idle = [telnet.Command(code) for code in telnet.IDLE]
    kept = [event for event in whole if event not in idle]
    same(_data_joined(decoded((data,), runs=True)), _data_joined(kept), "in runs")
    same(decoded((telnet.escape(data),)), [telnet.Data(data)] if data else [], "escaped")
    said = telnet.subnegotiation(telnet.VMWARE, data)
    if len(said) < telnet.MAX_SUBNEGOTIATION:
        same(decoded((said,)), [telnet.Subnegotiation(telnet.VMWARE, data)], "as a body")


def _data_joined(events: list[telnet.Event]) -> list[telnet.Event]:
    found = list[telnet.Event]()
    for event in events:
        last = found[-1] if found else None
        if isinstance(event, telnet.Data) and isinstance(last, telnet.Data):
            found[-1] = telnet.Data(last.data + event.data)
        elif event != telnet.Data(b""):
            found.append(event)
    return found


def _nvt(data: bytes) -> None:
    seed, data = (data or b"\0")[0], data[1:]
    keys, shown, typed, sent = b"", b"", b"", b""
    cr = [False] * 4
    for piece in chunks(data, seed):
        out, cr[0] = telnet.decode(piece, cr[0])
        shown += out
        out, cr[1] = telnet.decode_keys(piece, cr[1])
        keys += out
        out, cr[2] = telnet.encode_lines(piece, cr[2])
        sent += out
        typed += telnet.encode(piece)
    same(shown, telnet.decode(data, False)[0], "shown")
    same(keys, telnet.decode_keys(data, False)[0], "keys")
    same(typed, telnet.encode(data), "typed")
    same(sent, telnet.encode_lines(data, False)[0], "sent")
    same(telnet.decode(typed, False)[0], data, "typed and shown")


def _vmware(body: bytes) -> None:
    try:
        message = vmware.decode(body)
    except vmware.PeerError as error:
        ensure_safe(str(error))
        return
    same(vmware.encode(message), body, "the suboption")
    digits = vmware.normalise_uuid(body[1:])
    if digits is not None:
        same(vmware.normalise_uuid(digits.encode()), digits, "the UUID")


def _comport(data: bytes) -> None:
    choices, settings = Choices(data), PortSettings()
    while choices:
        body = choices.piece()
        for side in comport.Side:
            try:
                command = comport.decode(body, side)
            except comport.MalformedComPort as error:
                ensure_safe(str(error))
                continue
            again = comport.decode(comport.encode(command, side), side)
            same(again, command, "the command")
            if isinstance(command, comport.Setting):
                settings = comport.requested(command, settings) or settings
                answer = comport.in_force(command, settings)
                comport.encode(answer, comport.Side.SERVER)
            if isinstance(command, comport.NotifyLineState | comport.NotifyModemState):
                str(command.state)
    list(comport.setting(settings))


def _starttls(body: bytes) -> None:
    with suppress(starttls.MalformedAuthentication):
        starttls.parse(body)
    opening.recognise_server(body)
    opening.offered_version(body)
    known = [opening.recognise(body[:count]) for count in range(len(body[: opening.DECIDED]) + 1)]
    first = next((each for each in known if each is not None), None)
    same(opening.recognise(body) or first, first, "the protocol")


def _proxy(data: bytes) -> None:
    def parsed(part: bytes) -> proxy.Header | str | None:
        try:
            return proxy.parse(part)
        except proxy.MalformedHeader as error:
            ensure_safe(str(error))
            return "malformed"

    whole = parsed(data)
    for count in range(min(len(data), proxy.LIMIT + 2)):
        found = parsed(data[:count])
        if found is not None:
            same(whole, found, f"after {count} bytes")
            break
    if isinstance(whole, proxy.Header):
        same(parsed(data[: whole.size]), whole, "alone")
        same(parsed(data[: whole.size - 1]), None, "short by a byte")
    elif whole is None and len(data) >= proxy.LIMIT:
        raise AssertionError("a header over its limit is waited for")


def _uris(data: bytes) -> None:
    service = uri.ServiceUri.parse(data)
    if set("?#") & set(service.word):
        raise AssertionError(service.word)
    text = data.decode("utf-8", "replace")
    uri.socket_of(text)
    for schemes in (uri.SERVICE_SCHEMES, uri.DIAL_SCHEMES):
        try:
            remote = uri.RemoteUri.parse(text, schemes)
        except InvalidValue as error:
            ensure_safe(str(error))
            continue
        plain = uri.RemoteUri(remote.scheme, remote.host, remote.port)
        same(uri.RemoteUri.parse(str(remote), schemes), plain, "the URI")


def _gdb(data: bytes) -> None:
    seed, data = (data or b"\0")[0], data[1:]
    for is_printable in (False, True):
        splitter, found = gdb.PacketSplitter(is_printable), b""
        for piece in chunks(data, seed):
            for each in splitter.feed(piece):
                found += each if isinstance(each, bytes) else each.data
            if splitter.held > gdb.PACKET_LIMIT:
                raise AssertionError("too much is held")
        same(found + splitter.flush(), data, "what came")
    whole, pieces = gdb.DebuggerInput(), gdb.DebuggerInput()
    list(whole.feed(data))
    typed = [each for piece in chunks(data, seed) for each in pieces.feed(piece)]
    same(b"".join(gdb.INTERRUPT if each is None else each for each in typed), data, "typed")
    same((pieces.count, pieces.packet), (whole.count, whole.packet), "packets")


def _ssh(data: bytes) -> None:
    choices = Choices(data)
    reader = ssh.SshReader(choices.take(choices.byte() * 16))
    kinds = ("byte", "uint32", "uint64", "boolean", "string", "nested", "mpint", "names", "rest")
    with suppress(ssh.MalformedSsh):
        while choices:
            getattr(reader, kinds[choices.below(len(kinds))])()
        reader.end()
    ssh.is_certificate(data)


_HEADERS = (
    b"PROXY TCP4 192.0.2.1 198.51.100.9 40000 13370\r\nrest",
    b"PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n",
    b"PROXY UNKNOWN\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\x09\x9c\x40\x34\x3a",
    b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24" + bytes(36),
)
_URIS = (
    b"vspc?port=COM1&x=%20#thumbprint=AA",
    b"telnets://[fe80::1%25eth0]:2001#thumbprint=" + b"ab:" * 19 + b"ab&peerName=h&verify",
    b"ssl://esx.example.org:992/#cipherList=HIGH:!aNULL",
    b"tcp4://192.0.2.9:4001",
    b"rfc2217://ser2net.example:7000",
    b"telnet://:2001",
    b":7000",
)
_COMPORT = (
    *(b"\x05\x01\0\0\x25\x80", b"\x02\x02\x08\x02\x03\x01\x02\x04\x03\x02\x05\x08\x02\x05\x0b"),
    *(b"\x04\x00abc\x01\x07\x02\x6b\xb0\x02\x6a\x60\x02\x0c\x03\x01\x08\x01\x09\x02\x0a\xff",),
)

TARGETS = (
    Target("telnet", _telnet, conversations, TELNET_TOKENS, 40_000),
    Target("nvt", _nvt, lambda: (b"\1a\r\0b\r\nc\rd\n\0",), (b"\r\0", b"\r\n", b"\r")),
    Target("vmware-suboption", _vmware, lambda: _bodies(telnet.VMWARE)),
    Target("comport-command", _comport, lambda: _COMPORT),
    Target(
        "telnet-authentication",
        _starttls,
        lambda: (starttls.SEND_TLS, starttls.IS_START, starttls.REPLY_ACCEPTED, b"\3name"),
        (b"\x16\x03\x01", b"SSH-", b"GET /", b"HTTP/", b"\xff\xfb", b"PROXY"),
        64,
    ),
    Target("proxy-header", _proxy, lambda: _HEADERS, (b"PROXY ", b"\r\n", b" ", b"::"), 700),
    Target("uri", _uris, lambda: _URIS, (b"://", b"%25", b"[", b"]:", b"#", b"&", b"?", b"=")),
    Target(
        "gdb-packet",
        _gdb,
        lambda: (b"\1$qSupported:multiprocess+#c6+$OK#9a\x03%Stop:T05#aa text $ # %",),
        (b"$OK#9a", b"$", b"#", b"%", b"+", b"}"),
        20_000,
    ),
    Target("ssh-data", _ssh, lambda: (b"\2\0\0\0\5a,b,c\0\0\0\2\1\1\0\0\0\0\4\7\4\6",)),
)
