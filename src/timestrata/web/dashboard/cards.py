"""Cards: the parts that pages are made of. Each is asked for, rendered, kept and, when it fails, told of by itself."""

from __future__ import annotations

import asyncio
import re
from asyncio import Future
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from markupsafe import Markup

from timestrata.access import Principal
from timestrata.history import History
from timestrata.web import answers
from timestrata.web.dashboard.rendering import rendered
from timestrata.web.dashboard.surroundings import surroundings
from timestrata.web.dashboard.view import View
from timestrata.web.problems import problem_of
from timestrata.web.service import Service

_MARK = "<!--card {}-->"
_MARKS = re.compile("<!--card ([a-z0-9-]+)-->")
"""No text of anybody's can hold one: it would be escaped."""

_END_OF_HEAD = "</head>"

_TOGETHER_SECONDS = 0.1
"""What is ready within this time is one part: see together()."""

Loader = Callable[[View, History], Mapping[str, Any]]
"""Asks the history for what a card shows; runs in a thread. What it returns are the names in its template."""


@dataclass(frozen=True, slots=True)
class Card:
    """A part of a page: `template` is its file, `load` asks for what it shows.

    A card is kept for as long as the revision, the day and the URL are the same; one with `fresh` is not, because time
    alone changes it.
    """

    name: str
    template: str
    load: Loader
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its path, its template, its strings (`t` in the templates) and its cards, in the order of asking.

    `load` asks for what the frame around the cards shows. `scope` is what a token has to have: a property of Principal.
    """

    name: str
    path: str
    template: str
    texts: Any
    cards: tuple[Card, ...]
    load: Loader = lambda view, history: {}
    scope: str | None = None
    has_period: bool = True

    def refuses(self, view: View) -> bool:
        """Tell whether it cannot show the days that it is asked for."""
        return self.has_period and view.refused is not None

    def is_open_to(self, principal: Principal) -> bool:
        """Tell whether the holder of a token may see the page."""
        return self.scope is None or bool(getattr(principal, self.scope))


def frame(service: Service, page: Page, pages: Sequence[Page], view: View) -> str:
    """Return the HTML around the cards of a page, a mark where each of them stands. Blocks.

    `pages` are those that the reader may go to. Where the days were refused there are no cards.
    """
    marks = {card.name: Markup(_MARK.format(card.name)) for card in page.cards}
    around = {**surroundings(service, view), "pages": pages, **page.load(view, service.history)}
    template = "refused.html" if page.refuses(view) else page.template
    return rendered(template, page=page, view=view, t=page.texts, cards=marks, **around)


async def parts(service: Service, page: Page, html: str, view: View) -> AsyncIterator[str]:
    """Yield a page in parts: its head, what is around the cards, and each card when it and those before it are there.

    They are asked for at the same time, so that the first figures can be read while the last are added up. Of the head
    a browser paints nothing: it has the styles and scripts ready when the first card comes.
    """
    pieces = _MARKS.split(html)
    named = {card.name: card for card in page.cards}
    asked = [
        asyncio.ensure_future(service.run(partial(render, service, page, named[name], view))) for name in pieces[1::2]
    ]
    try:
        head, end, around = pieces[0].partition(_END_OF_HEAD)
        yield head + end
        async for part in together(around, zip(asked, pieces[2::2], strict=True), _TOGETHER_SECONDS):
            yield part
    finally:
        for card in asked:
            card.cancel()


async def together(before: str, pieces: Iterable[tuple[Future[Markup], str]], seconds: float) -> AsyncIterator[str]:
    """Yield a text and pieces in their order, each with the text after it.

    What is ready within `seconds` of the part before (the first: of the call) is one part. For each a browser lays the
    page out anew, on the processors that the questions need: sent in two parts, a page that took 53 ms could be read
    20 ms later than in one.
    """
    loop = asyncio.get_running_loop()
    held, due = before, loop.time() + seconds
    for piece, after in pieces:
        if held and not (await asyncio.wait([piece], timeout=max(0.0, due - loop.time())))[0]:
            yield held
            held, due = "", loop.time() + seconds
        held += f"{await piece}{after}"
    yield held


def render(service: Service, page: Page, card: Card, view: View) -> Markup:
    """Return the HTML of a card: kept, made, or saying that it failed. Blocks."""
    key = None if card.fresh else _key(page, card, view)
    kept = service.answers.get(key) if key is not None else None
    if kept is not None:
        return Markup(kept.decode())
    place = f"{page.name}/{card.name}"
    try:
        found = card.load(view, service.history)
        html = rendered(card.template, page=page, card=card, place=place, view=view, t=page.texts, **found)
    except Exception as error:
        return _failed(service, page, card, view, error)
    if key is not None:
        service.answers.put(key, html.encode())
    return Markup(html)


def _key(page: Page, card: Card, view: View) -> str:
    """Return what names all that a card depends on; its forms carry the token of the session."""
    parts = (
        page.name,
        card.name,
        view.words.language,
        view.csrf,
        view.principal.token_id,
        sorted(view.arguments.items()),
    )
    return f"{answers.tag_of_revision(view.request, view.user, view.revision)};{parts!r}"


def _failed(service: Service, page: Page, card: Card, view: View, error: Exception) -> Markup:
    problem = problem_of(error, service.dialect)
    if problem.status == 500:
        service.log.exception("card failed", card=f"{page.name}/{card.name}", request_id=view.request.state.request_id)
    place = f"{page.name}/{card.name}"
    return Markup(rendered("failed.html", page=page, card=card, place=place, view=view, t=page.texts, problem=problem))
