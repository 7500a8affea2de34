"""Pictures and downloads as they are sent: made once a revision, and not sent again to who has them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from importlib.metadata import version

from starlette.responses import Response

from timestrata.calendar import DateRange
from timestrata.web import answers
from timestrata.web.dashboard.view import View
from timestrata.web.service import service_of

_VARY = "Cookie, Accept-Language"


async def sent(
    view: View, make: Callable[[], Awaitable[bytes]], media_type: str, file_name: str | None = None
) -> Response:
    """Return what follows from the data, the day, the URL and the reader's language; `file_name` is for downloads.

    Raises what `make` does.
    """
    tag = _tag(view)
    headers = {"ETag": tag, "Cache-Control": answers.CACHE_CONTROL, "Vary": _VARY}
    if answers.is_known(view.request, tag):
        return Response(status_code=304, headers=headers)
    kept = service_of(view.request).answers
    body = kept.get(f"file;{tag}")
    if body is None:
        body = await make()
        kept.put(f"file;{tag}", body)
    if file_name is not None:
        headers["Content-Disposition"] = f'attachment; filename="{file_name}"'
    return Response(body, 200, headers, media_type)


def _tag(view: View) -> str:
    """Return the ETag: who may read everything has the colours of all types, and another version other pictures."""
    revision = answers.tag_of_revision(view.request, view.user, view.revision)
    parts = (revision, view.words.language, view.principal.may_read_all, _version())
    return answers.tag_of_body(repr(parts).encode())


@cache
def _version() -> str:
    return version("timestrata")


def file_name(what: str, dates: DateRange, ending: str) -> str:
    """Return the name of a download: what it is and which days it is of.

    >>> file_name("trend", DateRange.parse("2024-03-01", "2024-03-31"), "csv")
    'timestrata-trend-2024-03-01-to-2024-03-31.csv'
    """
    days = [f"{word}{day}" for word, day in (("", dates.first), ("to-", dates.last)) if day is not None]
    return f"{'-'.join(['timestrata', what, *days])}.{ending}"
