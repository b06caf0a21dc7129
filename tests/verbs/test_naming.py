"""A login that names a console, and the words of a verb: whose console is it?"""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.verbs.naming import names_one
from vspc.verbs.table import VERBS
from vspc.verbs.words import BadWord

BEFORE = ((), ("--enter",), ("--json", "--force"), ("--timeout", "5"), ("--timeout=5",))
BEHIND = ((), ("--enter",), ("--json", "--enter"), ("--timeout", "5"), ("--timeout=5",))


class Sending(SynchronousTestCase):
    def names(self, *words: str) -> bool:
        return names_one("send", words, "web8")

    def test_one_word_is_text_whatever_options_are_around_it(self) -> None:
        for before in BEFORE:
            for behind in BEHIND:
                self.assertFalse(self.names(*before, "ls", *behind), (before, behind))

    def test_two_words_are_a_name_and_text(self) -> None:
        for before in BEFORE:
            for behind in BEHIND:
                self.assertTrue(self.names(*before, "web1", "ls", *behind), (before, behind))
                between = (*before, "web1", *before, "ls", *behind)
                self.assertTrue(self.names(*between), between)

    def test_the_name_of_the_login_is_a_name(self) -> None:
        for before in BEFORE:
            for behind in (*BEHIND, ("--force",), ("--", "ls")):
                self.assertTrue(self.names(*before, "web8", *behind), (before, behind))

    def test_nothing_but_options_is_about_the_login(self) -> None:
        for before in BEFORE:
            self.assertFalse(self.names(*before))

    def test_behind_two_dashes_all_is_text(self) -> None:
        for words in (("--", "web1"), ("--", "web1", "ls"), ("--enter", "--", "a", "--json", "b")):
            self.assertFalse(self.names(*words), words)
        self.assertTrue(self.names("web1", "--", "--json"))

    def test_what_could_be_either_is_asked_back(self) -> None:
        for words in (("ls", "--force"), ("ls", "--force", "--enter"), ("--json", "ls", "--force")):
            self.assertRaises(BadWord, self.names, *words)

    def test_what_the_verb_would_refuse(self) -> None:
        for words in (("--bogus", "ls"), ("--timeout",), ("--json=yes", "ls")):
            self.assertRaises(BadWord, self.names, *words)


class Expecting(SynchronousTestCase):
    def names(self, *words: str) -> bool:
        return names_one("expect", words, "web8")

    def test_options_wherever_they_stand(self) -> None:
        options = (("--timeout", "1"), ("--send", "web1", "--enter"), ("--fail=x",), ("--json",))
        for given_ in permutations(options, 2):
            for before, behind in (given_, ((), given_[0]), (given_[1], ())):
                self.assertFalse(self.names(*before, "login:", *behind), (before, behind))
                self.assertTrue(self.names(*before, "web1", "login:", *behind))
                self.assertTrue(self.names(*before, "web1", *behind, "login:"))

    def test_behind_two_dashes_all_is_the_expression(self) -> None:
        self.assertFalse(self.names("--timeout", "1", "--", "a", "b"))
        self.assertFalse(self.names("--", "-x"))
        self.assertTrue(self.names("web1", "--", "-x"))

    def test_a_value_is_no_name(self) -> None:
        self.assertFalse(self.names("--send", "--", "login:"))
        self.assertRaises(BadWord, self.names, "login:", "--timeout")


class Others(SynchronousTestCase):
    def test_options_of_other_verbs(self) -> None:
        for named, verb, words in (
            (False, "info", "--json"),
            (True, "info", "--json web1"),
            (False, "boots", ""),
            (False, "log", "-n 5"),
            (True, "log", "web1 -n 5"),
            (False, "raw", "--from 5"),
            (False, "raw", "ro --from 5"),
            (True, "raw", "--from 5 web1"),
            (True, "raw", "web1 --from 5"),
            (False, "console", "ro"),
            (False, "kick", "bob"),
            (False, "kick", "bob --json"),
            (False, "kick", "--json bob"),
            (True, "kick", "web1 bob --json"),
            (True, "kick", "--session abc"),
            (True, "kick", "--operator bob --json"),
            (True, "kick", "--all-writers"),
            (False, "msg", "hello"),
            (True, "msg", "web1 hello"),
            (False, "note", "--reboot now"),
            (True, "list", ""),
            (True, "sessions", "--json"),
        ):
            found = names_one(verb, tuple(words.split()), "web8")
            self.assertEqual(found, named, (verb, words))

    @given(
        st.sampled_from(sorted(VERBS)),
        st.lists(
            st.sampled_from(("--", "-", "--json", "--from", "a", "web8", "--force", "", "-x"))
        ),
    )
    def test_it_answers_or_says_what_is_wrong(self, verb: str, words: list[str]) -> None:
        try:
            self.assertIn(names_one(verb, tuple(words), "web8"), (True, False))
        except BadWord as mistake:
            self.assertTrue(str(mistake))
