"""The operations: jobs, what was verified and sealed, the archive, the database, tokens."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from typing import Any, NamedTuple

from timestrata.access import SCOPES, Scope
from timestrata.calendar import zone
from timestrata.history import History
from timestrata.jobs import JobState
from timestrata.web.dashboard.cards import Card, Page
from timestrata.web.dashboard.view import View
from timestrata.wording import operations as texts
from timestrata.wording.words import Words

MAKE_TOKEN = "/operations/tokens"


class Typed(NamedTuple):
    """What stands in the form that makes a token."""

    name: str = ""
    user: str = ""
    scopes: tuple[Scope, ...] = ()
    days: str = "90"


class JobRow(NamedTuple):
    """A job as the page shows it."""

    name: str
    schedule: str
    next_run: str
    ended: str
    outcome: str
    failed: bool
    details: tuple[str, ...]


def _jobs(view: View, history: History) -> Mapping[str, Any]:
    jobs = history.jobs
    words = Words(view.words.locale, zone(jobs.timezone))
    now = history.now()
    states = jobs.states()
    unkept = all(state.next_run_at is None and state.started_at is None for state in states)
    return {"jobs": [_job(state, words, now) for state in states], "zone": jobs.timezone, "unkept": unkept}


def _job(state: JobState, words: Words, now: datetime) -> JobRow:
    due = state.next_run_at is not None and state.next_run_at <= now
    outcome = texts.NEVER if state.outcome is None else texts.OUTCOMES[state.outcome]
    running = texts.RUNNING.format(moment=words.moment(state.started_at), holder=state.holder)
    details = (*([running] if state.running else []), *_result(state, words))
    return JobRow(
        texts.JOB_NAMES.get(state.name, state.name),
        state.schedule or texts.NO_SCHEDULE,
        texts.DUE if due else words.moment(state.next_run_at),
        words.moment(state.finished_at),
        outcome,
        state.outcome == "failed",
        details,
    )


def _result(state: JobState, words: Words) -> list[str]:
    """Return what the last run brought, in words: its error, that it had nothing to do, or its counts."""
    result = state.result
    if result is None:
        return []
    if "error" in result:
        return [str(result["error"])]
    if "skipped" in result:
        return [texts.SKIPPED]
    told = texts.RESULTS.get(state.name)
    counts = {name: words.count(value) for name, value in result.items() if type(value) is int}
    try:
        return [] if told is None else [told.format(**counts)]
    except KeyError:  # noted by another version
        return []


def _store(view: View, history: History) -> Mapping[str, Any]:
    coverage = history.summary("today").coverage
    files = history.retention.files()
    audit = next((state for state in history.jobs.states() if state.name == "audit"), None)
    words = Words(view.words.locale, zone(history.settings.timezone))
    return {
        "verified": _verified(audit, words),
        "verified_badly": audit is not None and audit.outcome == "failed",
        "coverage": coverage,
        "files": len(files),
        "archived_bytes": sum(file.bytes for file in files),
        "archived": sum(file.counting for file in files),
        "has_archive": history.retention.archive_url is not None,
        "database": history.database(),
        "version": version("timestrata"),
        "zone": history.settings.timezone,
    }


def _verified(audit: JobState | None, words: Words) -> str:
    if audit is None or audit.outcome is None or audit.finished_at is None:
        return texts.VERIFIED_NEVER
    at, result = words.moment(audit.finished_at), audit.result or {}
    if audit.outcome == "ok":
        return texts.VERIFIED_OK.format(moment=at)
    problems = result.get("problem_count")
    if not isinstance(problems, int):
        return texts.VERIFIED_ERROR.format(moment=at)
    return texts.VERIFIED_BAD.format(count=words.count(problems), moment=at)


def _tokens(view: View, history: History) -> Mapping[str, Any]:
    order = ("active", "expired", "revoked")
    tokens = sorted(history.access.tokens(), key=lambda token: order.index(token.state))
    return {"tokens": tokens}


def _form(view: View, history: History) -> Mapping[str, Any]:
    refused = texts.REFUSED.get(view.arguments.get("refused", ""))
    return {"scopes": SCOPES, "refused": refused, "action": MAKE_TOKEN, "typed": Typed()}


PAGE = Page(
    "operations",
    "/operations",
    "operations.html",
    texts,
    (
        Card("jobs", "jobs.html", _jobs, fresh=True),
        Card("store", "store.html", _store, fresh=True),
        Card("tokens", "tokens.html", _tokens, fresh=True),
        Card("new-token", "new_token.html", _form, fresh=True),
    ),
    scope="is_admin",
    has_period=False,
)
