"""The tickets: what was completed in the period, the latest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from timestrata.history import History
from timestrata.web.dashboard import questions
from timestrata.web.dashboard.cards import Card, Page
from timestrata.web.dashboard.view import View
from timestrata.wording import tickets as texts

PAGE_ROWS = 50
MOST_DOWNLOADED = 10_000


def _list(view: View, history: History) -> Mapping[str, Any]:
    after = view.request.query_params.get("after") or None
    page = history.workflows(view.range, view.user, view.ticket_type, limit=PAGE_ROWS, after=after)
    completed = questions.summary(view, history).completed
    raw_from, first = page.coverage.raw_from, view.range.first
    is_cut = raw_from is not None and (first is None or first < raw_from)
    return {
        "rows": page.workflows,
        "latest": questions.latest(view, history) if not page.workflows else None,
        "completed": completed,
        "after": after,
        "next": page.next,
        "archived_before": raw_from if is_cut else None,
        "most": MOST_DOWNLOADED,
        "threshold": float(history.settings.gap_threshold),
    }


PAGE = Page("tickets", "/tickets", "tickets.html", texts, (Card("tickets", "tickets_list.html", _list),))
