"""What can be downloaded: every table as CSV and JSON, the whole overview as a PDF or a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import APIRouter, Depends
from starlette.responses import Response

from timestrata import report
from timestrata.answers import AlertPage, GroupBy
from timestrata.formats import sheets
from timestrata.formats.sheets import Sheet, csv_text
from timestrata.history import History
from timestrata.report import Report
from timestrata.web import wire
from timestrata.web.dashboard import questions
from timestrata.web.dashboard.files import file_name, sent
from timestrata.web.dashboard.route import PageRoute
from timestrata.web.dashboard.view import Asked, View
from timestrata.web.service import service_of
from timestrata.wording.words import Words

router = APIRouter(include_in_schema=False, route_class=PageRoute)

MOST_ROWS = 10_000
"""Of a list, the latest first."""

What = Literal["summary", "trend", "daily", "steps", "workflows", "alerts", "aggregations"]
_MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "json": wire.MEDIA_TYPE}
_DISMISSED: Mapping[str, bool | None] = {"open": False, "dismissed": True, "all": None}


class _More(NamedTuple):
    """Arguments that a table has beside those of the pages; the names are the API's."""

    group: GroupBy
    sub_group: GroupBy | None
    state: Literal["open", "dismissed", "all"]
    kind: Literal["workflow", "step"] | None


def _more(
    group: GroupBy = "user",
    sub_group: GroupBy | None = None,
    state: Literal["open", "dismissed", "all"] = "open",
    kind: Literal["workflow", "step", ""] | None = None,
) -> _More:
    return _More(group, sub_group, state, kind or None)


@router.get("/exports/report.{form}")
async def whole(form: Literal["pdf", "html"], view: Asked) -> Response:
    """Return the whole overview as one file. It is written in another process, because its pictures are drawn there."""
    service = service_of(view.request)

    async def make() -> bytes:
        found = await service.run(
            lambda: report.overview_report(
                service.history,
                view.range,
                view.user,
                view.ticket_type,
                ticket_types=questions.ticket_types(view, service.history),
            )
        )
        return await service.studio.run(written, found, view.words, form)

    media_type = {"pdf": "application/pdf", "html": "text/html; charset=utf-8"}[form]
    return await sent(view, make, media_type, file_name("report", view.range, form))


def written(found: Report, words: Words, form: str) -> bytes:
    """Write a report as "pdf" or "html"."""
    return report.pdf(found, words) if form == "pdf" else report.html(found, words).encode()


@router.get("/exports/{what}.{form}")
async def table(
    what: What, form: Literal["csv", "json"], view: Asked, more: Annotated[_More, Depends(_more)]
) -> Response:
    """Return a table as `timestrata {what} --csv` prints it, or as the API answers."""
    service = service_of(view.request)

    def ask() -> bytes:
        found, sheet = _TABLES[what](view, service.history, more)
        return wire.encode(found) if form == "json" else csv_text(sheet(found)).encode()

    async def make() -> bytes:
        return await service.run(ask)

    return await sent(view, make, _MEDIA_TYPES[form], file_name(what, view.range, form))


# ------------------------------------------------------------------------------------------- answers with their sheets

_Asked = tuple[Any, Callable[[Any], Sheet]]


def _summary(view: View, history: History, more: _More) -> _Asked:
    return questions.summary(view, history), sheets.summary_sheet


def _trend(view: View, history: History, more: _More) -> _Asked:
    return questions.trend(view, history), sheets.trend_sheet


def _daily(view: View, history: History, more: _More) -> _Asked:
    return history.daily(view.range, view.user, view.ticket_type), sheets.daily_sheet


def _steps(view: View, history: History, more: _More) -> _Asked:
    return questions.steps(view, history), sheets.steps_sheet


def _workflows(view: View, history: History, more: _More) -> _Asked:
    return history.workflows(view.range, view.user, view.ticket_type, limit=MOST_ROWS), sheets.workflows_sheet


def _alerts(view: View, history: History, more: _More) -> _Asked:
    asked: dict[str, Any] = {"dismissed": _DISMISSED[more.state], "kind": more.kind, "ticket_type": view.ticket_type}
    return history.alert_page(view.range, view.user, **asked, limit=MOST_ROWS), _alerts_sheet


def _alerts_sheet(page: AlertPage) -> Sheet:
    return sheets.alerts_sheet(page.alerts)


def _aggregations(view: View, history: History, more: _More) -> _Asked:
    found = history.aggregations(
        view.range, more.group, more.sub_group, view.user, ticket_type=view.ticket_type, template=view.template
    )
    return found, sheets.aggregations_sheet


_TABLES: Mapping[What, Callable[[View, History, _More], _Asked]] = {
    "summary": _summary,
    "trend": _trend,
    "daily": _daily,
    "steps": _steps,
    "workflows": _workflows,
    "alerts": _alerts,
    "aggregations": _aggregations,
}
