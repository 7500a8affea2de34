"""Charts: what is drawn is what the answers say, names are never more than names, and pictures are whole."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import date, timedelta
from typing import Any
from xml.etree import ElementTree

import altair as alt
import pypdf
import pytest
from conftest import NOW
from facts_made import made
from PIL import Image

from timestrata import DateRange, History, InvalidRequest, StepTime, charts, open_history
from timestrata.answers import TREND_MEASURES, TrendMeasure
from timestrata.charts import pictures, specs
from timestrata.charts.__main__ import main
from timestrata.charts.slots import MOST_NAMES, OTHER_SLOT, unlike
from timestrata.charts.themes import PALETTES

SPRING = DateRange(date(2024, 3, 1), date(2024, 5, 31))
TYPES = ("Bug", "Chore", "Story")

PROGRAM = (sys.executable, "-m", "timestrata.charts")

HOSTILE = (
    "<script>document.title='owned'</script>", "a.b[0]", "datum", "null", "Other", "datum.value > 1 ? 'x' : alert(1)",
    'quotes " and \' and \\', "\u202eright to left \u05e9\u05dc\u05d5\u05dd", "L" * 200, "true", "__proto__",
    "\x1b[31m\ufffe",
)  # fmt: skip


def recorded(names: tuple[str, ...] = TYPES, days: int = 90) -> Generator[History]:
    """A history of 90 days with more and more to do; steps over, within and without an estimate."""
    with open_history("sqlite://", clock=lambda: NOW) as history:
        for number in range(days):
            ended = NOW - timedelta(days=days - 1 - number, hours=2)
            for each in range(1 + number // 20):
                history.record(
                    _done(f"w{number}-{each}", names[(number + each) % len(names)], ended, 700 + 13 * number)
                )
        yield history


def _done(workflow: str, name: str, ended: Any, seconds: int) -> Any:
    steps = (
        StepTime(0, "Look", 100),
        StepTime(1, "Repair", seconds - 300, estimated_seconds=500),
        StepTime(2, "Check", 200, estimated_seconds=900),
    )
    return made(workflow, seconds, completed_at=ended, ticket_type=name, template=f"T {name}", steps=steps)


@pytest.fixture(scope="module")
def team() -> Iterator[History]:
    yield from recorded()


@pytest.fixture(scope="module")
def hostile() -> Iterator[History]:
    yield from recorded(HOSTILE, 24)


@pytest.fixture(scope="module")
def nothing() -> Iterator[History]:
    with open_history("sqlite://", clock=lambda: NOW) as history:
        yield history


def all_of(history: History, dates: Any = "last_90_days", theme: str = "light") -> dict[str, dict[str, Any]]:
    """Return every kind of chart of a history."""
    days = history.trend(dates, "day")
    return {
        **{
            f"trend of {measure}": specs.trend(
                history.trend(dates, "week", by="ticket_type", measure=measure), theme=theme
            )
            for measure in TREND_MEASURES
        },
        "types": specs.types(history.summary(dates), theme=theme, links={"Bug": "/tickets?ticket_type=Bug"}),
        "steps": specs.steps(history.steps(dates), theme=theme),
        "heatmap": specs.heatmap(days, theme=theme),
    }


def rows(chart: Mapping[str, Any], name: str = "bars") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = chart["datasets"][name]
    return found


# ------------------------------------------------------------------------------------------------------------- figures


@pytest.mark.parametrize("bucket", ["day", "week", "month"])
@pytest.mark.parametrize("measure", ["completed", "worked_seconds", "active_seconds", "gap_alerts"])
def test_the_bars_of_a_trend_are_its_figures(team: History, bucket: Any, measure: TrendMeasure) -> None:
    report = team.trend("last_90_days", bucket, by="ticket_type", measure=measure)

    bars = rows(specs.trend(report))

    assert {(bar["bucket"], bar["name"]): bar["value"] for bar in bars} == {
        (point.bucket.isoformat(), name): getattr(point, measure)
        for name, series in report.by.items()
        for point in series.points
        if getattr(point, measure)
    }
    assert sum(bar["value"] for bar in bars) == sum(getattr(point, measure) for point in report.points)
    assert all(type(bar["value"]) is int for bar in bars)


def test_bars_stand_on_each_other_in_the_order_of_their_colours(team: History) -> None:
    report = team.trend("last_90_days", "month", by="ticket_type", measure="worked_seconds")
    bars = rows(specs.trend(report, types=("Story", "Bug", "Chore")))

    for point in report.points:
        stack = [bar for bar in bars if bar["bucket"] == point.bucket.isoformat()]
        assert [bar["name"] for bar in stack] == ["Story", "Bug", "Chore"]
        assert [bar["low"] for bar in stack] == [0, *(bar["high"] for bar in stack[:-1])]
        assert stack[-1]["high"] == pytest.approx(point.worked_seconds / 3600, abs=1e-3)


@pytest.mark.parametrize("measure", ["mean_seconds", "estimate_ratio"])
def test_what_does_not_add_up_is_drawn_of_the_total(team: History, measure: TrendMeasure) -> None:
    report = team.trend("last_90_days", "week", by="ticket_type", measure=measure)

    bars = rows(specs.trend(report))

    assert {bar["bucket"]: bar["value"] for bar in bars} == {
        point.bucket.isoformat(): getattr(point, measure) for point in report.points if getattr(point, measure)
    }


def test_a_partial_bucket_is_marked_and_in_neither_line(team: History) -> None:
    report = team.trend("last_90_days", "week", by="ticket_type", measure="completed")
    partial = {point.bucket.isoformat() for point in report.points if point.partial}

    chart = specs.trend(report)

    assert partial
    assert {bar["bucket"] for bar in rows(chart) if bar["partial"]} == partial
    assert {line["bucket"] for line in rows(chart, "lines") if line["at"] is not None} & partial == set()


def test_the_moving_average_is_that_of_the_report(team: History) -> None:
    report = team.trend("last_90_days", "week", by="ticket_type", measure="worked_seconds")

    found = [row["at"] for row in rows(specs.trend(report), "lines") if row["line"] == "Average of 4 weeks"]

    expected = [point.moving_worked_seconds for point in report.points]
    assert [at is None for at in found] == [value is None for value in expected]
    assert [at for at in found if at is not None] == pytest.approx(
        [value / 3600 for value in expected if value is not None], abs=1e-3
    )


def test_a_trend_is_a_line_with_its_slope_where_there_is_one(team: History) -> None:
    rising = team.trend("last_90_days", "week", by="ticket_type", measure="completed")
    flat = team.trend("last_90_days", "week", by="ticket_type", measure="gap_alerts", ticket_type="Nothing of it")
    assert (rising.trend.verdict, flat.trend.verdict) == ("rising", "no evidence of change")

    first, last = (row for row in rows(specs.trend(rising), "lines") if row["line"] == "Trend")

    weeks = (date.fromisoformat(last["bucket"]) - date.fromisoformat(first["bucket"])).days / 7
    assert rising.trend.theil_sen_slope is not None
    assert last["at"] - first["at"] == pytest.approx(weeks * rising.trend.theil_sen_slope, abs=1e-3)
    assert [row for row in rows(specs.trend(flat), "lines") if row["line"] == "Trend"] == []


def test_two_buckets_have_no_line(team: History) -> None:
    report = team.trend(DateRange(date(2024, 4, 1), date(2024, 5, 31)), "month", by="ticket_type", measure="completed")

    chart = specs.trend(report)

    assert len(report.points) == 2
    assert rows(chart, "lines") == []
    assert len(chart["layer"]) == 1


def test_the_bars_of_types_are_those_of_the_summary(team: History) -> None:
    summary = team.summary("last_90_days")

    bars = rows(specs.types(summary))

    assert {bar["name"]: bar["value"] for bar in bars} == {
        name: figures.completed for name, figures in summary.by_ticket_type.items()
    }
    assert [bar["value"] for bar in bars] == sorted((bar["value"] for bar in bars), reverse=True)
    assert sum(bar["worked_seconds"] for bar in bars) == summary.worked_seconds


def test_a_bar_leads_where_it_is_to_lead(team: History) -> None:
    links = {name: f"/tickets?ticket_type={name}" for name in TYPES}
    trend = team.trend("last_90_days", "week", by="ticket_type", measure="completed")

    for chart in (specs.types(team.summary("last_90_days"), links=links), specs.trend(trend, links=links)):
        assert {bar["name"]: bar["link"] for bar in rows(chart)} == links
        assert '"href"' in json.dumps(chart)
    assert '"href"' not in json.dumps(specs.types(team.summary("last_90_days")))


def test_a_step_that_always_took_the_same_time_is_seen() -> None:
    def marks(history: History) -> list[str]:
        layers = specs.steps(history.steps("last_90_days"))["layer"]
        return [each["mark"]["type"] for each in layers if "filter" in each.get("transform", [{}])[0]]

    with open_history("sqlite://", clock=lambda: NOW) as history:
        history.record(made("only", 600, completed_at=NOW))
        assert marks(history) == ["tick"]
        history.record([made("short", 60, completed_at=NOW), made("long", 6000, completed_at=NOW)])
        assert marks(history) == []


def test_a_step_of_nearly_the_same_times_is_wide_enough_to_be_seen() -> None:
    with open_history("sqlite://", clock=lambda: NOW) as history:
        history.record(
            made(f"{number}", completed_at=NOW, steps=(StepTime(0, "Report", 300 + number, 9000),))
            for number in range(8)
        )
        chart = specs.steps(history.steps("last_90_days"))

    with Image.open(io.BytesIO(pictures.picture(chart, "png", width=500, scale=1))) as picture:
        below = picture.convert("RGB").crop((0, picture.height * 2 // 5, *picture.size))  # of the legend

    blue = tuple(bytes.fromhex(PALETTES["light"].slots[0].removeprefix("#")))
    lines = [[below.getpixel((x, y)) for x in range(below.width)] for y in range(below.height)]
    assert max(line.count(blue) for line in lines) >= 4


def test_steps_have_the_percentiles_of_the_report(team: History) -> None:
    report = team.steps("last_90_days")

    found = rows(specs.steps(report), "steps")

    assert [(row["template"], row["step"], row["p25_seconds"], row["p90_seconds"]) for row in found] == [
        (step.template, step.step_name, step.p25_seconds, step.p90_seconds) for step in report
    ]
    assert [row["estimate_seconds"] for row in found] == [step.mean_estimated_seconds for step in report]
    states = {row["step"]: row["state"] for row in found}
    assert states == {"Look": "No estimate", "Repair": "Over estimate ▲", "Check": "Within estimate"}


@pytest.mark.parametrize("week_start", [0, 6])
def test_the_calendar_has_every_day_in_its_week(team: History, week_start: int) -> None:
    report = team.trend(SPRING, "day")

    days = rows(specs.heatmap(report, week_start=week_start), "days")

    assert [row["day"] for row in days] == [
        (date(2024, 3, 1) + timedelta(days=place)).isoformat() for place in range(92)
    ]
    assert sum(row["value"] for row in days) == team.summary(SPRING).worked_seconds
    for row in days:
        assert date.fromisoformat(row["week"]).weekday() == week_start
        assert (date.fromisoformat(row["day"]) - date.fromisoformat(row["week"])).days == row["row"]


def test_a_calendar_of_years_shows_the_last_54_weeks(team: History) -> None:
    days = rows(specs.heatmap(team.trend(DateRange(date(2020, 1, 1), date(2024, 6, 15)), "day")), "days")

    assert len({row["week"] for row in days}) == 54
    assert days[-1]["day"] == "2024-06-15"
    assert date.fromisoformat(days[0]["day"]).weekday() == 0


def test_a_calendar_wants_days(team: History) -> None:
    with pytest.raises(InvalidRequest, match="week"):
        specs.heatmap(team.trend(SPRING, "week"))


# ------------------------------------------------------------------------------------------------------------- colours


def test_a_type_keeps_its_colour_whatever_is_drawn(team: History) -> None:
    everything = team.trend("last_90_days", "week", by="ticket_type", measure="completed")
    chores = team.trend("last_90_days", "week", by="ticket_type", measure="completed", ticket_type="Chore")
    types = ("Story", "Chore", "Bug")

    found = [_colours(specs.trend(each, types=types)) for each in (everything, chores)]

    slots = PALETTES["light"].slots
    assert found == [{"Story": slots[0], "Chore": slots[1], "Bug": slots[2]}, {"Chore": slots[1]}]
    assert {bar["name"]: bar["slot"] for bar in rows(specs.types(team.summary("last_90_days"), types=types))} == {
        "Story": 0, "Chore": 1, "Bug": 2,
    }  # fmt: skip


def _colours(chart: Mapping[str, Any]) -> dict[str, str]:
    scale = chart["layer"][0]["encoding"]["fill"]["scale"]
    return dict(zip(scale["domain"], scale["range"], strict=True))


def test_from_the_sixth_type_on_they_are_grey() -> None:
    slots = charts.colours(["f", "e", "d", "c", "b", "a", "z"])

    assert slots == {"f": 0, "e": 1, "d": 2, "c": 3, "b": 4, "a": OTHER_SLOT, "z": OTHER_SLOT}


def test_a_type_called_other_is_not_taken_for_the_others(hostile: History) -> None:
    report = hostile.trend("last_90_days", "week", by="ticket_type", measure="completed")
    types = ("Other", *(name for name in HOSTILE if name != "Other"))

    chart = specs.trend(report, types=types)

    groups = _colours(chart)
    slots = PALETTES["light"].slots
    assert groups["Other"] == slots[0]
    assert groups[unlike("Other", report.by)] == slots[OTHER_SLOT]
    assert len(groups) == 6
    assert {bar["group"] for bar in rows(chart) if bar["name"] == "Other"} == {"Other"}


def test_the_least_of_too_many_types_are_drawn_as_one() -> None:
    names = tuple(f"type {number:02}" for number in range(30))
    with closing(recorded(names, 40)) as team:
        history = next(team)
        summary = history.summary("last_90_days")
        trend = history.trend("last_90_days", "month", by="ticket_type", measure="completed")

    bars = rows(specs.types(summary))

    assert len(bars) == MOST_NAMES
    assert bars[-1]["name"] == "15 other types"
    assert sum(bar["value"] for bar in bars) == summary.completed
    assert sum(bar["value"] for bar in rows(specs.trend(trend))) == summary.completed
    assert len({bar["name"] for bar in rows(specs.trend(trend))}) == MOST_NAMES


# --------------------------------------------------------------------------------------------------------------- names


def code(value: object) -> Iterator[str]:
    """Yield what a specification holds that is run or names a field."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            if name in ("expr", "calculate", "test", "filter", "field", "labelExpr", "as"):
                yield str(each)
            yield from code(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from code(each)


def test_names_are_never_code(hostile: History) -> None:
    with closing(recorded(tuple(f"name {number}" for number in range(len(HOSTILE))), 24)) as team:
        plain = all_of(next(team))

    for kind, chart in all_of(hostile).items():
        assert _without_widths(code({**chart, "datasets": {}})) == _without_widths(code(plain[kind])), kind


def _without_widths(found: Iterable[str]) -> list[str]:
    """Return code without the width that the longest name of a legend has."""
    return sorted(re.sub(r"room \* [0-9.]+ / [0-9]+", "room", each) for each in found)


def test_names_are_text_in_pictures(hostile: History) -> None:
    svg = pictures.picture(specs.types(hostile.summary("last_90_days")), "svg")

    shown = "".join(ElementTree.fromstring(svg).itertext())
    for name in ("<script>", "a.b[0]", "datum", "null", "true", "__proto__"):
        assert name in shown
    assert "L" * 9 in shown
    assert "L" * 100 not in shown
    assert "…" in shown
    assert "[31m\ufffd" in shown


# ------------------------------------------------------------------------------------------------------ specifications


def test_every_chart_is_valid_and_wide_as_what_it_is_in(team: History) -> None:
    for kind, chart in all_of(team).items():
        alt.LayerChart.from_dict(chart).to_dict()  # raises for what the schema does not allow
        assert chart["width"] == "container", kind
        assert chart["description"].endswith(".")
        assert json.loads(json.dumps(chart, allow_nan=False)) == chart


def test_every_chart_has_the_colours_of_its_theme(team: History) -> None:
    light, dark = all_of(team), all_of(team, theme="dark")

    for kind in light:
        shown = {
            theme: set(re.findall(r"#[0-9a-f]{6}", json.dumps(chart[kind])))
            for theme, chart in (("light", light), ("dark", dark))
        }
        assert PALETTES["light"].ground in shown["light"]
        assert PALETTES["dark"].ground in shown["dark"]
        assert shown["light"] & shown["dark"] == set(), kind


def test_nothing_gives_charts_without_marks(nothing: History) -> None:
    for dates in ("last_90_days", "all_time"):
        for kind, chart in all_of(nothing, dates).items():
            drawn = [row for each in chart["datasets"].values() for row in each]
            assert all(row.get("value") == 0 for row in drawn), kind
    assert pictures.picture(all_of(nothing)["trend of completed"], "svg").startswith(b"<svg")


def test_small_figures_have_labels_that_differ(team: History) -> None:
    few = team.trend(DateRange(date(2024, 4, 1), date(2024, 4, 3)), "day", by="ticket_type", measure="completed")
    less = team.trend(DateRange(date(2024, 4, 1), date(2024, 4, 3)), "day", by="ticket_type", measure="mean_seconds")

    axes = [specs.trend(each)["layer"][0]["encoding"]["y"]["axis"] for each in (few, less)]

    assert axes[0]["values"] == [0, 1]
    assert axes[1]["format"] == ",.2~f"


def test_bars_of_types_are_not_stacked_by_their_names(hostile: History) -> None:
    # Vega's stacks take a name `__proto__` for a property and draw nothing.
    assert specs.types(hostile.summary("last_90_days"))["encoding"]["x"]["stack"] is None


def test_a_theme_that_there_is_not_is_refused(team: History) -> None:
    with pytest.raises(InvalidRequest, match="sepia"):
        specs.types(team.summary("last_90_days"), theme="sepia")


def test_notebooks_get_the_same_charts_from_altair(team: History) -> None:
    trend = team.trend("last_90_days", "week", by="ticket_type", measure="completed")
    summary, steps, days = (
        team.summary("last_90_days"),
        team.steps("last_90_days"),
        team.trend("last_90_days", "day"),
    )

    for drawn, expected in (
        (charts.trend(trend, types=TYPES), specs.trend(trend, types=TYPES)),
        (charts.types(summary, theme="dark"), specs.types(summary, theme="dark")),
        (charts.steps(steps), specs.steps(steps)),
        (charts.heatmap(days, week_start=6), specs.heatmap(days, week_start=6)),
    ):
        assert isinstance(drawn, alt.LayerChart)
        found = charts.spec(drawn)
        assert {name: found[name] for name in ("datasets", "description", "width")} == {
            name: expected[name] for name in ("datasets", "description", "width")
        }
    assert charts.picture(charts.types(summary), "svg").startswith(b"<svg")


def test_neither_the_library_nor_specifications_load_what_draws() -> None:
    program = "import sys, timestrata.charts.specs; sys.exit(not {'altair', 'vl_convert'}.isdisjoint(sys.modules))"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


# ------------------------------------------------------------------------------------------------------------ pictures


def test_a_png_has_two_pixels_for_each_point_of_its_width(team: History) -> None:
    for chart in all_of(team).values():
        with Image.open(io.BytesIO(pictures.picture(chart, "png", width=500))) as image:
            assert abs(image.width - 1000) <= 2
            assert image.getpixel((image.width - 1, 0)) == (255, 255, 255, 255)


def test_an_svg_holds_the_texts_and_a_pdf_opens(team: History) -> None:
    chart = specs.trend(team.trend("last_90_days", "week", by="ticket_type", measure="completed"), theme="dark")

    svg = ElementTree.fromstring(pictures.picture(chart, "svg", width=600))
    pdf = pypdf.PdfReader(io.BytesIO(pictures.picture(chart, "pdf")))

    assert {*TYPES, "Average of 4 weeks", "Trend", "Tickets"} <= {text.strip() for text in svg.itertext()}
    assert float(svg.attrib["width"]) == pytest.approx(600, abs=1)
    assert len(pdf.pages) == 1


def test_long_names_of_emoji_are_cut_between_two_of_them() -> None:
    names = tuple(f"{'x' * number}{'🎉🎊🎈🎁' * 12}" for number in range(4))
    with contextmanager(recorded)((*names, "The others, by name"), 24) as team:
        charts = all_of(team)

    for kind in ("types", "steps", "trend of completed"):
        svg = pictures.picture(charts[kind], "svg").decode()
        labels = "".join(ElementTree.fromstring(svg).itertext())
        assert all(f"{'x' * number}🎉🎊🎈🎁" in labels for number in range(4)), kind
        assert "🎁…" in labels or "🎉…" in labels or "🎊…" in labels or "🎈…" in labels, kind
        assert "🎉🎊🎈🎁" * 5 not in labels, kind
        assert "The others" in labels, kind
        assert "\ufffd" not in labels, kind


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"chart: found .*, want a specification that can be drawn"):
        pictures.picture({"mark": "nothing of the kind"}, "svg")


def test_an_unknown_form_is_refused(team: History) -> None:
    with pytest.raises(InvalidRequest, match="gif"):
        pictures.picture(specs.types(team.summary("last_90_days")), "gif")


def test_the_program_prints_the_bundle_and_pictures(team: History) -> None:
    chart = json.dumps(specs.types(team.summary("last_90_days"))).encode()

    svg = subprocess.run([*PROGRAM, "svg", "300"], input=chart, capture_output=True, check=True).stdout
    bundle = pictures.bundle()

    assert float(ElementTree.fromstring(svg).attrib["width"]) == pytest.approx(300, abs=1)
    assert "default" in bundle[-200:]
    assert len(bundle) > 500_000


def test_the_program_says_how_it_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["gif"], ["png", "wide"], ["bundle", "300"]):
        assert main(arguments) == 2
    assert capsys.readouterr().err.count("usage: python -m timestrata.charts bundle|png|svg|pdf [WIDTH]") == 4
