"""The gap alerts: what took too long, what of it was dismissed, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from timestrata.errors import InvalidRequest
from timestrata.history import History
from timestrata.web.dashboard.cards import Card, Page
from timestrata.web.dashboard.view import View
from timestrata.wording import gap_rows
from timestrata.wording import gaps as texts

Kind = Literal["workflow", "step"]
_PAGE_SIZE = 50


def _state(view: View) -> str:
    found = view.arguments.get("state", "open")
    if found not in texts.STATES:
        raise InvalidRequest("state", found, f"one of {', '.join(texts.STATES)}")
    return found


def _kind(view: View) -> Kind | None:
    match view.arguments.get("kind"):
        case "workflow":
            return "workflow"
        case "step":
            return "step"
        case None:
            return None
        case found:
            raise InvalidRequest("kind", found, "workflow or step")


def _frame(view: View, history: History) -> Mapping[str, Any]:
    return {"state": _state(view), "kind": _kind(view) or ""}


def _list(view: View, history: History) -> Mapping[str, Any]:
    state, after = _state(view), view.request.query_params.get("after") or None
    page = history.alert_page(
        view.range,
        view.user,
        dismissed=state == "dismissed",
        kind=_kind(view),
        ticket_type=view.ticket_type,
        limit=_PAGE_SIZE,
        after=after,
    )
    threshold = float(history.settings.gap_threshold)
    found = {"alerts": page.alerts, "next": page.next, "after": after}
    return {**found, "g": gap_rows, "state": state, "threshold": threshold}


PAGE = Page("gaps", "/gaps", "gaps.html", texts, (Card("gap-list", "gap_list.html", _list),), load=_frame)
