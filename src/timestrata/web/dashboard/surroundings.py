"""What stands around the cards of a page: the pages, the people and types to choose from, what waits for the reader."""

from __future__ import annotations

from typing import Any

from timestrata.tracked import TrackedWorkflow
from timestrata.web.dashboard import questions
from timestrata.web.dashboard.view import View
from timestrata.web.service import Service

MOST_PEOPLE = 300
"""More than these are typed and not chosen: a page is to stay light."""


def surroundings(service: Service, view: View) -> dict[str, Any]:
    """Return the names that the template of every page uses. Blocks."""
    history = service.history
    people: tuple[str, ...] = ()
    if view.principal.may_read_all:
        people = history.users()
    return {
        "people": people if len(people) > 1 else (),
        "most_people": MOST_PEOPLE,
        "types": questions.ticket_types(view, history),
        "open_gaps": _badge(service, view),
        "timer": _timer(service, view),
        "bundle": service.studio.bundle_path,
    }


def _badge(service: Service, view: View) -> int:
    """Return the open gaps for the badge, without which a page is still a page."""
    try:
        return questions.gaps(view, service.history).count
    except Exception as error:
        service.log.warning("gap alerts not counted", reason=type(error).__name__)
        return 0


def _timer(service: Service, view: View) -> TrackedWorkflow | None:
    """Return what the reader works on, without which a page is still a page too; None for who tracks nothing here."""
    user = view.principal.user
    if user is None or not view.principal.may_track:
        return None
    try:
        open_work = view.once(f"open work of {user}", lambda: service.history.tracking.active(user))
        return next((one for one in open_work if one.current is not None), None)
    except Exception as error:
        service.log.warning("work not found", reason=type(error).__name__)
        return None
