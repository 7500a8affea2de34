"""JSONL lines: what is read, what is refused and how, and that writing gives back what was read."""

import doctest
import gzip
import io
import json
import sys
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timestrata.errors import InvalidFact, InvalidInput, InvalidRequest, MissingField
from timestrata.facts import CompletedWorkflow, Pause, StepTime, TimeSession, fingerprint
from timestrata.formats import MAX_LINE, Entry, jsonl, moments, open_input, workflow_json
from timestrata.formats.jsonl import read_jsonl, workflow_from_json, workflow_to_json, write_line

DATA = Path(__file__).parents[2] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the shared test data is not beside the checkout")

PLAIN: dict[str, Any] = {
    "workflow_id": "w1",
    "user_id": "ada",
    "ticket_key": "TK-1",
    "ticket_type": "Bug",
    "template": "QA",
    "started_at": "2024-02-29T09:00:00Z",
    "completed_at": "2024-02-29T11:00:00.25Z",
    "estimated_seconds": 3000,
    "timezone": "Europe/Berlin",
    "steps": [
        {"index": 0, "name": "Analyse", "active_seconds": 600},
        {
            "index": 1,
            "name": "Prüfen",
            "active_seconds": 1500,
            "estimated_seconds": 1200,
            "sessions": [
                {
                    "started_at": "2024-02-29T10:00:00Z",
                    "ended_at": "2024-02-29T10:30:00Z",
                    "active_seconds": 1500,
                    "pause_seconds": 300,
                    "pauses": [{"paused_at": "2024-02-29T10:10:00Z", "resumed_at": "2024-02-29T10:15:00Z"}],
                }
            ],
        },
    ],
    "attributes": {"project": "P1"},
}
SESSION = "steps[1].sessions[0]"
PAUSE = "steps.1.sessions.0.pauses.0"


def changed(path: str, value: object) -> dict[str, Any]:
    """Return PLAIN with the value at a path such as `steps.1.name` replaced, or put there."""
    result = json.loads(json.dumps(PLAIN))
    at = result
    *parents, last = path.split(".")
    for key in parents:
        at = at[int(key)] if isinstance(at, list) else at[key]
    at[int(last) if isinstance(at, list) else last] = value
    return dict(result)


def without(path: str) -> dict[str, Any]:
    """Return PLAIN without the field at a path."""
    result = changed(path, None)
    at: Any = result
    *parents, last = path.split(".")
    for key in parents:
        at = at[int(key)] if isinstance(at, list) else at[key]
    del at[last]
    return result


def line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"


def read(*lines: bytes, timezone: str = "UTC") -> list[Entry]:
    return list(read_jsonl(lines, timezone))


def workflow_of(entry: Entry) -> CompletedWorkflow:
    assert entry.error is None, entry.refusal
    assert entry.workflow is not None
    return entry.workflow


def refusal_of(entry: Entry) -> str:
    assert entry.workflow is None
    assert entry.refusal is not None
    return entry.refusal


# Reading what is right


def test_a_line_becomes_its_workflow() -> None:
    [entry] = read(line(PLAIN))

    session = TimeSession(
        datetime(2024, 2, 29, 10, tzinfo=UTC),
        datetime(2024, 2, 29, 10, 30, tzinfo=UTC),
        1500,
        300,
        (Pause(datetime(2024, 2, 29, 10, 10, tzinfo=UTC), datetime(2024, 2, 29, 10, 15, tzinfo=UTC)),),
    )
    assert entry.workflow == CompletedWorkflow(
        workflow_id="w1",
        user_id="ada",
        ticket_key="TK-1",
        ticket_type="Bug",
        template="QA",
        started_at=datetime(2024, 2, 29, 9, tzinfo=UTC),
        completed_at=datetime(2024, 2, 29, 11, 0, 0, 250_000, tzinfo=UTC),
        steps=(StepTime(0, "Analyse", 600), StepTime(1, "Prüfen", 1500, 1200, (session,))),
        estimated_seconds=3000,
        timezone="Europe/Berlin",
        attributes={"project": "P1"},
    )
    assert (entry.line, entry.error, entry.refusal, entry.notes) == (1, None, None, ())


def test_line_numbers_count_blank_lines_which_are_skipped() -> None:
    entries = read(b"\n", line(PLAIN), b"  \r\n", line(PLAIN), b"\n")

    assert [entry.line for entry in entries] == [2, 4]
    assert all(entry.workflow for entry in entries)


def test_a_byte_order_mark_and_windows_line_ends_are_no_content() -> None:
    entries = read(b"\xef\xbb\xbf" + line(PLAIN).replace(b"\n", b"\r\n"), b"\r\n", line(PLAIN))

    assert [workflow_of(entry).workflow_id for entry in entries] == ["w1", "w1"]
    assert entries[0].text == json.dumps(PLAIN)


def test_a_byte_order_mark_alone_is_an_empty_file() -> None:
    assert read(b"\xef\xbb\xbf") == []


OPTIONAL = [
    "estimated_seconds",
    "timezone",
    "attributes",
    "steps.1.estimated_seconds",
    "steps.1.active_seconds",
    "steps.1.sessions",
    "steps.1.sessions.0.active_seconds",
    "steps.1.sessions.0.pause_seconds",
    "steps.1.sessions.0.pauses",
]


@pytest.mark.parametrize("absent", OPTIONAL)
def test_optional_fields_may_be_absent_or_null_alike(absent: str) -> None:
    left_out, null = read(line(without(absent)), line(changed(absent, None)))

    assert workflow_of(left_out) == workflow_of(null)


def test_seconds_left_out_are_worked_out() -> None:
    session = {"started_at": "2024-02-29T10:00:00Z", "ended_at": "2024-02-29T10:00:10.6Z", "pause_seconds": 3}

    [entry] = read(line(changed("steps.1", {"index": 1, "name": "Test", "sessions": [session]})))

    step = workflow_of(entry).steps[1]
    assert (step.active_seconds, step.sessions[0].active_seconds, step.sessions[0].pause_seconds) == (8, 8, 3)


def test_an_estimate_of_zero_is_none() -> None:
    [entry] = read(line(changed("estimated_seconds", 0)))

    assert workflow_of(entry).estimated_seconds is None


def test_fractions_of_a_second_are_rounded_half_up() -> None:
    [entry] = read(
        line(changed("steps.0.active_seconds", 0.5)),
    )

    assert workflow_of(entry).steps[0].active_seconds == 1


def test_text_is_kept_code_point_by_code_point() -> None:
    texts = ["u\u0308ser", "'; DROP TABLE workflows;--", "two\nlines", " blanks ", "調査", "\U0001f600"]

    entries = read(*(line(changed("user_id", text)) for text in texts))

    assert [workflow_of(entry).user_id for entry in entries] == texts


def test_unknown_fields_are_ignored_and_noted_once() -> None:
    found = changed("zzz", 1)
    found["steps"] = [{"index": index, "name": "n", "active_seconds": 1, "who": 1} for index in range(3)]

    [entry] = read(line(found))

    assert workflow_of(entry).active_seconds == 3
    assert entry.notes == ("unknown fields ignored: 'zzz', 'steps.who'",)


def test_a_flood_of_unknown_fields_is_noted_in_short() -> None:
    [entry] = read(line(PLAIN | {f"x{number:04}": 1 for number in range(1000)}))

    assert entry.notes[0].startswith("unknown fields ignored: 'x0000', 'x0001'")
    assert entry.notes[0].endswith("'x0009' and 990 more")


def test_entries_come_one_by_one_as_lines_are_read() -> None:
    taken = []

    def lines() -> Iterator[bytes]:
        for number in range(3):
            taken.append(number)
            yield line(PLAIN)

    entries = read_jsonl(lines())
    next(entries)

    assert taken == [0]


# Times


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024-02-29T10:00:00Z", datetime(2024, 2, 29, 10, tzinfo=UTC)),
        ("2024-02-29 10:00:00+00:00", datetime(2024, 2, 29, 10, tzinfo=UTC)),
        ("2024-02-29T10:00Z", datetime(2024, 2, 29, 10, tzinfo=UTC)),
        ("2024-03-01T00:30:00+14:00", datetime(2024, 2, 29, 10, 30, tzinfo=UTC)),
        ("2024-02-29T10:00:00.000+0100", datetime(2024, 2, 29, 9, tzinfo=UTC)),
        ("2024-02-29T10:00:00,5Z", datetime(2024, 2, 29, 10, 0, 0, 500_000, tzinfo=UTC)),
        ("2024-02-29T10:00:00.1234567Z", datetime(2024, 2, 29, 10, 0, 0, 123_456, tzinfo=UTC)),
        ("2024-02-29T10:59:59.999999Z", datetime(2024, 2, 29, 10, 59, 59, 999_999, tzinfo=UTC)),
    ],
)
def test_iso_times_are_read(text: str, instant: datetime) -> None:
    [entry] = read(line(changed("completed_at", text)))

    assert workflow_of(entry).completed_at == instant
    assert entry.notes == ()


@pytest.mark.parametrize(
    "found",
    ["2024-02-29", "", "yesterday", "29.02.2024 10:00", "2024-W09-4T10:00:00Z", "20240229T100000Z", "2024-02-29x10:00Z",
     "2023-02-29T10:00:00Z", "2024-02-29T25:00:00Z", "2024-02-29T10:00:60Z", "2024-02-29T10:00:00+25:00",
     "２０２４-02-29T10:00:00Z", 1709200800, 1.5, True, None, [], {}, ["2024"] * 20],
)  # fmt: skip
def test_other_times_are_refused(found: object) -> None:
    [entry] = read(line(changed("completed_at", found)))

    assert refusal_of(entry).startswith("line 1, completed_at: found ")
    assert "want a date and time in ISO 8601" in refusal_of(entry)


def test_a_time_without_offset_is_read_in_the_zone_of_its_record() -> None:
    [entry] = read(line(changed("completed_at", "2024-02-29T23:30:00")), timezone="Asia/Tokyo")

    assert workflow_of(entry).completed_at == datetime(2024, 2, 29, 22, 30, tzinfo=UTC)
    assert entry.notes == ("completed_at: no offset, read in Europe/Berlin",)


@pytest.mark.parametrize(("timezone", "hour"), [("UTC", 11), ("Asia/Tokyo", 2)])
def test_a_record_without_zone_falls_back_to_the_zone_of_the_reading(timezone: str, hour: int) -> None:
    found = without("timezone") | {"started_at": "2024-02-29T00:00:00Z", "completed_at": "2024-02-29T11:00:00"}

    [entry] = read(line(found), timezone=timezone)

    assert workflow_of(entry).completed_at == datetime(2024, 2, 29, hour, tzinfo=UTC)
    assert entry.notes == (f"completed_at: no offset, read in {timezone}",)
    assert workflow_of(entry).timezone is None


@pytest.mark.parametrize(
    ("wall", "instant"),
    [
        ("2024-10-27T02:30:00", datetime(2024, 10, 27, 0, 30, tzinfo=UTC)),  # comes twice: the first
        ("2024-03-31T02:30:00", datetime(2024, 3, 31, 1, 30, tzinfo=UTC)),  # skipped: as if clocks had not moved yet
    ],
)
def test_wall_times_at_a_clock_change_have_the_offset_before_it(wall: str, instant: datetime) -> None:
    [entry] = read(line(changed("completed_at", wall)))

    assert workflow_of(entry).completed_at == instant


def test_wall_times_at_the_end_of_the_calendar_are_refused() -> None:
    [entry] = read(line(changed("started_at", "0001-01-01T00:00:00") | {"timezone": "Asia/Tokyo"}))

    assert "started_at: found '0001-01-01T00:00:00', want an instant between" in refusal_of(entry)


def test_an_unknown_zone_of_the_reading_is_refused_at_once() -> None:
    with pytest.raises(InvalidFact, match="timezone: found 'Europe/Atlantis'"):
        read_jsonl([], "Europe/Atlantis")


# Refusing what is wrong


@pytest.mark.parametrize(
    ("path", "value", "field", "wanted"),
    [
        ("workflow_id", "", "workflow_id", "text of 1 to 255 characters"),
        ("user_id", "", "user_id", "text of 1 to 255 characters"),
        ("user_id", 7, "user_id", "text of 1 to 255 characters"),
        ("user_id", "\ud800", "user_id", "text without lone surrogates"),
        ("ticket_key", "a\0b", "ticket_key", "text without the character U+0000"),
        ("template", "x" * 256, "template", "text of 1 to 255 characters"),
        ("ticket_type", None, "ticket_type", "text of 1 to 255 characters"),
        ("timezone", "Mars/Olympus", "timezone", "an IANA time zone"),
        ("timezone", ["UTC"], "timezone", "an IANA time zone"),
        ("timezone", "", "timezone", "an IANA time zone"),
        ("completed_at", "2024-02-29T08:00:00Z", "completed_at", "an instant not before started_at"),
        ("estimated_seconds", -5, "estimated_seconds", "a number of seconds from 0 to"),
        ("estimated_seconds", "60", "estimated_seconds", "a number of seconds from 0 to"),
        ("attributes", [], "attributes", "a JSON object"),
        ("attributes", "", "attributes", "a JSON object"),
        ("attributes", {"a": "x" * 70_000}, "attributes", "a JSON object of at most 65536 characters"),
        ("steps", [], "steps", "at least one step"),
        ("steps", None, "steps", "a list"),
        ("steps", {}, "steps", "a list"),
        ("steps.1", [], "steps[1]", "a JSON object"),
        ("steps.1.index", 0, "steps[1].index", "every index once"),
        ("steps.1.index", -1, "steps[1].index", "a whole number from 0 to 32767"),
        ("steps.1.index", 1.0, "steps[1].index", "a whole number from 0 to 32767"),
        ("steps.1.index", True, "steps[1].index", "a whole number from 0 to 32767"),
        ("steps.1.name", "", "steps[1].name", "text of 1 to 255 characters"),
        ("steps.0.active_seconds", -1, "steps[0].active_seconds", "a number of seconds from 0 to"),
        ("steps.0.active_seconds", "60", "steps[0].active_seconds", "a number of seconds from 0 to"),
        ("steps.0.active_seconds", True, "steps[0].active_seconds", "a number of seconds from 0 to"),
        ("steps.0.active_seconds", None, "steps[0].active_seconds", "a number of seconds from 0 to"),
        ("steps.0.active_seconds", 2**63, "steps[0].active_seconds", "a number of seconds from 0 to"),
        ("steps.1.estimated_seconds", -1, "steps[1].estimated_seconds", "a number of seconds from 0 to"),
        ("steps.1.active_seconds", 1499, "steps[1].active_seconds", "the 1500 s of its sessions"),
        ("steps.1.sessions", {}, "steps[1].sessions", "a list"),
        ("steps.1.sessions", "", "steps[1].sessions", "a list"),
        ("steps.1.sessions.0", 5, "steps[1].sessions[0]", "a JSON object"),
        ("steps.1.sessions.0.ended_at", "2024-02-29", f"{SESSION}.ended_at", "a date and time in ISO 8601"),
        ("steps.1.sessions.0.ended_at", "2024-02-29T09:00Z", f"{SESSION}.ended_at", "an instant not before started_at"),
        ("steps.1.sessions.0.active_seconds", 1501, f"{SESSION}.active_seconds", "active_seconds + pause_seconds"),
        ("steps.1.sessions.0.pauses", 0, f"{SESSION}.pauses", "a list"),
        ("steps.1.sessions.0.pauses.0", "x", f"{SESSION}.pauses[0]", "a JSON object"),
        ("steps.1.sessions.0.pauses.0.paused_at", 1, f"{SESSION}.pauses[0].paused_at", "a date and time in ISO 8601"),
        (f"{PAUSE}.paused_at", "2024-02-29T08:00Z", f"{SESSION}.pauses[0].paused_at", "not before"),
        (f"{PAUSE}.resumed_at", "2024-02-29T10:40Z", f"{SESSION}.pauses[0].resumed_at", "not after"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_path_what_was_found_and_what_is_wanted(
    path: str, value: object, field: str, wanted: str
) -> None:
    with pytest.raises(InvalidFact) as caught:
        workflow_from_json(changed(path, value))

    assert caught.value.field == field
    assert wanted in caught.value.wanted
    [entry] = read(line(changed(path, value)))
    assert refusal_of(entry) == f"line 1, {caught.value}"


@pytest.mark.parametrize(
    ("path", "field"),
    [
        *((name, name) for name in PLAIN if name not in ("estimated_seconds", "timezone", "attributes")),
        ("steps.0.index", "steps[0].index"),
        ("steps.0.name", "steps[0].name"),
        ("steps.0.active_seconds", "steps[0].active_seconds"),
        ("steps.1.sessions.0.started_at", f"{SESSION}.started_at"),
        ("steps.1.sessions.0.ended_at", f"{SESSION}.ended_at"),
        ("steps.1.sessions.0.pauses.0.paused_at", f"{SESSION}.pauses[0].paused_at"),
        ("steps.1.sessions.0.pauses.0.resumed_at", f"{SESSION}.pauses[0].resumed_at"),
    ],
)
def test_a_missing_field_is_named_by_its_path(path: str, field: str) -> None:
    with pytest.raises(MissingField) as caught:
        workflow_from_json(without(path))

    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: missing, want ")


@pytest.mark.parametrize("found", [[], "text", 5, None, True])
def test_a_document_that_is_no_object_is_refused(found: object) -> None:
    with pytest.raises(InvalidFact, match=r"workflow: found .*, want a JSON object"):
        workflow_from_json(found)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b'{"workflow_id": "x", ', "line 2, column 22: not JSON: Expecting property name"),
        (b"{} {}", "line 2, column 4: not JSON: Extra data"),
        (b"nonsense", "line 2, column 1: not JSON: Expecting value"),
        ('"é'.encode(), "line 2, column 1: not JSON: Unterminated string"),
        (b'{"a": NaN}', "line 2: NaN is not JSON, want a number or null"),
        (b'{"a": [-Infinity]}', "line 2: -Infinity is not JSON, want a number or null"),
        (b'{"a": 1, "b": {"d": 1, "c": 1, "c": 2}}', "line 2, column 'c': the key comes twice in one object"),
        (b"[" * 200_000, "line 2: objects or lists are nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "line 2: a number has too many digits"),
        (b'{"a": "\xff"}', "line 2: byte 0xff at byte 8 is not UTF-8"),
        (b"\xff\xfe{\0}\0", "line 2: byte 0xff at byte 1 is not UTF-8"),
        (b"{" + b" " * MAX_LINE + b"}", f"line 2: longer than {MAX_LINE} bytes"),
    ],
    ids=["cut", "two", "word", "unterminated", "nan", "infinity", "twice", "deep", "digits", "utf8", "utf16", "long"],
)
def test_a_line_that_is_not_json_is_refused_and_reading_goes_on(raw: bytes, message: str) -> None:
    before, wrong, after = read(line(PLAIN), raw + b"\n", line(PLAIN))

    assert refusal_of(wrong).startswith(message)
    assert isinstance(wrong.error, InvalidInput)
    assert before.workflow == after.workflow == workflow_of(before)
    assert after.line == 3


def test_numbers_too_large_for_a_float_are_refused() -> None:
    [active, attribute] = read(
        line(PLAIN).replace(b'"active_seconds": 600', b'"active_seconds": 1e400'),
        line(PLAIN).replace(b'"P1"', b"1e400"),
    )

    assert "steps[0].active_seconds: found inf" in refusal_of(active)
    assert "attributes: found" in refusal_of(attribute)


def test_the_text_of_a_refused_line_gives_its_bytes_back() -> None:
    raw = b'{"user_id": "\xe9\xff", '

    [entry] = read(raw + b"\r\n")

    assert entry.text.encode(errors="surrogateescape") == raw


@given(st.lists(st.binary(max_size=40).map(lambda raw: raw.replace(b"\n", b"")), max_size=8))
def test_any_bytes_are_read_to_the_end(junk: list[bytes]) -> None:
    entries = list(read_jsonl([*(raw + b"\n" for raw in junk), line(PLAIN)]))

    assert workflow_of(entries[-1]).workflow_id == "w1"
    assert entries[-1].line == len(junk) + 1
    assert all((entry.workflow is None) != (entry.error is None) for entry in entries)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PATHS = [*PLAIN, "steps.0", "steps.1.sessions", "steps.1.sessions.0", "steps.1.sessions.0.pauses.0",
         "steps.1.index", "steps.1.active_seconds", "steps.1.sessions.0.pause_seconds",
         "steps.1.sessions.0.pauses.0.resumed_at"]  # fmt: skip


def refused_field(found: dict[str, Any]) -> str | None:
    """Return the field for which a document is refused; None when it is read, and read again as it was written."""
    try:
        workflow = workflow_from_json(found)
    except InvalidFact as refusal:
        return refusal.field
    assert workflow_from_json(workflow_to_json(workflow)) == workflow
    return None


@given(st.sampled_from(PATHS), JSON)
def test_any_value_anywhere_is_read_or_refused_by_its_field(path: str, value: object) -> None:
    field = refused_field(changed(path, value))

    assert field is None or field.partition("[")[0] in (path.split(".")[0], "completed_at")


# Streams


def test_a_long_line_in_a_stream_is_passed_over_without_being_held() -> None:
    stream = io.BytesIO(line(PLAIN) + b"[" + b" " * (3 * MAX_LINE) + b"]\n" + line(PLAIN))

    _, long, after = read_jsonl(stream)

    assert refusal_of(long) == f"line 2: longer than {MAX_LINE} bytes"
    assert len(long.text) == 1000
    assert (after.line, workflow_of(after).workflow_id) == (3, "w1")


def test_a_line_of_just_the_longest_length_is_read() -> None:
    text = line(PLAIN).rstrip()
    padded = text + b" " * (MAX_LINE - len(text) - 1) + b"\n"

    first, second = read_jsonl(io.BytesIO(padded + padded))

    assert workflow_of(first) == workflow_of(second)


@pytest.mark.parametrize(("name", "pack"), [("a.jsonl", gzip.compress), ("a.jsonl.gz", bytes), ("b.gz", gzip.compress)])
def test_gzip_is_known_by_its_content_not_its_name(tmp_path: Path, name: str, pack: Any) -> None:
    file = tmp_path / name
    file.write_bytes(pack(line(PLAIN) * 2))

    with open_input(file) as stream:
        entries = list(read_jsonl(stream))

    assert [workflow_of(entry).workflow_id for entry in entries] == ["w1", "w1"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch, pack: Any) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(pack(line(PLAIN)))))

    with open_input("-") as stream:
        [entry] = read_jsonl(stream)

    assert workflow_of(entry).workflow_id == "w1"


def test_an_empty_file_has_no_entries(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()

    with open_input(tmp_path / "empty") as stream:
        assert list(read_jsonl(stream)) == []


def test_a_file_that_cannot_be_opened_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidRequest, match=r"file: found '.*nowhere.jsonl'.*, want a file that can be read \(No such"
    ):
        open_input(tmp_path / "nowhere.jsonl").__enter__()
    with pytest.raises(InvalidRequest, match="want a file that can be read"):
        open_input(tmp_path).__enter__()


def broken(packed: bytes, where: int) -> bytes:
    return packed[:where] + bytes(byte ^ 0xFF for byte in packed[where:])


@pytest.mark.parametrize(
    "spoil",
    [lambda packed: packed[:-100], lambda packed: broken(packed, len(packed) // 2), lambda packed: packed + b"junk"],
    ids=["cut off", "damaged", "junk after it"],
)
def test_damaged_compressed_data_stops_the_reading_with_its_line(tmp_path: Path, spoil: Any) -> None:
    lines = [line(changed("workflow_id", f"w{number * 7919 % 10_007}")) for number in range(2000)]
    (tmp_path / "a.gz").write_bytes(spoil(gzip.compress(b"".join(lines))))
    read_before: list[Entry] = []

    with open_input(tmp_path / "a.gz") as stream, pytest.raises(InvalidInput) as caught:
        read_before.extend(read_jsonl(stream))

    assert len(read_before) > 100
    assert caught.value.line == len(read_before) + 1
    assert "the compressed data is cut off or damaged" in str(caught.value)


def test_every_line_before_the_damage_is_read(tmp_path: Path) -> None:
    packed = gzip.compress(b"".join(line(changed("workflow_id", f"w{number}")) for number in range(300)))

    def read(given: bytes) -> int:
        (tmp_path / "a.gz").write_bytes(given)
        found: list[Entry] = []
        with open_input(tmp_path / "a.gz") as stream, pytest.raises(InvalidInput):
            found.extend(read_jsonl(stream))
        return len(found)

    whole = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(packed[:-100])

    assert 0 < whole.count(b"\n") < 300
    assert read(packed[:-100]) == whole.count(b"\n")
    assert read(packed + b"x") == 300
    assert read(packed + packed[:-4]) == 600


# Writing


def test_a_line_holds_the_fields_in_the_documented_order_and_shape() -> None:
    workflow = workflow_from_json(PLAIN)

    assert write_line(workflow) == json.dumps(PLAIN, ensure_ascii=False, separators=(",", ":"))


def test_absent_optional_fields_are_left_out_but_for_the_estimate() -> None:
    found = PLAIN | {"estimated_seconds": None, "steps": PLAIN["steps"][:1], "timezone": None, "attributes": None}

    written = workflow_to_json(workflow_from_json(found))

    assert list(written) == [*list(PLAIN)[:8], "steps"]
    assert written["estimated_seconds"] is None
    assert written["steps"] == [{"index": 0, "name": "Analyse", "active_seconds": 600}]


@pytest.mark.parametrize(
    ("given_as", "written"),
    [
        ("2024-02-29T10:00:00+01:00", "2024-02-29T09:00:00Z"),
        ("2024-02-29T09:00:00.500Z", "2024-02-29T09:00:00.5Z"),
        ("2024-02-29T09:00:00.000001Z", "2024-02-29T09:00:00.000001Z"),
        ("2024-02-29T09:00:10.100Z", "2024-02-29T09:00:10.1Z"),
        ("0016-01-11T16:22:20Z", "0016-01-11T16:22:20Z"),
    ],
)
def test_instants_are_written_in_utc_with_the_digits_they_need(given_as: str, written: str) -> None:
    assert workflow_to_json(workflow_from_json(changed("started_at", given_as)))["started_at"] == written


def test_lone_surrogates_in_attributes_are_escaped() -> None:
    workflow = workflow_from_json(PLAIN | {"attributes": {"a": "ü\udc80"}})

    written = write_line(workflow).encode()

    assert rb"\udc80" in written
    assert workflow_of(read(written)[0]) == workflow


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
SECONDS = st.integers(0, 100_000)
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9990, 1, 1), timezones=OFFSETS)
ESTIMATES = st.none() | st.integers(0, 10**11)


@st.composite
def sessions(draw: st.DrawFn) -> TimeSession:
    start = draw(MOMENTS)
    cuts = sorted(draw(st.lists(st.integers(0, 10**11), max_size=6)))
    times = [start + timedelta(microseconds=cut) for cut in cuts]
    pauses = tuple(Pause(*pair) for pair in zip(times[::2], times[1::2], strict=False))
    end = start + timedelta(microseconds=max([*cuts, draw(st.integers(0, 10**11))]))
    worked_out = draw(st.booleans())
    if pauses or worked_out:
        return TimeSession(start, end.astimezone(draw(OFFSETS)), pauses=pauses)
    return TimeSession(start, end, pause_seconds=draw(st.integers(0, (end - start) // timedelta(seconds=1))))


@st.composite
def workflows(draw: st.DrawFn) -> CompletedWorkflow:
    indexes = draw(st.lists(st.integers(0, 32_767), min_size=1, max_size=4, unique=True))
    steps = []
    for index in indexes:
        worked = tuple(draw(st.lists(sessions(), max_size=3)))
        active = sum(session.active_seconds for session in worked) if worked else draw(SECONDS)
        steps.append(StepTime(index, draw(TEXT), active, draw(ESTIMATES), worked))
    start = draw(MOMENTS)
    return CompletedWorkflow(
        workflow_id=draw(TEXT),
        user_id=draw(TEXT),
        ticket_key=draw(TEXT),
        ticket_type=draw(TEXT),
        template=draw(TEXT),
        started_at=start,
        completed_at=start + draw(st.timedeltas(timedelta(0), timedelta(days=900))),
        steps=tuple(steps),
        estimated_seconds=draw(ESTIMATES),
        timezone=draw(st.sampled_from([None, "UTC", "Asia/Kathmandu"])),
        attributes=draw(st.dictionaries(st.text(max_size=5), JSON.filter(is_finite), max_size=3)),
    )


def is_finite(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


@given(st.lists(workflows(), max_size=3))
def test_what_is_written_is_read_back(given_workflows: list[CompletedWorkflow]) -> None:
    lines = [write_line(workflow).encode() + b"\n" for workflow in given_workflows]

    entries = list(read_jsonl(lines))

    assert [workflow_of(entry) for entry in entries] == given_workflows
    assert [fingerprint(workflow_of(entry)) for entry in entries] == [fingerprint(one) for one in given_workflows]
    assert all(entry.notes == () for entry in entries)


# Against the shared data

REFUSED_EDGE_CASES = {
    10: ("estimated_seconds", "found -5"),
    11: ("steps[0].active_seconds", "found -1"),
    15: ("completed_at", "want an instant not before started_at"),
    17: ("steps", "want at least one step"),
    18: ("steps[1].index", "want every index once"),
    21: ("user_id", "missing, want text"),
    22: ("user_id", "found '', want text of 1 to 255"),
    23: ("completed_at", "found '2023-02-29T10:00:00Z', want a date and time"),
    27: ("steps[0].active_seconds", "found '60', want a number of seconds"),
    28: ("steps[0].active_seconds", "found True, want a number of seconds"),
    30: ("steps[0].active_seconds", "found 9223372036854775808, want a number of seconds"),
    34: ("steps[0].sessions[0].pauses[0].paused_at", "missing, want a date and time"),
    35: ("steps[0].active_seconds", "found 600, want the 300 s of its sessions"),
    37: ("column 35", "not JSON: Expecting property name"),
    38: ("line 38", "NaN is not JSON"),
    40: ("workflow", "found [], want a JSON object"),
}


@pytest.fixture(scope="module")
def edge_cases() -> dict[int, Entry]:
    with open_input(DATA / "fixtures" / "edge_cases.jsonl") as stream:
        return {entry.line: entry for entry in read_jsonl(stream)}


@needs_data
@pytest.mark.parametrize("number", range(1, 41))
def test_each_edge_case_has_its_verdict(edge_cases: dict[int, Entry], number: int) -> None:
    if number == 39:
        assert number not in edge_cases, "a blank line is skipped"
        return
    entry = edge_cases[number]
    if number not in REFUSED_EDGE_CASES:
        assert workflow_of(entry)
        return
    field, message = REFUSED_EDGE_CASES[number]
    assert f"{field}: " in refusal_of(entry)
    assert message in refusal_of(entry)


@needs_data
def test_accepted_edge_cases_keep_what_they_say(edge_cases: dict[int, Entry]) -> None:
    accepted = {number: entry.workflow for number, entry in edge_cases.items() if entry.workflow}

    assert accepted[3].completed_at == datetime(2024, 2, 29, 23, 30, tzinfo=UTC)
    assert accepted[5].completed_at == datetime(2024, 3, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    assert accepted[8].estimated_seconds is None
    assert accepted[24].completed_at == datetime(2024, 3, 1, 10, tzinfo=UTC)
    assert accepted[25].started_at.year == 16
    assert accepted[25].oddities
    assert [step.active_seconds for step in accepted[26].steps] == [1, 2]
    assert accepted[29].estimated_seconds == 51_264_990 * 1500
    assert accepted[31].user_id == "u\u0308ser"
    assert accepted[32].ticket_key == "'; DROP TABLE workflows;--"
    assert accepted[1] == accepted[19] != accepted[20]
    notes = {number: entry.notes for number, entry in edge_cases.items() if entry.notes}
    assert notes == {24: ("completed_at: no offset, read in UTC",), 36: ("unknown fields ignored: 'zzz'",)}


@needs_data
@pytest.mark.parametrize(("name", "count"), [("sip.jsonl.gz", 9548), ("cesaw_dev.jsonl.gz", 9117)])
def test_real_data_is_written_as_it_was_read(name: str, count: int) -> None:
    with open_input(DATA / name) as stream:
        entries = list(read_jsonl(stream))

    assert len(entries) == count
    for entry in entries:
        assert write_line(workflow_of(entry)) == entry.text


@pytest.mark.parametrize("module", [workflow_json, jsonl, moments])
def test_the_examples_run(module: Any) -> None:
    assert doctest.testmod(module).failed == 0
