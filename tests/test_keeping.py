"""What is kept in memory: the latest used, within a limit."""

from timestrata.keeping import Kept


def test_what_was_not_used_for_longest_goes_first() -> None:
    kept = Kept(most_bytes=80)
    for number in range(8):
        kept.put(number, b"x" * 10)
    kept.get(0)
    kept.put(8, b"x" * 10)

    assert [kept.get(number) is not None for number in range(9)] == [True, False] + [True] * 7


def test_what_would_push_out_all_others_is_not_kept() -> None:
    kept = Kept(most_bytes=80)
    kept.put("large", b"x" * 11)

    assert kept.get("large") is None


def test_bytes_stand_in_place_of_those_kept_under_the_same_key() -> None:
    kept = Kept(most_bytes=80)
    kept.put("other", b"y" * 10)
    for _ in range(100):
        kept.put("one", b"x" * 10)
    kept.put("one", b"z")

    assert (kept.get("one"), kept.get("other")) == (b"z", b"y" * 10)


def test_what_is_too_large_does_not_leave_the_one_before_it() -> None:
    kept = Kept(most_bytes=80)
    kept.put("one", b"x")
    kept.put("one", b"x" * 11)

    assert kept.get("one") is None
