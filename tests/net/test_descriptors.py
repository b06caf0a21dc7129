"""File descriptors: the limit is raised, and a low one is told."""

import resource

from twisted.trial.unittest import SynchronousTestCase

from vspc.net.descriptors import WANTED, raise_limit, shortage


class Limits(SynchronousTestCase):
    def test_the_soft_limit_becomes_the_hard_one(self) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
        raise_limit()
        self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE)[0], hard)

    def test_few_are_told_with_what_to_do(self) -> None:
        self.assertIsNone(shortage(WANTED))
        self.assertIn("LimitNOFILE=20000", shortage(1024) or "")
