"""The command line: what it means, and what is said about mistakes."""

import io
from contextlib import redirect_stderr, redirect_stdout

from twisted.trial.unittest import SynchronousTestCase

from vspc.simulator import arguments, program, transport
from vspc.simulator.arguments import GuestAddress, SimulateOptions
from vspc.simulator.transport import ProxyUri

PROXY = ("--proxy", "telnet://127.0.0.1:13370")
SHA1 = "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33"


class OptionTests(SynchronousTestCase):
    def parsed(self, *words: str) -> SimulateOptions:
        return arguments.parse([*PROXY, *words])

    def refused(self, *words: str) -> str:
        text = io.StringIO()
        with redirect_stderr(text):
            self.assertEqual(program.main(words), arguments.USAGE, words)
        return text.getvalue()

    def test_defaults(self) -> None:
        options = self.parsed()
        self.assertEqual(options.names, ["web1"])
        self.assertEqual((options.direction, options.service_uris), ("S", ["vspc"]))
        self.assertEqual((options.source, options.vmotion_time), ("127.0.0.1", 1.0))
        self.assertEqual((options.chop, options.control, options.guest), (None, None, None))
        self.assertTrue(options.start_tls)

    def test_away_from_loopback_the_system_chooses_the_source(self) -> None:
        self.assertEqual(arguments.parse(["--proxy", "telnet://10.1.1.1:1"]).source, "")
        options = arguments.parse(["--proxy", "telnet://10.1.1.1:1", "--source", "10.1.1.2"])
        self.assertEqual(options.source, "10.1.1.2")

    def test_many(self) -> None:
        self.assertEqual(self.parsed("--vms", "3", "--name", "a{n}b").names, ["a1b", "a2b", "a3b"])
        self.assertEqual(self.parsed("--uuid", "").vc_uuid, "")

    def test_ports(self) -> None:
        for words, ports, uris in (
            (("--ports", "2"), ["1", "2"], ["vspc", "vspc"]),
            (
                ("--ports", "2", "--service-uri", "vspc/{port}"),
                ["1", "2"],
                ["vspc/1", "vspc/2"],
            ),
            (
                ("--port-labels", "com1,debug"),
                ["com1", "debug"],
                ["vspc?port=com1", "vspc?port=debug"],
            ),
            (
                ("--ports", "1", "--port-labels", "a", "--service-uri", "x?y=z"),
                ["a"],
                ["x?y=z&port=a"],
            ),
        ):
            options = self.parsed(*words)
            self.assertEqual((options.ports, options.service_uris), (ports, uris))

    def test_guests(self) -> None:
        for text, guest in (
            ("tcp:127.0.0.1:4444", GuestAddress(False, "127.0.0.1", 4444)),
            ("tcp-listen:[::1]:1", GuestAddress(True, "::1", 1)),
        ):
            self.assertEqual(self.parsed("--guest", text).guest, guest)

    def test_a_thumbprint_goes_with_either(self) -> None:
        digest = bytes.fromhex(SHA1.replace(":", ""))
        self.assertEqual(self.parsed("--thumbprint", SHA1).proxy.thumbprint, digest)
        uri = transport.proxy_uri(f"telnets://proxy.example:13371#thumbprint={SHA1}")
        self.assertEqual(uri, ProxyUri(True, "proxy.example", 13371, digest))

    def test_mistakes(self) -> None:
        for words, text in (
            ((), "--proxy"),
            (("--proxy", "http://x:1"), "does not begin with telnet://"),
            (("--proxy", "telnet://x"), "is not telnet://HOST:PORT"),
            (("--proxy", "telnet://x:99999"), "--proxy"),
            (("--proxy", "telnet://u:p@x:1"), "is not telnet://HOST:PORT"),
            (("--proxy", "telnets://x:1#peerName=y"), "only thumbprint= is simulated"),
            ((*PROXY, "--thumbprint", "abc"), "is not a thumbprint"),
            ((*PROXY, "--vms", "0"), "not a number from 1"),
            ((*PROXY, "--vms", "2", "--name", "x"), "{n} is needed"),
            ((*PROXY, "--name", ""), "is not a name"),
            ((*PROXY, "--uuid", "12"), "is not a UUID"),
            ((*PROXY, "--source", "here"), "here"),
            ((*PROXY, "--guest", "udp:x:1"), "is not tcp:HOST:PORT"),
            ((*PROXY, "--guest", "tcp:x:0"), "is not tcp:HOST:PORT"),
            ((*PROXY, "--guest", "tcp:x:0065536"), "is not tcp:HOST:PORT"),
            ((*PROXY, "--guest", "tcp:x:1", "--vms", "2"), "one real guest"),
            ((*PROXY, "--guest", "tcp:x:1", "--ports", "2"), "one real guest"),
            ((*PROXY, "--ports", "33"), "not a number from 1 to 32"),
            ((*PROXY, "--ports", "3", "--port-labels", "a,b"), "3 ports need as many labels"),
            ((*PROXY, "--port-labels", "a,a"), "different labels"),
            ((*PROXY, "--port-labels", "a,b:c"), "different labels"),
            ((*PROXY, "--vmotion-every", "0"), "at least"),
            ((*PROXY, "--vmotion-time", "-1"), "is not a time"),
            ((*PROXY, "--pace", "nan"), "is not a time"),
            ((*PROXY, "--chop", "x"), "--chop"),
        ):
            said = self.refused(*words)
            self.assertIn(text, said)
            self.assertNotIn("Traceback", said)

    def test_help(self) -> None:
        text = io.StringIO()
        with redirect_stdout(text):
            self.assertEqual(program.main(["--help"]), 0)
        self.assertIn("--vmotion-every SECONDS", text.getvalue())
