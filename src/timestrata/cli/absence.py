"""What is said when there is nothing to show: why, and what to try next."""

from __future__ import annotations

from timestrata.calendar import DateRange
from timestrata.cli.wording import name
from timestrata.history import History

_MOST_NAMED = 10


def nothing(
    history: History,
    dates: DateRange | str,
    *,
    user: str | None = None,
    ticket_type: str | None = None,
    template: str | None = None,
    what: str = "Nothing was completed or worked on",
) -> str:
    """Return a sentence or two: the history is empty, the user unknown, or the range without anything."""
    users = history.users()
    if not users:
        return "This history is empty: `timestrata import FILE` records into it, `timestrata demo` shows an example."
    if user is not None and user not in users:
        return f"Nothing was ever recorded for the user {name(user)}; there are {_named(users)}."
    by = [("by", user), ("on ticket type", ticket_type), ("with template", template)]
    which = "".join(f" {word} {name(value)}" for word, value in by if value is not None)
    return nothing_in(f"{what}{which}", dates)


def nothing_in(what: str, dates: DateRange | str) -> str:
    """Return a sentence about a range, and another that names a longer one where there is one."""
    everything = dates in (DateRange(), "all_time")
    more = "" if everything else " Try another range, such as --range all_time."
    return f"{what}, {'all time' if everything else dates}.{more}"


def _named(users: tuple[str, ...]) -> str:
    more = len(users) - _MOST_NAMED
    return ", ".join(map(name, users[:_MOST_NAMED])) + (f" and {more:,} more" if more > 0 else "")
