"""The team: people side by side, without a ranking of those who have done too little to be compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from timestrata.answers import Aggregation
from timestrata.errors import InvalidRequest
from timestrata.history import History
from timestrata.web.dashboard import questions
from timestrata.web.dashboard.cards import Card, Page
from timestrata.web.dashboard.view import View
from timestrata.wording import team as texts

LEAST = 5
"""Completed tickets; with fewer, averages say more about chance than about a person."""

_VALUES: dict[str, Callable[[Aggregation], float | None]] = {
    "completed": lambda one: one.completed,
    "worked": lambda one: one.worked_seconds,
    "mean": lambda one: one.mean_seconds,
    "median": lambda one: one.p50_seconds,
    "ratio": lambda one: one.estimate_ratio,
    "first_pass": lambda one: one.first_pass_ratio,
    "gaps": lambda one: one.gap_alerts,
}


@dataclass(frozen=True, slots=True)
class Order:
    """By which column people are sorted, and in which direction."""

    column: str
    descending: bool

    @classmethod
    def parse(cls, text: str) -> Order:
        """Return the order that the URL names: a column, with a minus for the greatest first. Raises InvalidRequest."""
        order = cls(text.removeprefix("-"), text.startswith("-"))
        if order.column not in texts.COLUMNS:
            raise InvalidRequest("sort", text, f"one of {', '.join(texts.COLUMNS)}, or with a minus before it")
        return order

    def sorted(self, people: list[Aggregation]) -> list[Aggregation]:
        """Return people, who come by name, in this order; those without a value come last."""
        if self.column == "name":
            return people[::-1] if self.descending else people
        value = _VALUES[self.column]
        known = [one for one in people if value(one) is not None]
        known.sort(key=lambda one: value(one) or 0, reverse=self.descending)
        return known + [one for one in people if value(one) is None]

    def link(self, column: str) -> str | None:
        """Return what a click on a column asks for: names from A, figures from the greatest, the other way next."""
        turned = not self.descending if column == self.column else column != "name"
        wanted = f"-{column}" if turned else column
        return None if wanted == "name" else wanted


def _people(view: View, history: History) -> Mapping[str, Any]:
    order = Order.parse(view.arguments.get("sort", "name"))
    report = history.aggregations(view.range, "user", user_id=view.user, ticket_type=view.ticket_type)
    compared = [one for one in report if one.completed >= LEAST]
    return {
        "people": order.sorted(compared),
        "few": [one for one in report if one.completed < LEAST],
        "total": report.total,
        "latest": None if len(report.groups) else questions.latest(view, history),
        "order": order,
        "least": LEAST,
        "most": {
            "completed": max((one.completed for one in report), default=0),
            "worked": max((one.worked_seconds for one in report), default=0),
            "ratio": max((one.estimate_ratio or 0 for one in compared), default=0),
        },
    }


PAGE = Page("team", "/team", "team.html", texts, (Card("people", "people.html", _people),), scope="may_read_all")
