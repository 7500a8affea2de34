"""The form of a period: the URL that it stands for when it is sent."""

from __future__ import annotations

from datetime import date
from urllib.parse import quote, urlencode

from fastapi import Request

from timestrata.calendar import DateRange

WAS = "was"
"""The field with the days that the form showed: what nobody touched is still the range that the page had a name for."""

_DAYS = ("from", "to")


def shown(dates: DateRange) -> str:
    """Return the days of a form as its hidden field has them."""
    return f"{dates.first or ''}/{dates.last or ''}"


def typed(request: Request, name: str) -> str:
    """Return the day that was typed into a field, nothing for what is no day: a browser has no place for it."""
    found = request.query_params.get(name, "")
    try:
        return date.fromisoformat(found).isoformat()
    except ValueError:
        return ""


def address(request: Request) -> str | None:
    """Return the URL that a sent form stands for, None for a request that no form has sent.

    A range that has a name keeps it unless a day was changed: all time is all of another person's too, and a bookmark
    of the last 30 days rolls on. Whoever empties both days asks for all time. Empty fields are left out.
    """
    given = request.query_params
    if WAS not in given:
        return None
    days = [given.get(name, "") for name in _DAYS]
    touched = "/".join(days) != given[WAS]
    without = ("range",) if touched else _DAYS if given.get("range") else ()
    kept = [(name, value) for name, value in given.multi_items() if value and name not in (WAS, *without)]
    if touched and not any(days):
        kept.insert(0, ("range", "all_time"))
    query = urlencode(kept, quote_via=quote)
    return f"{request.url.path}?{query}" if query else request.url.path
