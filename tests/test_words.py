"""Figures as people read them: units, signs, the locale's numbers and dates, the zone's time."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st

from timestrata import DateRange
from timestrata.wording.words import Words, preferred_locale

ENGLISH = Words(preferred_locale("en-GB"))
GERMAN = Words(preferred_locale("de-DE"), ZoneInfo("Europe/Berlin"))
AMERICAN = Words(preferred_locale("en-US"))


def plain(text: str) -> str:
    """The text with ordinary spaces."""
    return text.replace("\u00a0", " ").replace("\u202f", " ").replace("\u2009", " ")


@pytest.mark.parametrize(
    ("ratio", "above", "wanted"),
    [
        (1.2, None, "120 %"),
        (3601 / 3000, None, "120 %"),
        (3601 / 3000, 1.2, "120.03 %"),
        (1.2001, 1.2, "120.01 %"),
        (1.25, 1.2, "125 %"),
        (1.205, 1.2, "120.5 %"),
        (1.2 + 1e-12, 1.2, "120.0000 %"),
    ],
)
def test_a_ratio_above_a_limit_reads_so(ratio: float, above: float | None, wanted: str) -> None:
    assert plain(ENGLISH.percent(ratio, above)) == wanted


@pytest.mark.parametrize(
    ("timezone", "wanted"),
    [
        ("Asia/Kolkata", "21 Nov 2026, 05:00 (Asia/Kolkata)"),
        ("Europe/Berlin", "21 Nov 2026, 00:30 (Europe/Berlin)"),
        ("UTC", "20 Nov 2026, 23:30"),
        ("Europe/London", "20 Nov 2026, 23:30"),
    ],
)
def test_an_instant_is_told_in_the_zone_it_was_filed_under(timezone: str, wanted: str) -> None:
    assert plain(ENGLISH.filed(datetime(2026, 11, 20, 23, 30, tzinfo=UTC), timezone)) == wanted


def test_the_readers_own_zone_is_not_named() -> None:
    assert plain(GERMAN.filed(datetime(2026, 11, 20, 23, 30, tzinfo=UTC), "Europe/Berlin")) == "21.11.2026, 00:30"


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [
        (None, "–"),
        (0, "0 s"),
        (59.4, "59 s"),
        (59.5, "1 min"),
        (3599, "1 h 00 min"),
        (7620, "2 h 07 min"),
        (359_940, "99 h 59 min"),
        (360_000, "100 h"),
        (4_442_400, "1,234 h"),
    ],
    ids=str,
)
def test_a_duration_has_two_units_at_most(seconds: float | None, wanted: str) -> None:
    assert plain(ENGLISH.duration(seconds)) == wanted


@given(st.integers(0, 359_000))
def test_a_duration_is_never_a_minute_off(seconds: int) -> None:
    words = plain(ENGLISH.duration(seconds)).split()
    units = {"h": 3600, "min": 60, "s": 1}
    read = sum(int(number) * units[unit] for number, unit in zip(words[::2], words[1::2], strict=True))

    assert abs(read - seconds) <= 30


def test_numbers_are_written_as_the_locale_writes_them() -> None:
    assert (ENGLISH.count(12345), GERMAN.count(12345)) == ("12,345", "12.345")
    assert (plain(ENGLISH.hours(7620)), plain(GERMAN.hours(7620))) == ("2.1 h", "2,1 h")
    assert (plain(ENGLISH.percent(0.984)), plain(GERMAN.change(-0.062))) == ("98 %", "-6,2 %")
    assert ENGLISH.count(2.5) == "2.5"
    assert ENGLISH.ratio(1.204) == "1.20"


@pytest.mark.parametrize(
    ("locale", "number", "names"),
    [
        ("de_CH", (".", "\u2019"), ("Sonntag", "So.", "Januar", "Jan.")),
        ("fr", (",", "\u202f"), ("dimanche", "dim.", "janvier", "janv.")),
        ("ar", (".", ","), ("الأحد", "الأحد", "يناير", "يناير")),
    ],
)
def test_charts_write_as_the_locale_writes(locale: str, number: tuple[str, ...], names: tuple[str, ...]) -> None:
    found = Words(Locale.parse(locale)).chart_locale()

    assert (found["number"]["decimal"], found["number"]["thousands"]) == number
    time = found["time"]
    assert tuple(time[name][0] for name in ("days", "shortDays", "months", "shortMonths")) == names
    assert [len(time[name]) for name in ("days", "shortDays", "months", "shortMonths")] == [7, 7, 12, 12]


def test_a_change_always_has_its_sign() -> None:
    assert [plain(ENGLISH.change(ratio)) for ratio in (0.195, -0.5, None)] == ["+19.5 %", "-50.0 %", "–"]


def test_a_range_is_told_with_both_ends() -> None:
    year = DateRange(date(2025, 11, 21), date(2026, 11, 20))

    assert plain(ENGLISH.range(year)) == "21 Nov 2025 – 20 Nov 2026"
    assert ENGLISH.range(DateRange(None, None)) == "All time"
    assert ENGLISH.range(DateRange(date(2025, 11, 21), None)) == "since 21 Nov 2025"
    assert ENGLISH.range(DateRange(None, date(2025, 11, 21))) == "until 21 Nov 2025"


def test_a_moment_is_told_in_the_zone_of_the_user() -> None:
    before_midnight = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)

    assert plain(ENGLISH.moment(before_midnight)) == "28 Mar 2026, 23:30"
    assert plain(GERMAN.moment(before_midnight)) == "29.03.2026, 00:30"


def test_weeks_begin_as_they_do_where_the_reader_lives() -> None:
    assert (GERMAN.first_weekday, AMERICAN.first_weekday) == (0, 6)


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (None, "en_GB"),
        ("", "en_GB"),
        ("*", "en_GB"),
        ("xx-YY", "en_GB"),
        ("de-CH;q=0.8, fr-CH, *;q=0.1", "fr_CH"),
        ("en-US,en;q=0.9", "en_US"),
        ("../../etc/passwd;q=nan", "en_GB"),
        ("de;q=oops, sv;q=0.5", "sv"),
        ("a" * 100_000, "en_GB"),
    ],
    ids=["none", "empty", "any", "unknown", "weighed", "browser", "hostile", "half", "endless"],
)
def test_the_locale_is_the_best_that_the_reader_named(header: str | None, wanted: str) -> None:
    assert str(preferred_locale(header)) == wanted


@given(st.text())
def test_no_header_breaks_it(header: str) -> None:
    assert Words(preferred_locale(header)).count(1) != ""


def test_a_timer_shows_every_second() -> None:
    assert [ENGLISH.clock(seconds) for seconds in (0, 59.9, 3725, 360_000)] == [
        "0:00:00",
        "0:00:59",
        "1:02:05",
        "100:00:00",
    ]


def test_sizes_are_in_units_of_a_thousand() -> None:
    shown = [plain(GERMAN.size(size)) for size in (999, 1000, 12_345_678, 2_500_000_000)]

    assert shown == ["999 B", "1,0 kB", "12,3 MB", "2,5 GB"]
