"""Hypothesis strategies for completed workflows: instants near midnights and clock changes, awkward names and figures.

    workflows()                                        any workflow
    workflows(users=["ada"], ids=["w1", "w2"])         small pools: duplicates and conflicts come by themselves
    workflows(users=[w.user_id], ids=[w.workflow_id])  the same key again: a correction or a conflict
    histories()                                        lists of workflows with distinct keys

A draw costs some 50 microseconds, so what has no need to shrink on its own is sampled from lists made beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from timestrata.facts import CompletedWorkflow, Pause, StepTime, TimeSession

USERS = ("ada", "Jos\u00e9", "Jose\u0301", "用户 🧪", "a|b", "a\nb\t\"c'", "o'neil; --")
"""One name twice, composed (NFC) and decomposed (NFD): two users."""
WORKFLOW_IDS = ("w|1", "w\n1", '"w1"', "W1", "é" * 255, *(f"w{n}" for n in range(200)))
TICKET_TYPES = ("Bug", "bug", "Äußerung", "A\u0308ußerung", "a,b")
TEMPLATES = ("QA", "Prüfung, lang", "QA\x1fa")
STEP_NAMES = ("Analyse", "Test", "Tëst", "a\x1f1")

# Year ends, month ends, 29 February: where every zone's midnights are worth a look.
_DAYS = (date(2024, 1, 1), date(2024, 2, 29), date(2024, 3, 1), date(2023, 3, 1), date(2024, 5, 1), date(2024, 12, 30))
# By zone, the local days on which its clocks change, or the day after.
_CHANGE_DAYS: dict[str, tuple[date, ...]] = {
    "UTC": (),
    "Europe/Berlin": (date(2024, 3, 31), date(2024, 10, 27)),
    "America/Sao_Paulo": (date(2018, 2, 18), date(2018, 11, 4)),  # at 24:00 and at 0:00
    "America/St_Johns": (date(2010, 3, 14), date(2010, 11, 7)),  # at 0:01
    "Pacific/Apia": (date(2011, 9, 24), date(2011, 12, 31), date(2012, 4, 1)),  # no 30 December 2011
    "Asia/Kathmandu": (date(1986, 1, 1),),  # at 0:00, by 15 minutes for good
    "Australia/Lord_Howe": (date(2024, 4, 7), date(2024, 10, 6)),  # by half an hour
}
ZONES = tuple(_CHANGE_DAYS)


def _midnights(zone: str) -> tuple[datetime, ...]:
    days = (*_DAYS, *_CHANGE_DAYS[zone], *(day + timedelta(days=1) for day in _CHANGE_DAYS[zone]))
    walls = (datetime.combine(day, time(), ZoneInfo(zone)) for day in days)
    return tuple(dict.fromkeys(wall.replace(fold=fold).astimezone(UTC) for wall in walls for fold in (0, 1)))


MIDNIGHTS = {zone: _midnights(zone) for zone in ZONES}

_MICROSECONDS = (0, 0, 0, 0, 1, 499_999, 500_000, 999_999)


def _lengths(seconds: Iterable[int]) -> list[timedelta]:
    return [timedelta(seconds=whole, microseconds=micro) for micro in _MICROSECONDS for whole in seconds]


_small_offsets = st.sampled_from(_lengths((0, 0, 0, -1, 1, 30, 59, 60, -60, 900, 3600, 7200, -3600)))
_offsets = _small_offsets | st.integers(-100_000, 100_000).map(lambda seconds: timedelta(seconds=seconds))


def _near(anchors: Sequence[datetime]) -> st.SearchStrategy[datetime]:
    return st.tuples(st.sampled_from(anchors), _offsets).map(lambda pair: pair[0] + pair[1])


instants: dict[str | None, st.SearchStrategy[datetime]] = {
    None: _near([at for zone in ZONES for at in MIDNIGHTS[zone]]),
    **{zone: _near(MIDNIGHTS[zone]) for zone in ZONES},
}
"""Moments in UTC near the midnights and clock changes of a zone; under None near those of any."""

# Exact and rounded buckets, hours, days; most are multiples of six, so that 5/6 of them is a whole estimate.
_EDGES = (0, 1, 6, 59, 60, 120, 255, 256, 257, 258, 511, 512, 3600, 7200, 86_399, 86_400, 86_401, 259_200)
durations = st.sampled_from(_EDGES) | st.integers(0, 300_000)
"""Seconds of one step or session, up to a few days."""
long_durations = st.sampled_from([10**6, 2**20, 2**23 - 1, 10**7 - 1, 10**7])
_elapsed = st.sampled_from(_lengths(_EDGES)) | st.integers(0, 300_000).map(lambda seconds: timedelta(seconds=seconds))

_ESTIMATES: tuple[Callable[[int], int | None], ...] = (
    lambda _: None,
    lambda _: 0,
    lambda active: active,
    lambda active: 5 * active // 6,  # exactly 120 %, where the active seconds are a multiple of six
    lambda active: max(0, 5 * active - 1) // 6,  # the largest estimate that is exceeded by more than 20 %
    lambda active: 5 * active // 6 + 1,
    lambda _: 10**11,
)
estimates = st.sampled_from(_ESTIMATES)
"""Functions from active seconds to an estimate: none, 0, a tie at 120 %, one second above and below it, absurd."""

_SESSION_KINDS = ("plain", "plain", "one pause", "two pauses", "pauses that touch", "only a pause", "pause total")


def _session(draw: st.DrawFn, started: datetime, elapsed: timedelta, offset: timezone) -> TimeSession:
    def at(second: int) -> datetime:
        return (started + timedelta(seconds=second)).astimezone(offset)

    span = (at(0), (started + elapsed).astimezone(offset))
    most = elapsed // timedelta(seconds=1)
    seconds = st.integers(0, most)
    kind = draw(_session_kinds)
    if kind == "pause total":
        return TimeSession(*span, pause_seconds=draw(seconds))
    if kind == "only a pause":
        return TimeSession(*span, pauses=(Pause(*span),))
    if kind == "one pause":
        marks = sorted((draw(seconds), draw(seconds)))
    elif kind == "two pauses":
        marks = sorted((draw(seconds), draw(seconds), draw(seconds), most))
    elif kind == "pauses that touch":
        middle = draw(seconds)
        marks = [0, middle, middle, draw(st.integers(middle, most))]
    else:
        return TimeSession(*span)
    pauses = zip(marks[::2], marks[1::2], strict=True)
    return TimeSession(*span, pauses=tuple(Pause(at(paused), at(resumed)) for paused, resumed in pauses))


_session_kinds = st.sampled_from(_SESSION_KINDS)

# In St. John's the clocks went back from 0:01 to 23:01 of the day before. What is counted on the first of those
# days when a session starts in that minute: see test_a_session_counts_on_the_day_it_started_though_clocks_go_back.
_MINUTE_BEFORE_GOING_BACK = datetime(2010, 11, 7, 2, 30, tzinfo=UTC)


def session_start(at: datetime) -> datetime:
    """Return a time, moved out of that minute."""
    minute = timedelta(minutes=1)
    return at - minute if timedelta() <= at - _MINUTE_BEFORE_GOING_BACK < minute else at


@st.composite
def sessions(draw: st.DrawFn, zone: str | None = None) -> TimeSession:
    """Draw one session near the midnights of a zone."""
    return _session(draw, session_start(draw(instants[zone])), draw(_elapsed), UTC)


_step_indices = st.sampled_from([(0,), (0, 1), (1, 0), (7,), (0, 1, 2), (3, 32_767)])
# By number of steps, the step of each session in order of time; a step may have none, or be come back to.
_ROUTES: dict[int, list[tuple[int, ...]]] = {
    1: [(), (0,), (0, 0)],
    2: [(), (0, 1), (0,), (1, 0), (0, 1, 0), (0, 0, 1, 1)],
    3: [(), (0, 1, 2), (0, 2), (1, 1), (0, 1, 0, 2), (2, 1, 2, 1)],
}
_routes = {steps: st.sampled_from(routes) for steps, routes in _ROUTES.items()}
_names = st.sampled_from(STEP_NAMES)


def _steps(draw: st.DrawFn, started: datetime, offset: timezone) -> tuple[StepTime, ...]:
    indices = draw(_step_indices)
    visits: dict[int, list[TimeSession]] = {position: [] for position in range(len(indices))}
    cursor = started
    for position in draw(_routes[len(indices)]):
        session = _session(draw, session_start(cursor), draw(_elapsed), offset)
        visits[position].append(session)
        cursor = session.ended_at + draw(_small_offsets)
    steps = []
    for position, index in enumerate(indices):
        times = tuple(visits[position])
        active = sum(session.active_seconds for session in times) if times else draw(durations)
        steps.append(StepTime(index, draw(_names), active, draw(estimates)(active), times))
    return tuple(steps)


def _long_step(draw: st.DrawFn, started: datetime, offset: timezone) -> tuple[StepTime, ...]:
    seconds = draw(long_durations)
    session = TimeSession(started.astimezone(offset), (started + timedelta(seconds=seconds)).astimezone(offset))
    times = (session,) if draw(st.booleans()) else ()
    return (StepTime(0, STEP_NAMES[0], seconds, draw(estimates)(seconds), times),)


_step_makers = st.sampled_from([*[_steps] * 15, _long_step])
_utc_offsets = st.sampled_from(
    [UTC, UTC, timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=-3, minutes=-30))]
)
_attributes: st.SearchStrategy[dict[str, object]] = st.sampled_from(
    [{}, {}, {}, {"sprint": 7}, {"ß": ["x", None, 1.5, {"b": True, "a": ""}]}]
)


@st.composite
def workflows(
    draw: st.DrawFn,
    users: Sequence[str] = USERS,
    ids: Sequence[str] = WORKFLOW_IDS,
    ticket_types: Sequence[str] = TICKET_TYPES,
    templates: Sequence[str] = TEMPLATES,
    zones: Sequence[str | None] = (None, *ZONES),
) -> CompletedWorkflow:
    """Draw a workflow whose names and zone come from these pools; zones are None or of ZONES."""
    zone = draw(st.sampled_from(zones))
    near, offset = instants[zone], draw(_utc_offsets)
    base = session_start(draw(near))
    steps = draw(_step_makers)(draw, base, offset)
    moments = [at for step in steps for session in step.sessions for at in (session.started_at, session.ended_at)]
    completed = max([base, *moments]) if draw(st.booleans()) else draw(near)
    return CompletedWorkflow(
        workflow_id=draw(st.sampled_from(ids)),
        user_id=draw(st.sampled_from(users)),
        ticket_key="TK-1",
        ticket_type=draw(st.sampled_from(ticket_types)),
        template=draw(st.sampled_from(templates)),
        started_at=min([completed, base, *moments]).astimezone(offset),
        completed_at=completed.astimezone(offset),
        steps=steps,
        estimated_seconds=draw(estimates)(sum(step.active_seconds for step in steps)),
        timezone=zone,
        attributes=draw(_attributes),
    )


def key(workflow: CompletedWorkflow) -> tuple[str, str]:
    """Return what a workflow is known by."""
    return workflow.user_id, workflow.workflow_id


def histories(max_size: int = 6) -> st.SearchStrategy[list[CompletedWorkflow]]:
    """Lists of workflows with distinct keys."""
    return st.lists(workflows(), max_size=max_size, unique_by=key)
