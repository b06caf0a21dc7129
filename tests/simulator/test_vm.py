"""A VM's power and its line: boot, loss, reconnection, and what its guest does not read."""

from twisted.trial.unittest import SynchronousTestCase

from tests.simulator.proxy import Proxy
from tests.simulator.support import PROMPT, World
from vspc.simulator import extension as ext
from vspc.simulator.serial_port import FIFO, Uart


class PowerTests(SynchronousTestCase):
    def test_the_guest_boots_when_the_proxy_accepts_the_line(self) -> None:
        class Slow(Proxy):
            def suboption(self, code: int, payload: bytes) -> None:
                """Answers DO-PROXY when the test says so."""

        world = World(Slow)
        world.start()
        self.assertEqual((world.vm.state, world.output()), ("connecting", b""))
        world.proxy.say(ext.WILL_PROXY)
        world.run()
        self.assertEqual(world.vm.state, "connected")
        self.assertTrue(world.output().endswith(PROMPT))

    def test_power_off_closes_the_line_and_on_makes_another(self) -> None:
        world = World()
        first = world.start()
        self.assertFalse(world.vm.power_on())
        self.assertTrue(world.vm.power_off())
        self.assertFalse(world.vm.power_off())
        world.run(60)
        self.assertTrue(first.lost)
        self.assertEqual((world.vm.state, len(world.proxies)), ("off", 1))
        self.assertTrue(world.start().data.endswith(PROMPT))

    def test_power_off_while_it_connects(self) -> None:
        world = World()
        world.vm.power_on()
        world.vm.power_off()
        world.run(5)
        self.assertTrue(all(proxy.lost for proxy in world.proxies))
        self.assertEqual(world.clock.getDelayedCalls(), [])

    def test_a_reboot_keeps_the_line(self) -> None:
        world = World()
        world.start()
        self.assertTrue(world.vm.reboot())
        world.run()
        self.assertEqual(world.output().count(b"SeaBIOS"), 2)
        self.assertEqual(len(world.proxies), 1)

    def test_a_guest_that_shuts_down_ends_the_line_after_its_last_words(self) -> None:
        world = World()
        world.start()
        self.assertTrue(world.typed(b"poweroff\r").endswith(b"reboot: Power down\r\n"))
        self.assertEqual((world.vm.state, world.proxy.lost), ("off", True))

    def test_a_new_name_is_told_when_it_is_asked_for_or_announced(self) -> None:
        world = World()
        proxy = world.start()
        world.vm.rename("db1")
        world.run()
        self.assertNotIn((ext.NAME, b"db1"), proxy.heard)
        proxy.say(ext.GET_NAME)
        world.run()
        self.assertEqual(proxy.heard[-1], (ext.NAME, b"db1"))
        world.vm.rename("db2", announce=True)
        world.run()
        self.assertEqual(proxy.heard[-1], (ext.NAME, b"db2"))


class ReconnectionTests(SynchronousTestCase):
    def test_a_lost_line_is_made_anew_and_the_guest_goes_on(self) -> None:
        world = World()
        world.start().close()
        world.run(0.9)
        self.assertEqual(len(world.proxies), 1)
        world.run(0.2)
        self.assertEqual(len(world.proxies), 2)
        self.assertEqual(world.typed(b"echo hi\r"), b"echo hi\r\nhi\r\n" + PROMPT)

    def test_a_proxy_that_is_away_is_tried_less_and_less_often(self) -> None:
        world = World()
        world.network.reachable = False
        world.vm.power_on()
        tried = []
        for _ in range(130):
            world.run()
            tried.append(world.vm.counters.lines)
            world.clock.advance(1)
        moments = [second for second in range(1, 130) if tried[second] > tried[second - 1]]
        self.assertEqual(moments, [1, 3, 7, 15, 31, 61, 91, 121])
        world.network.reachable = True
        world.run(31)
        self.assertEqual(world.vm.state, "connected")

    def test_output_without_a_line_is_lost_and_counted(self) -> None:
        world = World()
        world.start()
        world.typed(b"stream 100 100\r")
        world.proxy.close()
        world.run(3)
        self.assertGreater(world.vm.counters.dropped, 0)
        self.assertEqual(world.vm.counters.out.size, len(world.output()))
        self.assertEqual(world.vm.state, "connected")


class FifoTests(SynchronousTestCase):
    def test_what_the_guest_does_not_read_stops_the_host_at_the_fifo(self) -> None:
        world = World()
        proxy = world.start()
        world.typed(b"sleep-reading 5\r")
        proxy.type(b"#" * 10_000)
        proxy.say(ext.GET_NAME)
        asked = len(proxy.heard)
        world.run()
        self.assertEqual(len(world.vm.flow.uart), FIFO)
        self.assertEqual(len(proxy.heard), asked)
        world.run(6)
        self.assertEqual(len(world.vm.flow.uart), 0)
        self.assertEqual(proxy.heard[-1], (ext.NAME, b"web1"))

    def test_a_paste_arrives_whole_however_slowly_it_is_read(self) -> None:
        world = World()
        world.start()
        lines = b"".join(b"%08d\r" % number for number in range(3000))
        world.typed(b"sleep-reading 2\r")
        self.assertEqual(world.typed(b"expect 3000\r" + lines), b"")
        self.assertIn(b"ok 3000\r\n", world.typed(b"", 3))
        self.assertEqual(world.vm.counters.into.size, 16 + 12 + len(lines))

    def test_what_is_typed_within_the_simulator_is_not_counted(self) -> None:
        world = World()
        proxy = world.start()
        world.vm.type(b"hostname\r")
        world.run()
        self.assertTrue(proxy.data.endswith(b"hostname\r\nweb1\r\n" + PROMPT))
        self.assertEqual(world.vm.counters.into.size, 0)

    def test_a_break_keeps_its_place_between_the_bytes(self) -> None:
        uart = Uart()
        uart.push(b"ab")
        uart.push_break()
        uart.push_break()
        uart.push(b"c")
        self.assertFalse(uart.break_next())
        self.assertEqual((uart.pop(1), uart.pop(9), uart.pop(9)), (b"a", b"b", b""))
        self.assertTrue(uart.break_next())
        self.assertFalse(uart.break_next())
        self.assertEqual((uart.pop(0), uart.pop(9), len(uart)), (b"", b"c", 0))

    def test_breaks_are_counted_and_told(self) -> None:
        world = World()
        proxy = world.start()
        proxy.write(b"\xff\xf3")
        world.run()
        self.assertTrue(proxy.data.endswith(b"[sysrq] break 1\r\n"))
        self.assertEqual(world.vm.stats()["breaks"], 1)

    def test_a_proxy_that_does_not_read_stops_the_guest(self) -> None:
        world = World()
        proxy = world.start()
        world.network.links[0].server.pauseProducing()
        proxy.type(b"flood 10000000\r")
        world.run(1)
        self.assertLess(world.vm.counters.out.size, 300_000)
        world.network.links[0].server.resumeProducing()
        world.run()
        self.assertEqual(len(proxy.data), world.vm.counters.out.size)
        self.assertGreater(world.vm.counters.out.size, 10_000_000)
