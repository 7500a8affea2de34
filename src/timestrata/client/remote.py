"""A history that a service keeps: the methods of History, each a request."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import islice
from time import sleep
from types import TracebackType
from typing import Any, Literal, TypeVar, overload

import httpx2

from timestrata.admission import Admitted, admit
from timestrata.aggregations import check_limit
from timestrata.answers import (
    AggregationReport,
    Alert,
    AlertPage,
    Averages,
    By,
    DailyReport,
    GroupBy,
    Overview,
    StepReport,
    Summary,
    TrendMeasure,
    TrendReport,
    WorkflowPage,
)
from timestrata.calendar import Bucket, DateRange
from timestrata.client.jobs import ClientJobs
from timestrata.client.requests import Requests, segment
from timestrata.client.tracking import ClientTracking
from timestrata.errors import InvalidRequest, StaleRevision
from timestrata.facts import CompletedWorkflow
from timestrata.formats.workflow_json import workflow_to_json
from timestrata.history import BatchResult, Dates, Recordable
from timestrata.ingest import Outcome
from timestrata.lists import MOST_ROWS
from timestrata.reports import check_longest

T = TypeVar("T")

_BATCH = 1000
_PAGE = 1000
_COMPLETIONS = "/api/v1/time/completions"
_MOST_REVISIONS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class RecordedWorkflow:
    """A workflow as it stands in the store, at a revision; `day` is the local day of its completion."""

    workflow: CompletedWorkflow
    revision: int
    day: date


@dataclass(frozen=True, slots=True)
class _Outcomes:
    outcomes: tuple[Outcome, ...]


class Client:
    """The time history that the service at `url` keeps. Threads may share one; close it, or use it in a `with` block.

    Methods, results and errors are those of History, as far as a service has them; a token may do only what it was made
    for (ServiceRefused). What can pass is tried again after 1, 2 and 4 s, then raises ServiceUnavailable; whatever
    changes something is made once, however often it was sent. `timeout` is in seconds, for each attempt. `http` is an
    httpx2.Client of your own, for a proxy or certificates; it stays yours to close.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout: float = 30,
        http: httpx2.Client | None = None,
        wait: Callable[[float], None] = sleep,
    ) -> None:
        self._requests = Requests(url, token, http, timeout, wait)
        self.tracking = ClientTracking(self._requests)
        self.jobs = ClientJobs(self._requests)

    def __repr__(self) -> str:
        return f"Client({self._requests.url!r})"

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. Closing twice is fine."""
        self._requests.close()

    # ------------------------------------------------------------------------------------------------------- writing

    @overload
    def record(self, workflows: Recordable) -> Outcome: ...

    @overload
    def record(self, workflows: Iterable[Recordable]) -> BatchResult: ...

    def record(self, workflows: Recordable | Iterable[Recordable]) -> Outcome | BatchResult:
        """Record one completed workflow, or several; return an Outcome for one, a BatchResult for several.

        Several are sent 1,000 at a time as the iterable yields them, each thousand recorded by itself; the outcomes of
        what was sent again after a lost answer are replays. Only an admin may record another user's.
        """
        if isinstance(workflows, (CompletedWorkflow, Mapping)):
            return self._record_one(workflows)
        outcomes: list[Outcome] = []
        items = iter(workflows)
        while batch := list(islice(items, _BATCH)):
            outcomes += self._record_batch(batch)
        return BatchResult(tuple(outcomes))

    def _record_one(self, item: Recordable) -> Outcome:
        admitted = admit(item)
        if isinstance(admitted, Outcome):
            return admitted
        fact = admitted.fact
        sent = self._requests.post(Outcome, _COMPLETIONS, workflow_to_json(fact), or_else=_conflict_of(fact))
        return sent.noted(admitted.notes)

    def _record_batch(self, items: list[Recordable]) -> list[Outcome]:
        admitted = [admit(item) for item in items]
        facts = [one.fact for one in admitted if isinstance(one, Admitted)]
        written: Iterator[Outcome] = iter(())
        if facts:
            lines = b"".join(json.dumps(workflow_to_json(fact)).encode() + b"\n" for fact in facts)
            written = iter(self._requests.stream(_Outcomes, _COMPLETIONS, lines).outcomes)
        return [next(written).noted(one.notes) if isinstance(one, Admitted) else one for one in admitted]

    def correct(self, workflow: CompletedWorkflow, *, expected_revision: int | None = None) -> Outcome:
        """Replace the content of a recorded workflow, named by its user and workflow id.

        With `expected_revision` the change is refused (StaleRevision) when somebody else was faster. Raises
        UnknownWorkflow, StaleRevision, FactsSealed.
        """
        names = workflow.user_id, workflow.workflow_id
        body, about = workflow_to_json(workflow), dict(zip(("user_id", "workflow_id"), names, strict=True))

        self._check_revision(names, expected_revision)
        return self._requests.put(Outcome, _completion(names[1]), body, expected_revision, about)

    def delete(self, user_id: str, workflow_id: str, *, expected_revision: int | None = None) -> Outcome:
        """Delete a recorded workflow; the figures become as if it had never been.

        Raises UnknownWorkflow, StaleRevision, FactsSealed.
        """
        about = {"user_id": user_id, "workflow_id": workflow_id}
        self._check_revision((user_id, workflow_id), expected_revision)
        path, parameters = _completion(workflow_id), {"user_id": user_id}
        return self._requests.delete(Outcome, path, parameters, expected_revision, about)

    def _check_revision(self, names: tuple[str, str], expected: int | None) -> None:
        """Raise StaleRevision for a revision that no header can say, and no workflow have."""
        if expected is not None and not 1 <= expected <= _MOST_REVISIONS:
            raise StaleRevision(*names, expected, self.workflow(*names).revision)

    def dismiss_alert(self, alert_id: str) -> None:
        """Mark a gap alert as dismissed, now. Dismissed ones keep their time. Raises UnknownAlert."""
        self._mark_alert(alert_id, "dismiss")

    def restore_alert(self, alert_id: str) -> None:
        """Take the dismissal of a gap alert back. Raises UnknownAlert."""
        self._mark_alert(alert_id, "restore")

    def _mark_alert(self, alert_id: str, action: str) -> None:
        self._requests.post(Alert, f"/api/v1/time/alerts/{segment(alert_id)}/{action}", about={"alert_id": alert_id})

    # ------------------------------------------------------------------------------------------------------- reading

    def summary(self, dates: Dates, user_id: str | None = None, ticket_type: str | None = None) -> Summary:
        """Return the figures of a range, in total and by ticket type."""
        if user_id is None:
            return self.overview(dates, ticket_type=ticket_type).summary
        return self._ask(Summary, user_id, "", dates, {"ticket_type": ticket_type})

    def trend(
        self,
        dates: Dates,
        bucket: Bucket = "week",
        user_id: str | None = None,
        *,
        by: By | None = None,
        ticket_type: str | None = None,
        measure: TrendMeasure = "mean_seconds",
    ) -> TrendReport:
        """Return every day, ISO week or month of a range, and the trend of `measure` over the full ones."""
        asked = {"bucket": bucket, "by": by, "ticket_type": ticket_type, "measure": measure}
        return self._ask(TrendReport, user_id, "/trend", dates, asked)

    def aggregations(
        self,
        dates: Dates,
        group: GroupBy,
        sub_group: GroupBy | None = None,
        user_id: str | None = None,
        *,
        ticket_type: str | None = None,
        template: str | None = None,
        fill_gaps: bool = False,
        limit: int | None = None,
    ) -> AggregationReport:
        """Return the figures of a range by user, ticket type, template, step, day, week or month, and within each."""
        check_limit(limit)
        asked: dict[str, object] = {"group": group, "sub_group": sub_group, "fill_gaps": fill_gaps}
        asked |= {"user_id": user_id, "ticket_type": ticket_type, "template": template, "limit": limit}
        return self._requests.get(AggregationReport, "/api/v1/time/aggregations", _days(dates) | asked)

    def overview(
        self,
        dates: Dates = "last_30_days",
        user_id: str | None = None,
        *,
        ticket_type: str | None = None,
        by: By | None = None,
    ) -> Overview:
        """Return how a period went: its figures beside those of the period before, its trend, what was done last."""
        asked = {"user_id": user_id, "ticket_type": ticket_type, "by": by}
        return self._requests.get(Overview, "/api/v1/dashboard", _days(dates) | asked)

    def daily(self, dates: Dates, user_id: str | None = None, ticket_type: str | None = None) -> DailyReport:
        """Return a row for each local day and ticket type."""
        return self._ask(DailyReport, user_id, "/daily", dates, {"ticket_type": ticket_type})

    def steps(
        self, dates: Dates, template: str | None = None, user_id: str | None = None, *, longest: int | None = None
    ) -> StepReport:
        """Return the figures of every step done in a range, of one template or all; of the longest ones only."""
        check_longest(longest)
        return self._ask(StepReport, user_id, "/steps", dates, {"template": template, "longest": longest})

    def averages(self, user_id: str, as_of: date | None = None) -> Averages:
        """Return a person's averages by ticket type: all time and rolling 30 days, as of a day (default: today)."""
        return self._requests.get(Averages, _of(user_id, "/averages"), {"as_of": as_of})

    def alerts(
        self,
        dates: Dates | None = None,
        user_id: str | None = None,
        *,
        dismissed: bool | None = False,
        kind: Literal["workflow", "step"] | None = None,
        ticket_type: str | None = None,
        limit: int = 50,
    ) -> tuple[Alert, ...]:
        """Return gap alerts, the latest first: open ones, or dismissed ones, or both with None."""
        state = {False: "open", True: "dismissed", None: "all"}[dismissed]
        asked = {"state": state, "kind": kind, "ticket_type": ticket_type}
        found: list[Alert] = []
        after = None
        for size in _pages(limit):
            page = self._ask(
                AlertPage, user_id, "/alerts", dates or "all_time", asked | {"limit": size, "after": after}
            )
            found += page.alerts
            after = page.next
            if after is None:
                break
        return tuple(found)

    def workflows(
        self,
        dates: Dates,
        user_id: str | None = None,
        ticket_type: str | None = None,
        *,
        limit: int = 50,
        after: str | None = None,
        modified_after: int | None = None,
    ) -> WorkflowPage:
        """Return a page of completed workflows, the latest first; `after` is the `next` of the page before.

        With `modified_after`, what a user recorded, corrected or deleted after that revision, in that order.
        """
        rows: list[Any] = []
        deleted: list[Any] = []
        for size in _pages(limit):
            asked = {"ticket_type": ticket_type, "limit": size, "after": after, "modified_after": modified_after}
            page = self._ask(WorkflowPage, user_id, "/workflows", dates, asked)
            rows += page.workflows
            deleted += page.deleted
            after = page.next
            if after is None:
                break
        return WorkflowPage(tuple(rows), after, page.coverage, tuple(deleted))

    def workflow(self, user_id: str, workflow_id: str) -> RecordedWorkflow:
        """Return one recorded workflow with its revision, steps, sessions and pauses. Raises UnknownWorkflow."""
        about = {"user_id": user_id, "workflow_id": workflow_id}
        return self._requests.get(RecordedWorkflow, _completion(workflow_id), {"user_id": user_id}, about=about)

    def _ask(self, kind: type[T], user_id: str | None, what: str, dates: Dates, asked: Mapping[str, object]) -> T:
        if user_id is None:
            wanted = "a user: of everyone together a service answers summary(), overview() and aggregations()"
            raise InvalidRequest("user_id", None, wanted)
        return self._requests.get(kind, _of(user_id, what), {**_days(dates), **asked})


def _completion(workflow_id: str) -> str:
    return f"{_COMPLETIONS}/{segment(workflow_id)}"


def _of(user_id: str, what: str) -> str:
    return f"/api/v1/time/history/{segment(user_id)}{what}"


def _days(dates: Dates) -> dict[str, object]:
    """Return a range as the parameters of a URL."""
    if isinstance(dates, str):
        return {"range": dates}
    if not isinstance(dates, DateRange):
        raise InvalidRequest("dates", dates, "a DateRange or the name of a preset")
    if dates == DateRange():
        return {"range": "all_time"}
    return {"from": dates.first, "to": dates.last}


def _pages(limit: int) -> list[int]:
    """Return the sizes of the pages that a list is fetched in. Raises InvalidRequest, as the library does."""
    if type(limit) is not int or not 1 <= limit <= MOST_ROWS:
        raise InvalidRequest("limit", limit, f"a whole number from 1 to {MOST_ROWS}")
    full, rest = divmod(limit, _PAGE)
    return [_PAGE] * full + ([rest] if rest else [])


def _conflict_of(fact: CompletedWorkflow) -> Callable[[Mapping[str, Any]], Outcome | None]:
    """Return what reads a problem document as the outcome that it is about this fact, None when it is another one."""

    def read(document: Mapping[str, Any]) -> Outcome | None:
        if document.get("code") != "conflict":
            return None
        reason, revision = document.get("detail"), document.get("revision")
        return Outcome("conflict", fact.user_id, fact.workflow_id, revision, reason)

    return read
