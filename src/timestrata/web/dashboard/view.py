"""What a page is asked for: by whom, about whom, which days; and how its links are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import quote, urlencode

from fastapi import Depends, Query, Request

from timestrata.access import Principal
from timestrata.calendar import Bucket, DateRange, zone
from timestrata.errors import InvalidRequest
from timestrata.history import Revision
from timestrata.web.principals import COOKIE, check_read
from timestrata.web.ranges import DEFAULT, Range, asked_days
from timestrata.web.service import service_of
from timestrata.wording.words import Words, preferred_locale

T = TypeVar("T")

Measure = Literal["completed", "worked_seconds"]
Theme = Literal["system", "light", "dark"]

THEME_COOKIE = "timestrata_theme"
_CSRF_PURPOSE = b"timestrata-csrf"  # 16 bytes at most
ARGUMENTS = ("range", "from", "to", "user_id", "ticket_type", "template", "bucket", "measure")
"""What the pages have in common in their URLs; the names are the API's."""
_DAYS = ("from", "to", "range")

OWN_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "gaps": ("state", "kind"),
    "team": ("sort",),
    "work": ("done", "refused"),
    "operations": ("refused",),
}
"""What only one page has in its URL: links to another leave it out."""


@dataclass(frozen=True, slots=True)
class View:
    """A request for a page. `user` is whose data it shows, None: everyone's; the days are those of that user."""

    request: Request
    principal: Principal
    user: str | None
    days: Range
    revision: Revision
    words: Words
    arguments: Mapping[str, str]
    ticket_type: str | None = None
    template: str | None = None
    bucket: Bucket | None = None
    measure: Measure = "completed"
    refused: InvalidRequest | None = None
    """Why the days that were asked for cannot be; `days` are others then. Only a page is asked so, see Shown."""
    found: dict[str, Future[Any]] = field(default_factory=dict)
    """What was asked once for several cards of the page."""

    @property
    def preset(self) -> str | None:
        """The name of the range, None for days that were given."""
        asked = self.days.asked
        return asked if isinstance(asked, str) else None

    @property
    def range(self) -> DateRange:
        """The days by their dates."""
        asked = self.days.asked
        if isinstance(asked, int):
            first = self.revision.today.toordinal() - asked + 1
            return DateRange(type(self.revision.today).fromordinal(max(1, first)), self.revision.today)
        return DateRange.preset(asked, self.revision.today) if isinstance(asked, str) else asked

    @property
    def theme(self) -> Theme:
        """The theme that the reader has chosen; system: as the machine has it."""
        return theme_of(self.request)

    @property
    def csrf(self) -> str:
        """What a form of this session has to carry."""
        return csrf_token(self.request)

    @property
    def may_write(self) -> bool:
        """Tell whether the reader may change the data that is shown, or anyone's where everyone's is."""
        return self.principal.is_admin if self.user is None else self.principal.may_write(self.user)

    def once(self, name: str, ask: Callable[[], T]) -> T:
        """Return the answer to a question that several cards have; the first of them asks, the others wait for it."""
        mine: Future[T] = Future()
        shared: Future[T] = self.found.setdefault(name, mine)  # in one step, whichever threads the cards are in
        if shared is mine:
            try:
                mine.set_result(ask())
            except BaseException as error:
                mine.set_exception(error)
        return shared.result()

    def link(self, path: str, **changes: str | None) -> str:
        """Return the URL of a page or part with the same question, but for the arguments that are named; None: without.

        `from_` stands for from. Whoever names a range leaves other days behind.
        """
        named = {name.rstrip("_"): value for name, value in changes.items()}
        own = _names_of(path)
        kept = {name: value for name, value in self.arguments.items() if name in own}
        if not named.keys().isdisjoint(_DAYS):
            kept = {name: value for name, value in kept.items() if name not in _DAYS}
        kept |= {name: value for name, value in named.items() if value is not None}
        gone = {name for name, value in named.items() if value is None}
        query = urlencode({name: value for name, value in kept.items() if name not in gone}, quote_via=quote)
        return f"{path}?{query}" if query else path

    def hidden(self, *without: str) -> list[tuple[str, str]]:
        """Return the arguments that a form has to carry along, all but those that it asks for itself."""
        return [(name, value) for name, value in self.arguments.items() if name not in without]


def _names_of(path: str) -> tuple[str, ...]:
    """Return the arguments that a page has in its URL, and so its cards."""
    page = path.removeprefix("/cards").strip("/").partition("/")[0]
    return (*ARGUMENTS, *OWN_ARGUMENTS.get(page, ()))


def theme_of(request: Request) -> Theme:
    """Return the theme that the reader has chosen; system: as the machine has it."""
    match request.cookies.get(THEME_COOKIE):
        case "light":
            return "light"
        case "dark":
            return "dark"
    return "system"


def csrf_token(request: Request) -> str:
    """Return what proves that a form was made for this session: nobody else can derive it from what a page shows."""
    secret = request.cookies.get(COOKIE, "")
    return blake2b(secret.encode(errors="replace"), digest_size=16, person=_CSRF_PURPOSE).hexdigest()


async def _view(
    request: Request,
    bucket: Annotated[Bucket | Literal[""] | None, Query()] = None,
    measure: Annotated[Measure | Literal[""], Query()] = "completed",
) -> View:
    """Return what a page is asked for; an empty argument, as forms send them, is none.

    Raises Problem (401, 403, 429), InvalidRequest.
    """
    given = _given(request)
    return await _asked(request, given, _days(given), bucket, measure)


async def _shown(
    request: Request,
    bucket: Annotated[Bucket | Literal[""] | None, Query()] = None,
    measure: Annotated[Measure | Literal[""], Query()] = "completed",
) -> View:
    """Return what a page is asked for, as _view(), but days that cannot be are `refused` and not raised."""
    given = _given(request)
    try:
        days = _days(given)
    except InvalidRequest as error:
        rest = {name: value for name, value in given.items() if name not in _DAYS}
        view = await _asked(request, rest, Range(DEFAULT, default=True), bucket, measure)
        return replace(view, refused=error)
    return await _asked(request, given, days, bucket, measure)


def _days(given: Mapping[str, str]) -> Range:
    return asked_days(given.get("from"), given.get("to"), given.get("range"))


def _given(request: Request) -> dict[str, str]:
    names = _names_of(request.url.path)
    return {name: value for name in names if (value := request.query_params.get(name))}


async def _asked(
    request: Request,
    given: Mapping[str, str],
    days: Range,
    bucket: Bucket | Literal[""] | None,
    measure: Measure | Literal[""],
) -> View:
    service = service_of(request)
    principal = await service.gate.principal(request)
    user = given.get("user_id") or (None if principal.may_read_all else principal.user)
    check_read(principal, user)
    revision = await service.revisions.of(user)
    words = Words(preferred_locale(request.headers.get("accept-language")), zone(revision.timezone))
    return View(
        request,
        principal,
        user,
        days,
        revision,
        words,
        given,
        given.get("ticket_type"),
        given.get("template"),
        bucket or None,
        measure or "completed",
    )


Asked = Annotated[View, Depends(_view)]
"""A parameter of a route that shows a part of a page."""

Shown = Annotated[View, Depends(_shown)]
"""A parameter of a route that shows a whole page."""
