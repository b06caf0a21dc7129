"""Every target on its seeds, on the corpus, and on mutations of both that are always the same."""

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from tests.fuzz import corpus
from tests.fuzz.finding import examine
from tests.fuzz.mutation import Mutator
from tests.fuzz.table import TARGETS
from tests.fuzz.target import Target


class Replayed(SynchronousTestCase):
    """`make fuzz TARGET=NAME` looks for more where one of these fails."""

    def check(self, target: Target) -> None:
        """Nothing that is known, and little that is near it, is a finding."""
        known = (*target.seeds(), *corpus.kept(target.name))
        mutator = Mutator(Random(target.name), known, target.tokens, target.longest)
        mutations = (mutator.next() for _ in range(target.replayed))
        for data in (b"", *known, *mutations):
            finding = examine(target, data, limit=None)
            if finding is not None:
                self.fail(f"{target.name} with {finding.data!r}:\n{finding.trace}")


def _replay(target: Target) -> object:
    def test(self: Replayed) -> None:
        self.check(target)

    test.__name__ = test.__qualname__ = f"test_{target.name.replace('-', '_')}"
    return test


for _target in TARGETS:
    setattr(Replayed, f"test_{_target.name.replace('-', '_')}", _replay(_target))


class Kept(SynchronousTestCase):
    def test_names_of_targets_differ_and_each_directory_of_the_corpus_has_one(self) -> None:
        names = [target.name for target in TARGETS]
        self.assertEqual(len(set(names)), len(names))
        directories = {path.name for path in corpus.KEPT.iterdir()} if corpus.KEPT.exists() else ()
        self.assertEqual(set(directories) - set(names), set())

    def test_the_corpus_is_small(self) -> None:
        sizes = [path.stat().st_size for path in corpus.KEPT.rglob("*") if path.is_file()]
        self.assertLess(sum(sizes), corpus.MOST_BYTES)

    def test_no_input_is_longer_than_its_target_takes(self) -> None:
        for target in TARGETS:
            for data in (*target.seeds(), *corpus.kept(target.name)):
                self.assertLessEqual(len(data), target.longest, target.name)
