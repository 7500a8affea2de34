"""The pages, in the order in which they are offered."""

from __future__ import annotations

from timestrata.web.dashboard.cards import Page
from timestrata.web.dashboard.pages import gaps, operations, overview, steps, team, tickets, work

PAGES: tuple[Page, ...] = (
    overview.PAGE,
    tickets.PAGE,
    steps.PAGE,
    gaps.PAGE,
    team.PAGE,
    work.PAGE,
    operations.PAGE,
)
