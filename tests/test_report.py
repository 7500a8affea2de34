"""Reports: their figures are the history's, their forms say the same, and no name gets out of hand."""

from __future__ import annotations

import io
import json
import pickle
import re
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Literal, cast
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pypdf
import pytest
from babel import Locale
from conftest import NOW, reopened
from facts_made import at, made, session
from PIL import Image

from timestrata import DateRange, History, StepTime, open_history, report
from timestrata.answers import Change
from timestrata.report import Report, change_words, trend_words
from timestrata.report.document import Document, Spec
from timestrata.report.drawing import draw
from timestrata.trends import trend
from timestrata.wording import report as t
from timestrata.wording.words import Words

MANUAL = Path(__file__).parents[1] / "docs" / "report.md"
JUNE = DateRange(date(2024, 5, 17), date(2024, 6, 15))
"""The last 30 days as of NOW."""
WORDS = Words(Locale.parse("en_GB"), ZoneInfo("UTC"))
HOSTILE = [
    "<script>alert(1)</script>",
    "\"double\" & 'single'",
    "#set text(red)",
    "*bold* _it_ $x$",
    "back\\slash\\",
    "{braces} {0} %s",
    "שלום",
    "datum",
    "L" * 200,
]
DRAWN: dict[tuple[str, str, int], bytes] = {}
EVIL = "bell\x07 and \x1b[31m"


def team() -> Iterator[Any]:
    """Yield 60 workflows, one a day up to 2024-06-15: of ada and bob, three of cleo; of two types; some are slow."""
    for number in range(60):
        ended = at("2024-06-15T09:00") - timedelta(days=number)
        seconds = 1800 + 61 * number
        yield made(
            f"w{number:02}",
            completed_at=ended,
            user_id="cleo" if number in (0, 20, 40) else ("ada", "bob")[number % 2],
            ticket_key=f"TK-{number}",
            ticket_type=("Bug", "Story", "Bug")[number % 3],
            template=("QA", "Release")[number % 2],
            estimated_seconds=None if number % 5 == 0 else 2400,
            steps=(
                StepTime(0, "Analyse", 600 + number),
                StepTime(1, "Test", seconds - 600 - number, estimated_seconds=1500),
            ),
        )


@pytest.fixture(scope="module")
def store() -> Iterator[History]:
    """A history in memory, for what does not depend on the database."""
    with open_history("sqlite://", clock=lambda: NOW) as history:
        history.record(list(team()))
        yield history


@pytest.fixture(scope="module")
def everyone(store: History) -> Report:
    return report.overview_report(store)


@pytest.fixture(scope="module")
def page(everyone: Report) -> Page:
    return Page(html(everyone))


@pytest.fixture(scope="module")
def letter(everyone: Report) -> EmailMessage:
    return read_letter(email(everyone))


@pytest.fixture(scope="module")
def hostile() -> Report:
    with open_history("sqlite://", clock=lambda: NOW) as history:
        for number, name in enumerate(HOSTILE):
            history.record(
                made(
                    f"h{number}",
                    900,
                    completed_at=NOW - timedelta(days=number),
                    user_id=name,
                    ticket_key=name,
                    ticket_type=name,
                    template=name,
                    estimated_seconds=600,
                    steps=(StepTime(0, name, 900, estimated_seconds=300),),
                )
            )
        return report.overview_report(history)


@pytest.mark.parametrize(
    ("seconds", "figure", "level", "row"),
    [
        (3600, "120 %", "a little over", "120 %"),
        (3601, "120.03 %", "over", "120.03 %"),
        (3001, "100.03 %", "a little over", "100 %"),
        (3000, "100 %", "within", "100 %"),
    ],
)
def test_a_rounded_ratio_does_not_contradict_its_level(seconds: int, figure: str, level: str, row: str) -> None:
    with open_history("sqlite://", clock=lambda: NOW) as history:
        history.record(made("one", seconds, completed_at=NOW, estimated_seconds=3000))
        found = report.document(report.overview_report(history), WORDS)

    [ratio] = [each for each in found.key_figures if each.name == "ratio"]
    rows = {each.name: each.table.rows for each in found.sections if each.table is not None}
    recent = [cell.text.replace("\u00a0", " ") for cell in rows["recent"][0]]
    assert (ratio.text.replace("\u00a0", " "), row in recent) == (figure, True)
    assert ratio.note.startswith(level)
    gaps = [cell.text.replace("\u00a0", " ") for each in rows.get("gaps", ()) for cell in each]
    assert ("120.03 %" in gaps) == bool(gaps) == (seconds == 3601)


class Page(HTMLParser):
    """What a page holds, as a browser reads it."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = text
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        """By caption: the rows, figures as the values that they carry, else texts."""
        self.headings: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.values: dict[str, str | None] = {}
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self._read: list[list[list[str]]] = []
        self._captions: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        if tag == "table":
            self._read.append([])
            self._captions.append("")
        elif tag == "tr":
            self._read[-1].append([])
        elif tag in ("td", "th"):
            self._read[-1][-1].append("")
        if tag == "data" and (item := next((a for name, a in self._open if name == "li"), None)):
            self.values[str(item["id"])] = found["value"]
        if tag not in ("meta", "img", "source", "br"):
            self._open.append((tag, found))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag, f"{tag} closes what is not open"
        if tag == "table":
            self.tables[self._captions.pop()] = self._read.pop()

    def handle_data(self, data: str) -> None:
        inside = [name for name, _ in self._open]
        if "style" in inside or "title" in inside:
            return
        self.words.append(data)
        if inside and inside[-1] == "caption":
            self._captions[-1] = data
        if inside and inside[-1] in ("h1", "h2"):
            self.headings.append((inside[-1], data))
        if next((name for name in reversed(inside) if name in ("table", "td", "th")), "table") != "table":
            last = self._open[-1]
            self._read[-1][-1][-1] += str(last[1]["value"]) if last[0] == "data" else data

    @property
    def shown(self) -> str:
        return plain("".join(self.words))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def body(self, caption: str) -> list[list[str]]:
        return self.tables[caption][1:]


def drawn(chart: Spec, form: Literal["png", "svg"], /, *, width: int) -> bytes:
    """Draw a chart once: most reports here have the same ones."""
    key = (json.dumps(chart, sort_keys=True), form, width)
    if key not in DRAWN:
        DRAWN[key] = draw(chart, form, width=width)
    return DRAWN[key]


def html(found: Report, words: Words | None = None) -> str:
    return report.html(found, words, draw=drawn)


def pdf(found: Report) -> bytes:
    return report.pdf(found, draw=drawn)


def email(found: Report) -> EmailMessage:
    return report.email(found, draw=drawn)


def plain(text: str) -> str:
    """Return text with single spaces, so that no-break spaces and ends of lines do not count."""
    return " ".join(text.split())


def read_letter(message: EmailMessage) -> EmailMessage:
    """Return a message as its receiver reads it from bytes."""
    return message_from_bytes(message.as_bytes(), policy=policy.default)


def part(message: EmailMessage, kind: str) -> str:
    found = message.get_body((kind,))
    assert found is not None
    return str(found.get_content())


def pdf_text(content: bytes) -> str:
    return "\n".join(each.extract_text() for each in pypdf.PdfReader(io.BytesIO(content)).pages)


def squeezed(text: str) -> str:
    """Return text without any space, as the end of a line may be anywhere."""
    return re.sub(r"[\s\u200b]", "", text)


def expected(*values: float | None) -> list[str]:
    return ["–" if value is None else str(value) for value in values]


# ------------------------------------------------------------------------------------------------------------ figures


def test_the_figures_of_a_report_are_the_answers_of_the_history(history: History) -> None:
    history.record(list(team()))

    found = report.overview_report(history)

    assert found.overview == history.overview()
    assert found.trend == history.trend(JUNE, "day", by="ticket_type", measure="completed")
    assert found.steps == history.steps(JUNE)
    assert found.days == history.trend(JUNE, "day")
    assert found.alerts == history.alert_page(JUNE, limit=20)
    assert found.people == history.aggregations(JUNE, "user")
    assert (found.ticket_types, found.made_on, found.timezone) == (("Bug", "Story"), date(2024, 6, 15), "UTC")
    assert found.steady
    assert not found.is_empty


def test_a_report_of_one_person_and_type_is_about_nothing_else(history: History) -> None:
    history.record(list(team()))
    history.set_timezone("ada", "Pacific/Auckland")

    found = report.overview_report(history, "last_7_days", "ada", "Bug", ticket_types=("Bug",))

    week = DateRange(date(2024, 6, 10), date(2024, 6, 16))
    assert found.overview == history.overview(week, "ada", ticket_type="Bug")
    assert found.trend == history.trend(week, "day", "ada", by="ticket_type", ticket_type="Bug", measure="completed")
    assert found.days == history.trend(week, "day", "ada", ticket_type="Bug")
    assert found.alerts.alerts == history.alerts(week, "ada", ticket_type="Bug")
    assert (found.steps, found.people, found.ticket_types) == (None, None, ("Bug",))
    assert (found.made_on, found.timezone) == (date(2024, 6, 16), "Pacific/Auckland")


def test_a_report_can_be_written_by_another_process(everyone: Report) -> None:
    assert pickle.loads(pickle.dumps(everyone)) == everyone


class Changing:
    """A history that somebody changes each time that it is asked for steps, as often as given."""

    def __init__(self, history: History, times: int) -> None:
        self._history, self._left = history, times

    def __getattr__(self, name: str) -> Any:
        if name == "steps" and self._left:
            self._left -= 1
            self._history.record(made(f"late{self._left}", completed_at=NOW - timedelta(hours=1)))
        return getattr(self._history, name)


def test_a_report_is_asked_for_again_when_the_history_was_changed_meanwhile(store_url: str) -> None:
    with reopened(store_url) as history:
        found = report.overview_report(cast(History, Changing(history, times=2)))

        assert found.overview.summary.completed == found.people.total.completed == 2  # type: ignore[union-attr]
        assert found.steady
        assert t.CHANGED_MEANWHILE not in html(found)


def test_a_report_of_a_history_that_never_rests_says_so() -> None:
    with open_history("sqlite://", clock=lambda: NOW) as history:
        found = report.overview_report(cast(History, Changing(history, times=9)))

    assert not found.steady
    assert t.CHANGED_MEANWHILE in html(found)


def test_of_a_long_period_the_calendar_shows_the_last_53_weeks() -> None:
    with open_history("sqlite://", clock=lambda: NOW) as history:
        history.record(made("old", completed_at=at("2021-03-01T09:00")))
        history.record(made("new", completed_at=at("2024-06-12T09:00")))
        all_time = report.overview_report(history, "all_time")
        open_end = report.overview_report(history, DateRange.parse("2024-06-01", None))
        far = report.overview_report(history, DateRange.parse("2020-01-01", "2200-12-31"))
        year = report.overview_report(history, "last_12_months")

    assert all_time.days.dates == DateRange(date(2023, 6, 26), date(2024, 6, 30))  # by month
    assert open_end.days.dates == DateRange.parse("2024-06-01", "2024-06-12")
    assert far.days.dates.days == 53 * 7
    assert sum(day.completed for day in far.days.points) == 1
    assert year.days.dates == year.overview.dates
    assert "The last 53 weeks of the period are shown." in html(all_time)
    assert "53 weeks" not in html(year)


# --------------------------------------------------------------------------------------------------------------- page


def test_the_key_figures_of_the_page_are_those_of_the_summary(page: Page, store: History) -> None:
    summary = store.summary("last_30_days")

    assert page.values == {
        "kpi-completed": str(summary.completed),
        "kpi-mean": str(summary.mean_seconds),
        "kpi-ratio": str(summary.estimate_ratio),
        "kpi-worked": str(summary.worked_seconds),
    }
    assert summary.completed == 30


def test_the_key_figures_stand_beside_the_period_before_in_words(page: Page, store: History) -> None:
    before = store.summary(DateRange(date(2024, 4, 17), date(2024, 5, 16)))

    assert (before.completed, before.mean_seconds) == (30, 4514.5)
    assert "unchanged (before: 30)" in page.shown
    assert "▼ -40.5 %, better (before: 1 h 15 min)" in page.shown
    assert "▼ -40.5 % (before: 37.6 h)" in page.shown  # hours have no good direction
    assert "Changes are against the period of equal length before it: 17 Apr – 16 May 2024." in page.shown


def test_the_tables_of_the_page_hold_the_figures_of_the_history(page: Page, store: History) -> None:
    summary, steps = store.summary(JUNE), store.steps(JUNE)
    points = store.trend(JUNE, "day").points

    assert page.body("By ticket type") == [
        [
            name,
            *expected(
                one.completed, one.worked_seconds, one.mean_seconds, one.p50_seconds, one.p90_seconds,
                one.estimate_ratio, one.gap_alerts,
            ),
        ]
        for name, one in [*summary.by_ticket_type.items(), ("Total", summary)]
    ]  # fmt: skip
    assert page.body("Step durations against the estimate") == [
        [
            step.step_name,
            step.template,
            *expected(
                step.completed, step.p25_seconds, step.p50_seconds, step.p75_seconds, step.p90_seconds,
                step.mean_estimated_seconds, step.estimate_ratio,
            ),
        ]
        for step in steps
    ]  # fmt: skip
    assert [row[1:] for row in page.body("The figures of the chart")] == [
        expected(each.completed, each.worked_seconds, each.mean_seconds, each.estimate_ratio, each.gap_alerts)
        for each in points
    ]
    assert page.body("The figures of the chart")[-1][0] == "15 Jun 2024 (partial)"


def test_the_calendar_as_a_table_adds_up_to_the_hours_worked(page: Page, store: History) -> None:
    rows = page.body("The hours of each day")

    assert page.tables["The hours of each day"][0] == [
        "Week from", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Total",
    ]  # fmt: skip
    assert rows[0][0] == "13 May 2024"
    assert rows[0][1:5] == ["–"] * 4  # the period begins on a Friday
    assert sum(int(row[-1]) for row in rows) == store.summary(JUNE).worked_seconds
    assert all(int(row[-1]) == sum(int(day) for day in row[1:-1] if day != "–") for row in rows)


def test_weeks_begin_where_the_readers_do(everyone: Report) -> None:
    american = Page(html(everyone, Words(Locale.parse("en_US"), ZoneInfo("UTC"))))

    rows = american.tables["The hours of each day"]
    assert rows[0][1] == "Sun"
    assert rows[1][0] == "May 12, 2024"


def test_numbers_and_days_are_written_as_the_reader_does(everyone: Report) -> None:
    german = Page(html(everyone, Words(Locale.parse("de_DE"), ZoneInfo("UTC"))))
    arabic = Page(html(everyone, Words(Locale.parse("ar_EG"), ZoneInfo("UTC"))))

    assert german.named("html") == [{"lang": "de-DE"}]
    assert "15.06.2024" in german.shown
    assert "22,4 h" in german.shown
    assert arabic.named("html") == [{"lang": "ar-EG", "dir": "rtl"}]


def test_gap_alerts_and_recent_tickets_are_listed_with_their_figures(page: Page, store: History) -> None:
    alerts = store.alert_page(JUNE, limit=20)
    recent = store.overview().recent

    assert [(row[0], row[1], *row[4:]) for row in page.body("Gap alerts")] == [
        (each.ticket_key, each.user_id, *expected(each.actual_seconds, each.estimated_seconds, each.ratio))
        for each in alerts
    ]
    assert page.body("Gap alerts")[0][3] in ("QA: Test", "Release: Test", "QA", "Release")
    assert [(row[0], *row[5:8]) for row in page.body("Recent tickets")] == [
        (each.ticket_key, *expected(each.active_seconds, each.estimated_seconds, each.estimate_ratio))
        for each in recent
    ]
    assert [row[8] for row in page.body("Recent tickets")] == ["gap" if each.gap_alert else "" for each in recent]


def test_more_gap_alerts_than_are_listed_are_not_hidden(everyone: Report, page: Page) -> None:
    assert everyone.alerts.next is not None
    assert len(page.body("Gap alerts")) == 20
    assert "The latest 20 that are open; there are more." in page.shown


def test_a_dismissed_gap_alert_is_not_listed(history: History) -> None:
    history.record(made("w1", 1300, estimated_seconds=1000, completed_at=at("2024-06-12T09:00")))
    history.dismiss_alert(history.alerts()[0].id)

    found = Page(html(report.overview_report(history)))

    assert "Gap alerts" not in found.tables
    assert "Tickets that took more than their estimate allows: 1; before: 0." in found.shown
    assert t.GAPS_NONE in found.shown


def test_people_with_fewer_than_five_completions_are_not_compared(page: Page, store: History) -> None:
    ada, bob, cleo = page.body("People")
    people = store.aggregations(JUNE, "user")

    assert [ada[0], bob[0], cleo[0]] == ["ada", "bob", "cleo"]
    assert cleo[3:6] == ["too few"] * 3
    assert [ada[1:], bob[1:]] == [
        expected(
            one.completed, one.worked_seconds, one.mean_seconds, one.p50_seconds, one.estimate_ratio, one.gap_alerts
        )
        for one in people.groups[:2]
    ]


def test_a_report_of_one_person_names_nobody_else(store: History) -> None:
    own = report.overview_report(store, user_id="ada")

    for form in (html(own), pdf_text(pdf(own)), part(email(own), "plain")):
        assert "ada" in form
        assert "bob" not in form
        assert "cleo" not in form
    assert {"People", "Person"} & {cell for table in Page(html(own)).tables.values() for cell in table[0]} == set()


def test_more_people_than_a_table_can_show_are_left_out(everyone: Report) -> None:
    summary = replace(everyone.overview.summary, users=501)
    crowd = replace(everyone, people=None, overview=replace(everyone.overview, summary=summary))

    found = Page(html(crowd))

    assert "There are too many people (501) to set side by side." in found.shown
    assert "People" not in found.tables


def test_a_report_of_one_type_says_why_it_has_no_steps(store: History) -> None:
    found = Page(html(report.overview_report(store, ticket_type="Bug")))

    assert "Only tickets of the type Bug." in found.shown
    assert t.STEPS_BY_TEMPLATE in found.shown
    assert "Step durations against the estimate" not in found.tables


def test_only_the_longest_steps_are_drawn_and_all_are_listed() -> None:
    steps = tuple(StepTime(number, f"Step {number:02}", 60 + number) for number in range(30))
    with open_history("sqlite://", clock=lambda: NOW) as history:
        history.record(made("w1", completed_at=at("2024-06-12T09:00"), steps=steps))
        found = report.overview_report(history)

    [section] = [each for each in report.document(found).sections if each.name == "steps"]
    svg = b64decode(source_of(Page(html(found)), "Chart of the durations")).decode()

    assert len(section.table.rows) == 30  # type: ignore[union-attr]
    assert "The chart shows the 24 steps that took the most time; the table has all of them." in section.lines
    assert "Step 29" in svg
    assert "Step 06" in svg
    assert "Step 05" not in svg


def source_of(page: Page, alt: str) -> str:
    image, _ = [each for each in page.named("img") if str(each["alt"]).startswith(alt)]
    return str(image["src"]).removeprefix("data:image/svg+xml;base64,")


def test_a_page_is_one_file_that_asks_nobody_and_runs_nothing(page: Page) -> None:
    names = {name for name, _ in page.tags}
    attributes = [(name, str(value)) for _, found in page.tags for name, value in found.items()]

    assert names & {"script", "link", "iframe", "object", "embed", "form", "base"} == set()
    assert [value for name, value in attributes if name == "src" and not value.startswith("data:")] == []
    assert [name for name, _ in attributes if name.startswith("on") or name in ("href", "style")] == []
    assert "url(" not in page.text
    assert "@import" not in page.text
    [rule] = [found["content"] for found in page.named("meta") if "http-equiv" in found]
    assert rule == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_a_page_has_what_a_screen_reader_needs(page: Page) -> None:
    assert page.named("html") == [{"lang": "en-GB"}]
    assert [level for level, _ in page.headings] == ["h1", *["h2"] * (len(page.headings) - 1)]
    assert all(len(str(image["alt"])) > 20 for image in page.named("img"))
    assert len(page.named("img")) == 8  # of each pair one is shown
    assert len(page.named("caption")) == len(page.named("table")) == len(page.tables)
    assert all(each["scope"] in ("row", "col") for each in page.named("th"))
    labels = [str(each["aria-labelledby"]) for each in page.named("section")]
    assert len(set(labels)) == len(labels)
    assert set(labels) <= {str(found.get("id")) for _, found in page.tags}


def test_every_chart_is_there_in_both_themes_as_a_picture_that_parses(page: Page) -> None:
    images = page.named("img")
    sources = [str(image["src"]) for image in images]

    assert [image["class"] for image in images] == ["light", "dark"] * 4
    assert len(set(sources)) == 8
    for source in sources:
        svg = b64decode(source.removeprefix("data:image/svg+xml;base64,"))
        assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"


def test_a_report_says_what_its_figures_rest_on(everyone: Report) -> None:
    coverage = replace(
        everyone.overview.coverage, raw_from=date(2024, 6, 2), sealed_through=date(2024, 6, 1), held_out=2
    )
    sealed = replace(everyone, overview=replace(everyone.overview, coverage=coverage))
    held = replace(sealed, overview=replace(sealed.overview, coverage=replace(coverage, held_out=1)))

    assert Page(html(everyone)).shown.count("Every figure can be followed to recorded sessions.") == 1
    found = Page(html(sealed)).shown
    assert "Revision 60 of the history" in found
    assert "From 2 Jun 2024 on every figure can be followed to recorded sessions." in found
    assert "What was completed up to 1 Jun 2024 is archived" in found
    assert "2 tracked tickets wait" in found
    assert "1 tracked ticket waits" in Page(html(held)).shown
    assert "more than 120 % of its estimate" in found


# ---------------------------------------------------------------------------------------------------------------- PDF


def test_a_pdf_holds_the_figures_of_the_page(everyone: Report, store: History) -> None:
    content = pdf(everyone)
    text = plain(pdf_text(content))
    summary = store.summary(JUNE)

    for figure in ("30", WORDS.duration(summary.mean_seconds), WORDS.percent(summary.estimate_ratio), "22.4 h"):
        assert f" {plain(figure)} " in text
    for title in (t.TYPES, t.STEPS, t.HOURS, t.GAPS, t.PEOPLE, t.RECENT, t.BASIS, t.DEFINITIONS):
        assert title in text
    rows = [row for section in report.document(everyone).sections if section.table for row in section.table.rows]
    assert len(rows) == 40
    assert [row for row in rows if squeezed("".join(cell.text for cell in row)) not in squeezed(text)] == []
    assert "Page 1 of" in text


def test_a_pdf_is_tagged_for_screen_readers_and_says_what_it_is(everyone: Report) -> None:
    read = pypdf.PdfReader(io.BytesIO(pdf(everyone)))
    root = cast(Any, read.trailer["/Root"])

    assert read.metadata is not None
    assert plain(str(read.metadata.title)) == "Time report: Everyone, 17 May – 15 Jun 2024 (30 days)"
    assert root["/Lang"] == "en"
    assert root["/MarkInfo"]["/Marked"]
    assert "<pdfuaid:part>1</pdfuaid:part>" in root["/Metadata"].get_data().decode()


def test_the_same_report_is_the_same_pdf(everyone: Report) -> None:
    assert pdf(everyone) == pdf(everyone)


def test_a_character_that_no_font_has_does_not_fail_a_pdf(store: History) -> None:
    found = report.overview_report(store, user_id="nobody \ufdd0 \U000f0000")

    read = pypdf.PdfReader(io.BytesIO(pdf(found)))

    assert "nobody" in read.pages[0].extract_text()
    assert cast(Any, read.trailer["/Root"])["/MarkInfo"]["/Marked"]


# -------------------------------------------------------------------------------------------------------------- email


def test_a_message_opens_as_a_draft_in_text_and_as_a_page(letter: EmailMessage) -> None:
    assert plain(letter["Subject"]) == "Time report: Everyone, 17 May – 15 Jun 2024 (30 days)"
    assert letter["X-Unsent"] == "1"
    assert letter["From"] is None
    assert letter["To"] is None
    assert letter.get_content_type() == "multipart/alternative"
    assert [each.get_content_type() for each in letter.iter_parts()] == ["text/plain", "multipart/related"]


def test_the_charts_of_a_message_are_in_it(letter: EmailMessage) -> None:
    html = part(letter, "html")
    images = {each["Content-ID"].strip("<>"): each for each in letter.walk() if each.get_content_maintype() == "image"}

    assert sorted(re.findall(r'src="cid:(.*?)"', html)) == sorted(images)
    assert len(images) == 4
    for each in images.values():
        with Image.open(io.BytesIO(each.get_content())) as image:
            assert image.format == "PNG"
            assert image.width > 600
    assert re.findall(r"https?://", html) == []
    assert "<style" not in html


def test_both_ways_to_read_a_message_hold_the_figures(letter: EmailMessage, everyone: Report) -> None:
    document = report.document(everyone)
    text, html = plain(part(letter, "plain")), Page(part(letter, "html")).shown

    for each in document.key_figures:
        assert f"{each.label}: {plain(each.text)}" in text
        assert plain(f"{each.label} {each.text} {each.arrow} {each.change}") in html
    for section in document.sections:
        for row in section.table.rows if section.table else ():
            assert squeezed("".join(cell.text for cell in row)) in squeezed(text)
            assert squeezed("".join(cell.text for cell in row)) in squeezed(html)


# -------------------------------------------------------------------------------------------------------------- names


def test_hostile_names_are_text_on_the_page(hostile: Report) -> None:
    found = Page(html(hostile))

    for name in HOSTILE:
        rows = [row for table in found.tables.values() for row in table if name in row]
        assert len(rows) >= 5, name  # type, step, gap, person, recent ticket
    assert {"script", "b", "i"} & {tag for tag, _ in found.tags} == set()


def test_hostile_names_are_text_in_the_pdf(hostile: Report) -> None:
    text = squeezed(pdf_text(pdf(hostile)))

    for name in HOSTILE:
        assert text.count(squeezed(name)) >= 5, name


def test_hostile_names_are_text_in_the_message(hostile: Report) -> None:
    letter = read_letter(email(hostile))
    found = Page(part(letter, "html"))

    for name in HOSTILE:
        assert part(letter, "plain").count(name) >= 5, name
        assert found.shown.count(name) >= 5, name
    assert "script" not in {tag for tag, _ in found.tags}


@pytest.mark.parametrize("name", [*HOSTILE, EVIL, "line\r\nBcc: eve@example.org"], ids=range(len(HOSTILE) + 2))
def test_a_hostile_name_in_the_title_breaks_no_form(empty: Report, name: str) -> None:
    found = replace(empty, overview=replace(empty.overview, user_id=name, ticket_type=name), people=None)

    document = report.document(found)
    letter = read_letter(email(found))

    assert plain(name) in Page(html(found)).shown
    assert plain(letter["Subject"]) == plain(document.subject)
    assert letter["Bcc"] is None
    read = pypdf.PdfReader(io.BytesIO(pdf(found)))
    assert read.metadata is not None
    assert read.metadata.title == document.subject


def test_control_characters_in_names_leave_the_pictures_whole() -> None:
    with open_history("sqlite://", clock=lambda: NOW) as history:
        for number in range(3):
            ended = NOW - timedelta(days=number)
            history.record(made(f"w{number}", completed_at=ended, ticket_type=EVIL, steps=(StepTime(0, EVIL, 60),)))
        found = report.overview_report(history)

    for image in Page(html(found)).named("img"):
        ElementTree.fromstring(b64decode(str(image["src"]).removeprefix("data:image/svg+xml;base64,")))
    assert "bell" in pdf_text(pdf(found))


# -------------------------------------------------------------------------------------------------------------- empty


@pytest.fixture(scope="module")
def empty(store: History) -> Report:
    return report.overview_report(store, DateRange.parse("2023-01-01", "2023-01-31"))


def test_an_empty_period_says_so_on_a_page_without_charts(empty: Report) -> None:
    found = Page(html(empty))

    assert empty.is_empty
    assert t.EMPTY in found.shown
    assert found.named("img") == found.named("table") == []
    assert found.values["kpi-completed"] == "0"
    assert found.values["kpi-mean"] == ""
    assert t.NOTHING_BEFORE in found.shown
    assert "Every figure can be followed" in found.shown


def test_an_empty_period_says_so_in_the_other_forms(empty: Report) -> None:
    letter = email(empty)

    assert t.EMPTY in plain(pdf_text(pdf(empty)))
    assert t.EMPTY in plain(part(letter, "plain"))
    assert t.EMPTY in Page(part(letter, "html")).shown
    assert [each for each in letter.walk() if each.get_content_maintype() == "image"] == []


def test_worked_hours_alone_have_a_calendar_and_no_other_chart() -> None:
    with open_history("sqlite://", clock=lambda: NOW) as history:
        history.record(
            made("w1", started_at=at("2024-06-11T22:00"), completed_at=at("2024-06-12T01:00"), steps=(over_midnight(),))
        )
        found = report.overview_report(history, DateRange.parse("2024-06-11", "2024-06-11"))

    assert (found.overview.summary.completed, found.overview.summary.worked_seconds) == (0, 7200)
    assert [each.name for each in report.document(found).pictures] == ["hours"]
    assert {t.STEPS_NONE, t.RECENT_NONE, t.GAPS_NONE} <= set(lines(report.document(found)))


def over_midnight() -> StepTime:
    return StepTime(0, "Test", sessions=(session("2024-06-11T22:00", 3 * 3600),))


def lines(document: Document) -> Iterator[str]:
    for section in document.sections:
        yield from section.lines


def test_a_period_without_one_before_has_nothing_to_compare(store: History) -> None:
    found = Page(html(report.overview_report(store, "all_time")))

    assert t.NOT_COMPARED in found.shown
    assert found.shown.count(t.NOTHING_BEFORE) == 5  # the key figures, and the gap alerts


# -------------------------------------------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Change(12, 10, 2, 0.2, "up", "better"), "+20.0 %, better (before: 10)"),
        (Change(8, 10, -2, -0.2, "down", "worse"), "-20.0 %, worse (before: 10)"),
        (Change(8, 10, -2, -0.2, "down", "neutral"), "-20.0 % (before: 10)"),
        (Change(10, 10, 0, 0.0, "flat", "neutral"), "unchanged (before: 10)"),
        (Change(3, 0, 3, None, "up", "better"), "before: 10"),
        (Change(3, None, None, None, "none", "neutral"), "nothing to compare it with"),
    ],
    ids=["better", "worse", "neutral", "flat", "from nothing", "alone"],
)
def test_a_change_is_told_with_its_sign_and_its_worth(change: Change, words: str) -> None:
    assert plain(change_words(change, "10", WORDS)) == words


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([5], "Tickets completed: too few for a verdict (1 full week, 6 are needed)."),
        ([5, 6, 7, 8, 9], "Tickets completed: too few for a verdict (5 full weeks, 6 are needed)."),
        ([5, 6, 5, 6, 5, 6], "Tickets completed: no evidence of change over 6 full weeks (p = 0.66)."),
        (
            [1, 3, 5, 7, 9, 11, 13],
            "Tickets completed: rising by 2.0 per week over 7 full weeks (95 % between +2.0 and +2.0, p = 0.0027).",
        ),
        (
            [200 - 3 * each - each % 2 for each in range(20)],
            "Tickets completed: falling by 3.0 per week over 20 full weeks (95 % between -3.0 and -3.0, p < 0.001).",
        ),
    ],
    ids=["one", "few", "none", "rising", "falling"],
)
def test_a_trend_is_told_with_its_slope_only_when_it_is_one(values: list[float], words: str) -> None:
    assert trend_words(trend(enumerate(values)), "completed", "week", WORDS) == words


def test_the_slope_of_a_time_is_a_time() -> None:
    found = trend_words(trend(enumerate(range(0, 700, 70))), "mean_seconds", "day", WORDS)

    assert plain(found).startswith(
        "Average time per ticket: rising by 1 min per day over 10 full days (95 % between +1"
    )


# ----------------------------------------------------------------------------------------------------------- packages


def test_a_package_that_is_not_installed_is_named_with_its_extra() -> None:
    packages = ("altair", "vl_convert", "babel", "jinja2", "typst")
    program = (
        f"import sys\nfor each in {packages}:\n"
        "    sys.modules[each] = None\n"
        "    try: from timestrata import report\n"
        "    except ImportError as error: print(error.name, error)\n"
        "    del sys.modules[each]\n"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    wanted = [f"{each} a report needs {each}: pip install 'timestrata[report]'" for each in packages]
    assert done.stdout.splitlines() == wanted


def test_the_packages_of_reports_are_not_needed_before_they_are_used() -> None:
    program = "import sys, timestrata.cli; print({'altair', 'vl_convert', 'jinja2', 'typst'} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"


# --------------------------------------------------------------------------------------------------------------- docs


def test_the_examples_of_the_manual_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with reopened("sqlite:///team.db") as history:
        history.record(list(team()))
    make, send, german = re.findall(r"```python\n(.*?)```", MANUAL.read_text(encoding="utf-8"), re.S)

    found: dict[str, Any] = {}
    exec(make + german + send.partition("with smtplib")[0], found)

    assert {file.name for file in tmp_path.iterdir()} >= {"lena.pdf", "lena.html", "lena.eml"}
    assert found["message"]["To"] == "lena@example.org"
    assert found["message"]["X-Unsent"] is None
    assert 'lang="de-DE"' in found["page"]
