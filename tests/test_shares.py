"""Answers about everybody from kept shares: never out of date, and little asked again."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from timestrata.keeping import Kept
from timestrata.shares import MANY_CHANGES, Arithmetic, People, Shares


class Store:
    """People, how often each changed something, and the answers about them: their changes added up by a question."""

    def __init__(self, people: Iterable[int], most_bytes: int = 1 << 20, changes: int = MANY_CHANGES) -> None:
        self.changes = dict.fromkeys(people, changes)
        self.gone = 0
        self.kept = Kept(most_bytes)
        self.asked: list[int] = []
        """How many were asked for at each question that went to the store."""

    def change(self, *people: int) -> None:
        for person in people:
            self.changes[person] = self.changes.get(person, 0) + 1
        self.changes = dict(sorted(self.changes.items()))

    def erase(self, person: int) -> None:
        if self.changes.pop(person, None) is not None:
            self.gone += 1

    def among(self, question: str, people: Iterable[int]) -> dict[int, str]:
        """Return an answer that tells who it is about, in which state."""
        return {person: f"{question}{self.gone}.{self.changes[person]}" for person in people if person in self.changes}

    def answer(self, question: str) -> dict[int, str]:
        self.asked.clear()

        def ask(people: People) -> dict[int, str]:
            self.asked.append(len(self.among("", people)))
            return self.among(question, people)

        def add(one: dict[int, str], other: dict[int, str]) -> dict[int, str]:
            assert not one.keys() & other.keys()
            one.update(other)
            return one

        def swap(whole: dict[int, str], old: dict[int, str], new: dict[int, str]) -> dict[int, str] | None:
            """As every fifth answer may not tell, by the number of changes, what is to be asked again."""
            assert old.items() <= whole.items()
            if sum(self.changes.values()) % 5 == 0:
                return None
            return add({person: told for person, told in whole.items() if person not in old}, new)

        return Shares(self.changes, self.gone, self.kept).answer(question, ask, Arithmetic(add, swap))


PEOPLE = st.integers(1, 600)
STEPS = st.one_of(
    st.tuples(st.just("change"), st.lists(PEOPLE, max_size=30)),
    st.tuples(st.just("change"), st.lists(st.integers(1, 20), max_size=2)),
    st.tuples(st.just("erase"), st.lists(PEOPLE | st.integers(1, 20), max_size=1)),
    st.tuples(st.just("ask"), st.sampled_from([["a"], ["b"], ["a", "b"]])),
)


@given(
    people=st.sets(PEOPLE),
    steps=st.lists(STEPS, max_size=30),
    most_bytes=st.sampled_from([0, 5_000, 1 << 20]),
    changes=st.sampled_from([1, MANY_CHANGES // 40, MANY_CHANGES]),
)
def test_an_answer_is_what_asking_for_everybody_would_give(
    people: set[int], steps: list[tuple[str, list[int] | list[str]]], most_bytes: int, changes: int
) -> None:
    store = Store(sorted(people), most_bytes, changes)
    for what, whom in [*steps, ("ask", ["a", "b"])]:
        for each in whom:
            if what == "ask":
                assert store.answer(str(each)) == store.among(str(each), store.changes)
            elif what == "erase":
                store.erase(int(each))
            else:
                store.change(int(each))


def test_nobody_is_asked_again_when_nobody_did_anything() -> None:
    store = Store(range(1, 501))
    store.answer("a")
    assert store.asked == [500]

    store.answer("a")
    assert store.asked == []


def test_of_who_goes_on_working_only_her_own_share_is_asked_again() -> None:
    store = Store(range(1, 501))
    store.answer("a")
    asked = []
    for _ in range(5):
        store.change(77)
        store.answer("a")
        asked.append(sum(store.asked))

    assert asked == [500, 32, 1, 1, 1]


def test_people_who_did_little_are_asked_together() -> None:
    store = Store(range(1, 501), changes=(MANY_CHANGES - 1) // 500)
    store.answer("a")
    store.change(77)
    store.answer("a")

    assert store.asked == [500]


def test_after_many_did_something_everybody_is_asked_in_one_question() -> None:
    store = Store(range(1, 501))
    for _ in range(3):
        store.change(77)
        store.answer("a")
    store.change(*range(1, 501, 5))
    store.answer("a")

    assert store.asked == [500]


def test_a_new_person_is_asked_for_with_few_others() -> None:
    store = Store(range(1, 501))
    store.answer("a")
    store.change(501)
    store.answer("a")
    store.change(502)
    store.answer("a")

    assert sum(store.asked) < 40
    assert len(store.answer("a")) == 502


def test_whoever_is_given_the_id_of_one_who_is_gone_is_asked_for() -> None:
    store = Store(range(1, 501))
    store.answer("a")
    store.erase(500)
    store.changes[500] = MANY_CHANGES  # as many as the one before

    assert store.answer("a")[500] == f"a1.{MANY_CHANGES}"
