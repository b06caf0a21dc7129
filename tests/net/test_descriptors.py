"""File descriptors: the limit is raised, and a low one is told."""

import gc
import os
import resource

from twisted.trial.unittest import SynchronousTestCase

from vspc.net.endpoints import (
    DESCRIPTORS,
    SHORTAGE_INTERVAL,
    DescriptorWatch,
    raise_limit,
    shortage_warning,
)


class Limits(SynchronousTestCase):
    def test_the_soft_limit_becomes_the_hard_one(self) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
        raise_limit()
        self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE)[0], hard)

    def test_a_low_limit_is_warned_of_with_the_remedy(self) -> None:
        self.assertIsNone(shortage_warning(DESCRIPTORS))
        self.assertIn("LimitNOFILE=20000", shortage_warning(1024) or "")

    def test_a_limit_that_cannot_be_raised_stays(self) -> None:
        def refuse(_what: int, _limits: tuple[int, int]) -> None:
            raise ValueError("not allowed to raise maximum limit")

        self.patch(resource, "getrlimit", lambda _what: (256, DESCRIPTORS))
        self.patch(resource, "setrlimit", refuse)
        self.assertEqual(raise_limit(), 256)


class RunningOut(SynchronousTestCase):
    def setUp(self) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.limits = soft, hard
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, self.limits)
        self.watch = DescriptorWatch()

    def run_out(self) -> None:
        """No descriptor is free from now on."""
        free = os.dup(0)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, self.limits[1]))

    def test_it_is_logged_once_a_minute_while_it_lasts(self) -> None:
        self.assertFalse(self.watch.ran_out(0.0))
        self.run_out()
        told = [second for second in range(150) if self.watch.ran_out(float(second))]
        self.assertEqual(told, [0, SHORTAGE_INTERVAL, 2 * SHORTAGE_INTERVAL])

    def test_it_is_not_logged_once_there_are_some_again_and_keeps_no_descriptor(self) -> None:
        gc.collect()  # what tests before this one left open must not be closed within it
        before = len(os.listdir("/proc/self/fd"))
        self.run_out()
        self.assertTrue(self.watch.ran_out(0.0))
        resource.setrlimit(resource.RLIMIT_NOFILE, self.limits)
        self.assertFalse(self.watch.ran_out(SHORTAGE_INTERVAL))
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)
