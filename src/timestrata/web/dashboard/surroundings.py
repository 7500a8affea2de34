"""What stands around the cards of a page: the pages, the people and types to choose from, what waits for the reader."""

from __future__ import annotations

import json
from typing import Any

from timestrata.history import History
from timestrata.tracked import TrackedWorkflow
from timestrata.web.dashboard.view import View
from timestrata.web.service import Service

MOST_PEOPLE = 300
"""More than these are typed and not chosen: a page is to stay light."""
_MOST_GAPS = 100


def surroundings(service: Service, view: View) -> dict[str, Any]:
    """Return the names that the template of every page uses. Blocks."""
    history = service.history
    people: tuple[str, ...] = ()
    if view.principal.may_read_all:
        people = history.users()
    return {
        "people": people if len(people) > 1 else (),
        "most_people": MOST_PEOPLE,
        "types": types_of(service, view),
        "open_gaps": _badge(service, view),
        "most_gaps": _MOST_GAPS,
        "timer": _timer(service, view),
        "bundle": service.studio.bundle_path,
    }


def types_of(service: Service, view: View) -> tuple[str, ...]:
    """Return the ticket types that the reader may see, those that were recorded first first.

    Their place is their colour, whatever is shown of them. Kept for a revision, because one's own are found in all of
    one's history.
    """
    history = service.history
    if view.principal.may_read_all:
        return history.ticket_types()
    key = f"types;{view.user};{view.revision.number}"
    kept = service.answers.get(key)
    if kept is not None:
        return tuple(json.loads(kept))
    mine = set(history.summary("all_time", view.user).by_ticket_type)
    found = tuple(name for name in history.ticket_types() if name in mine)
    service.answers.put(key, json.dumps(found).encode())
    return found


def _badge(service: Service, view: View) -> int:
    """Return the open gaps for the badge, without which a page is still a page."""
    try:
        return open_gaps(view, service.history)
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


def open_gaps(view: View, history: History) -> int:
    """Return how many gap alerts of the days that are shown nobody has dismissed; counted to 100."""
    return view.once(
        "open_gaps",
        lambda: len(history.alerts(view.range, view.user, ticket_type=view.ticket_type, limit=_MOST_GAPS)),
    )
