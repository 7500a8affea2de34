"""The archive gives back exactly what was put into it, or says what is wrong; and other tools read it as it is."""

from __future__ import annotations

import copy
import doctest
import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars
import pytest
import strategies
from archive_store import FailingFileSystem, failing, filed, full_row, row
from facts_made import NINE, at, session
from hypothesis import given, settings
from hypothesis import strategies as st

from timestrata import CompletedWorkflow, StepTime, TimeSession
from timestrata.archive import (
    Archive,
    Row,
    digest_of,
    fact_of,
    path_of,
    query,
    reading_query,
    row_of,
    store,
    unit_digest,
)
from timestrata.archive.groups import Keys
from timestrata.calendar import day_number
from timestrata.errors import ArchiveDamaged, ArchiveMismatch, ArchiveUnavailable, InvalidRequest

DAY = day_number(NINE.date())
PATH = path_of(DAY, "f1")


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """A claimed archive in a folder that shells and SQL have their trouble with."""
    archive = Archive(str(tmp_path / "o'neil [1] *"))
    archive.claim("store-1")
    return archive


def write(archive: Archive, rows: Sequence[Row], path: str = PATH) -> Path:
    """Write a file and return where it is."""
    with archive.writing(path) as writer:
        writer.add(rows)
    return Path(archive.url) / path


def many(count: int, **fields: Any) -> list[Row]:
    """Return rows that differ in number alone."""
    one = row(**fields)
    return [{**one, "number": number} for number in range(count)]


# -------------------------------------------------------------------------------------------------------- round trips


@settings(deadline=None)  # the first one imports pyarrow
@given(st.lists(strategies.workflows(), max_size=5), st.sampled_from(strategies.ZONES), st.integers(0, 10**12))
def test_what_is_written_comes_back(facts: list[CompletedWorkflow], zone: str, first: int) -> None:
    put = [filed(fact, zone) for fact in facts]
    rows = [row_of(each, number) for number, each in enumerate(put, first)]
    archive = Archive("memory://round-trip")

    write(archive, rows)
    found = list(archive.read(PATH))

    assert found == rows
    assert [digest_of(one) for one in found] == [digest_of(one) for one in rows]
    assert [fact_of(one) for one in found] == [
        (number, each._replace(workflow=replace(each.workflow, timezone=each.timezone)))
        for number, each in enumerate(put, first)
    ]


def test_a_row_has_the_figures_that_follow_from_the_sessions() -> None:
    there, away = session("2024-05-06T06:00", 100), session("2024-05-06T06:10", 50)
    back = TimeSession(at("2024-05-06T06:20"), at("2024-05-06T06:30"), pause_seconds=60)
    one = row(steps=(StepTime(0, "Test", sessions=(there, back)), StepTime(1, "Fix", sessions=(away,))))

    assert [step["visits"] for step in one["steps"]] == [2, 1]
    assert [step["paused_seconds"] for step in one["steps"]] == [60, 0]
    assert (one["active_seconds"], one["paused_seconds"]) == (100 + 540 + 50, 60)
    assert [part["seconds"] for part in one["worked"]] == [100, 540, 50]


def test_parts_come_back_as_they_were_filed_and_are_not_worked_out_again() -> None:
    one = full_row()
    one["worked"] = [{"session": 0, "day": -700_000, "seconds": 1}]

    fact = fact_of(one)

    assert fact.filed.parts == ((0, -700_000, 1),)
    assert row_of(fact.filed, fact.number) == one


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value in a row."""
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not isinstance(value, dict | list):
        yield path
    for name, one in items:
        yield from places(one, (*path, name))


def changed(one: Row, path: tuple[Any, ...]) -> Row:
    """Return a row with another value at a path."""
    copied: Any = copy.deepcopy(one)
    inner = copied
    for name in path[:-1]:
        inner = inner[name]
    before = inner[path[-1]]
    inner[path[-1]] = 0 if before is None else f"{before}x" if isinstance(before, str) else before + 1
    result: Row = copied
    return result


PLACES = {".".join(map(str, path)): path for path in places(full_row())}


@pytest.mark.parametrize("name", PLACES)
def test_any_one_change_makes_another_digest_and_another_file(name: str) -> None:
    one = full_row()
    other = changed(one, PLACES[name])
    archive = Archive("memory://changes")

    write(archive, [other])

    assert digest_of(other) != digest_of(one)
    assert list(archive.read(PATH)) == [other]


def test_leaving_out_or_moving_a_part_of_a_row_makes_another_digest() -> None:
    one = full_row()
    others = [copy.deepcopy(one) for _ in range(5)]
    others[0]["steps"].pop()
    others[1]["steps"].reverse()
    others[2]["worked"].pop()
    others[3]["steps"][0]["sessions"][0]["pauses"].pop()
    others[4]["steps"][2]["sessions"].reverse()

    assert len({digest_of(each) for each in (one, *others)}) == 6


def test_a_digest_does_not_ask_in_which_order_the_values_are_named() -> None:
    one = full_row()

    assert digest_of(json.loads(json.dumps(one, sort_keys=True))) == digest_of(one)


def test_digests_are_what_they_were_in_every_version() -> None:
    assert digest_of(full_row()).hex() == "3e5537d2a549c7bbbffab38a6301a29e"
    assert digest_of(row()).hex() == "75daa0bcf8bf3dafab1add937365a95f"
    assert unit_digest([digest_of(full_row()), digest_of(row())]).hex() == "952827b27f2dc6eac4a426d518b18f96"


def test_the_digest_of_a_unit_knows_the_order_of_its_rows() -> None:
    one, two = digest_of(row(1)), digest_of(row(2))

    assert len({unit_digest([]), unit_digest([one]), unit_digest([one, two]), unit_digest([two, one])}) == 4


def test_a_file_says_how_long_it_is_and_what_its_bytes_are(archive: Archive) -> None:
    with archive.writing(PATH) as writer:
        writer.add([row(1), row(2)])
        writer.add([row(3)])
        with pytest.raises(AssertionError):
            assert writer.written
    found = archive.checksum(PATH)

    assert (writer.written.path, writer.written.completions) == (PATH, 3)
    assert (found.bytes, found.digest) == (writer.written.bytes, writer.written.digest)
    assert found.bytes == (Path(archive.url) / PATH).stat().st_size


def test_a_file_without_rows_is_a_file(archive: Archive) -> None:
    write(archive, [])

    assert list(archive.read(PATH)) == []
    assert archive.exists(PATH)


# ----------------------------------------------------------------------------------------------- some users, some days


def test_some_users_and_days_are_read_across_row_groups(archive: Archive) -> None:
    days = range(DAY, DAY + 5)
    rows = [
        {**one, "user_id": user, "day": day} for user in ("bob", "ada", "用户") for day in days for one in many(700)
    ]
    write(archive, rows)

    assert list(archive.read(PATH, users={"ada"})) == [one for one in rows if one["user_id"] == "ada"]
    assert list(archive.read(PATH, users=["ada", "用户"], days=(DAY + 1, DAY + 2))) == [
        one for one in rows if one["user_id"] != "bob" and one["day"] in (DAY + 1, DAY + 2)
    ]
    assert list(archive.read(PATH, days=(DAY + 4, DAY + 9))) == [one for one in rows if one["day"] == DAY + 4]
    assert list(archive.read(PATH, users=["a", "carl"])) == []
    assert list(archive.read(PATH, users=[])) == []


@pytest.mark.parametrize(
    ("users", "days", "held"),
    [
        (None, None, True),
        (["a"], None, False),
        (["b"], None, True),
        (["cc"], None, True),
        (["e"], None, False),
        (["a", "e"], None, False),
        (["a", "d"], None, True),
        ([], None, False),
        (None, (1, 4), False),
        (None, (1, 5), True),
        (None, (9, 20), True),
        (None, (10, 20), False),
        (None, (6, 7), True),
        (["a"], (6, 7), False),
    ],
    ids=str,
)
def test_a_row_group_tells_what_it_cannot_hold(
    users: list[str] | None, days: tuple[int, int] | None, held: bool
) -> None:
    group = Keys(["d", "b", "c"], [5, 9, 7], [b"1", b"2", b"3"]).group()

    assert group.may_hold(users, days) is held


def test_row_groups_without_what_is_wanted_are_not_read(archive: Archive) -> None:
    rows = [{**one, "user_id": user} for user in ("ada", "bob") for one in many(4096)]
    file = write(archive, rows)
    data = bytearray(file.read_bytes())
    data[4:100] = bytes(96)  # in what comes first: the names of the users of the first row group
    file.write_bytes(data)

    assert list(archive.read(PATH, users=["bob"])) == rows[4096:]
    with pytest.raises(ArchiveDamaged):
        list(archive.read(PATH, users=["ada"]))


def test_a_row_group_ends_early_when_its_attributes_are_long(archive: Archive) -> None:
    rows = [{**one, "attributes": json.dumps("x" * 65_000)} for one in many(500)]
    file = write(archive, rows)

    [(groups,)] = fetched(f"SELECT num_row_groups FROM parquet_file_metadata({literal(file)})")
    assert groups == 3
    assert list(archive.read(PATH)) == rows


# --------------------------------------------------------------------------------------------------------- other tools


def literal(file: object) -> str:
    """Return a path as SQL has it; DuckDB takes brackets and stars in it for a pattern."""
    escaped = "".join(f"[{one}]" if one in "[*?" else one for one in str(file))
    return "'" + escaped.replace("'", "''") + "'"


def fetched(sql: str) -> list[tuple[Any, ...]]:
    """Return what DuckDB answers."""
    with duckdb.connect() as connection:
        rows: list[tuple[Any, ...]] = connection.execute(sql).fetchall()
    return rows


def figures(rows: Sequence[Row]) -> dict[str, int]:
    """Return the totals of rows, for comparison with those of other tools."""
    steps = [step for one in rows for step in one["steps"]]
    return {
        "completions": len(rows),
        "active_seconds": sum(one["active_seconds"] for one in rows),
        "worked_seconds": sum(part["seconds"] for one in rows for part in one["worked"]),
        "step_seconds": sum(step["active_seconds"] for step in steps),
        "estimated_seconds": sum(step["estimated_seconds"] or 0 for step in steps),
        "session_seconds": sum(each["active_seconds"] for step in steps for each in step["sessions"]),
        "pauses": sum(len(each["pauses"]) for step in steps for each in step["sessions"]),
        "started_at": sum(one["started_at"] for one in rows),
        "days": sum(one["day"] for one in rows),
    }


def sample() -> list[Row]:
    """Return rows of several users, days and months."""
    step = StepTime(0, "Test", sessions=(session("2024-05-06T08:00", 100), session("2024-05-06T08:30", 50)))
    return [
        full_row(),
        *(row(number, user_id="ada", active_seconds=number * 60) for number in range(1, 50)),
        *(row(number, user_id="o'neil; --", steps=(step,)) for number in range(50, 60)),
    ]


def test_duckdb_reads_a_file_as_it_is_with_typed_columns(archive: Archive) -> None:
    rows = sample()
    file = literal(write(archive, rows))
    expected = figures(rows)

    types = {name: kind for name, kind, *_ in fetched(f"DESCRIBE FROM read_parquet({file}, hive_partitioning = true)")}
    total = fetched(
        "SELECT count(*), sum(active_seconds), sum(list_sum([part.seconds FOR part IN worked])),"
        f" sum(epoch_us(started_at)), sum(day - DATE '1970-01-01') FROM read_parquet({file})"
    )
    steps = fetched(
        "SELECT sum(step.active_seconds), sum(step.estimated_seconds)"
        f" FROM (SELECT unnest(steps) AS step FROM read_parquet({file}))"
    )
    sessions = fetched(
        "WITH step AS (SELECT unnest(steps) AS step FROM read_parquet("
        f"{file})), session AS (SELECT unnest(step.sessions) AS session FROM step)"
        " SELECT sum(session.active_seconds), sum(len(session.pauses)) FROM session"
    )
    months = fetched(f"SELECT DISTINCT month FROM read_parquet({file}, hive_partitioning = true)")

    assert (types["user_id"], types["day"], types["month"]) == ("VARCHAR", "DATE", "VARCHAR")
    assert (types["started_at"], types["active_seconds"]) == ("TIMESTAMP WITH TIME ZONE", "BIGINT")
    assert types["worked"] == 'STRUCT("session" INTEGER, "day" DATE, "seconds" BIGINT)[]'
    assert [*total, *steps, *sessions] == [
        tuple(expected[name] for name in names)
        for names in (
            ("completions", "active_seconds", "worked_seconds", "started_at", "days"),
            ("step_seconds", "estimated_seconds"),
            ("session_seconds", "pauses"),
        )
    ]
    assert months == [("2024-05",)]


def test_polars_reads_a_file_as_it_is_with_typed_columns(archive: Archive) -> None:
    rows = sample()
    expected = figures(rows)

    table = polars.read_parquet(write(archive, rows), glob=False, hive_partitioning=True)

    assert table.schema["day"] == polars.Date
    assert table.schema["started_at"] == polars.Datetime("us", "UTC")
    assert table.schema["active_seconds"] == polars.Int64
    steps = table.select("steps").explode("steps").unnest("steps")
    sessions = steps.select("sessions").explode("sessions").drop_nulls().unnest("sessions")
    worked = table.select("worked").explode("worked").drop_nulls().unnest("worked")
    assert expected == {
        "completions": table.height,
        "active_seconds": table["active_seconds"].sum(),
        "worked_seconds": worked["seconds"].sum(),
        "step_seconds": steps["active_seconds"].sum(),
        "estimated_seconds": steps["estimated_seconds"].sum(),
        "session_seconds": sessions["active_seconds"].sum(),
        "pauses": sessions["pauses"].list.len().sum(),
        "started_at": table["started_at"].dt.epoch("us").sum(),
        "days": table["day"].cast(polars.Int32).sum(),
    }
    assert set(table["month"]) == {"2024-05"}


def test_the_query_reads_what_counts_of_several_files(archive: Archive) -> None:
    first = [row(1), row(2, user_id="o'neil; --"), {**row(3), "day": DAY + 1}]
    other = path_of(DAY + 30, "f2")
    write(archive, first)
    write(archive, [row(4), row(5, user_id="bob")], other)
    write(archive, [row(6)], path_of(DAY, "f3"))  # not in the manifest
    day = date(2024, 5, 6)
    files = [(PATH, [("o'neil; --", day), ("ada", date(2024, 5, 7))]), (other, [("ada", day)])]

    sql = reading_query(archive.url, files)

    assert "o''neil [[]1] [*]/" in sql  # versions of DuckDB differ in what they take for a pattern
    assert fetched(f"SELECT workflow_id, month FROM ({sql}) ORDER BY number") == [("w1", "2024-05"), ("w5", "2024-06")]
    everything = reading_query(archive.url, [(path, []) for path, _ in files])
    assert fetched(f"SELECT count(*) FROM ({everything})") == [(5,)]
    columns = [name for name, *_ in fetched(f"DESCRIBE {everything}")]
    assert columns == [*(name for name in row()), "month"]


def test_the_query_of_an_empty_archive_has_no_rows(archive: Archive) -> None:
    assert fetched(reading_query(archive.url, [])) == []


def test_the_query_finds_a_relative_folder_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(Archive("old"), [row()])
    by_url = reading_query(f"file://{tmp_path}/old/", [(PATH, [])])
    sql = reading_query("old", [(PATH, [])])
    monkeypatch.chdir("/")

    assert sql == by_url
    assert fetched(f"SELECT count(*) FROM ({sql})") == [(1,)]


def test_the_query_for_a_bucket_says_what_duckdb_needs() -> None:
    sql = reading_query("s3://bucket/old/", [(PATH, [])])

    assert "INSTALL httpfs" in sql
    assert f"'s3://bucket/old/{PATH}'" in sql
    assert "httpfs" not in reading_query("/old", [(PATH, [])])


DOCS = (Path(__file__).parents[1] / "docs" / "archive.md").read_text(encoding="utf-8")


def examples(start: str) -> list[str]:
    """Return the indented pieces of the page that start with a word."""
    lines = [line.removeprefix("    ") if line.startswith("    ") or not line else "\0" for line in DOCS.splitlines()]
    blocks = "\n".join(lines).replace("\n\nSELECT", "\n\0\nSELECT").split("\0")
    return [block.strip() for block in blocks if block.strip().startswith(start)]


def test_the_page_names_every_column(archive: Archive) -> None:
    file = literal(write(archive, [row()]))
    schema = fetched(f"SELECT name FROM parquet_schema({file}) WHERE name NOT IN ('schema', 'list', 'element')")

    assert [name for (name,) in schema if f"`{name}`" not in DOCS] == []


@pytest.mark.parametrize("number", range(3))
def test_the_queries_of_the_page_give_the_totals(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = sample()
    write(Archive(str(tmp_path / "archive")), rows)
    monkeypatch.chdir(tmp_path)
    queries = examples("SELECT")
    assert len(queries) == 3

    found = fetched(queries[number])

    expected = figures(rows)
    if number == 0:
        assert found == [("2024-05", "Bug", expected["completions"], expected["active_seconds"])]
    elif number == 1:
        assert round(sum(times * mean for *_, times, mean in found)) == expected["step_seconds"]
    else:
        assert sum(seconds for *_, seconds in found) == expected["worked_seconds"]


def test_the_polars_of_the_page_gives_the_totals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = sample()
    write(Archive(str(tmp_path / "archive")), rows)
    monkeypatch.chdir(tmp_path)
    [example] = examples("import polars")
    names: dict[str, Any] = {}

    exec(example, names)

    expected = figures(rows)
    assert names["by_month"].rows() == [("2024-05", "Bug", expected["completions"], expected["active_seconds"])]


def test_the_examples() -> None:
    assert doctest.testmod(query).failed == doctest.testmod(store).failed == 0


# ------------------------------------------------------------------------------------------------------ damaged files


def test_no_damaged_byte_gives_wrong_rows(archive: Archive) -> None:
    rows = [full_row(), row(2), row(3, user_id="bob")]
    file = write(archive, rows)
    data = file.read_bytes()
    wanted: list[tuple[dict[str, Any], list[Row]]] = [
        ({}, rows),
        ({"users": ["bob"], "days": (DAY, DAY)}, rows[2:]),
        ({"users": ["zoe"]}, []),
    ]

    damaged = 0
    for place in range(0, len(data), 13):
        file.write_bytes(data[:place] + bytes([data[place] ^ (1 << place % 8)]) + data[place + 1 :])
        for some, expected in wanted:
            try:
                found = list(archive.read(PATH, **some))
            except ArchiveDamaged:
                damaged += 1
            else:
                assert found == expected, place

    assert damaged > len(data) / 13


def test_what_a_file_says_of_its_row_groups_is_not_believed_when_it_was_changed(archive: Archive) -> None:
    file = write(archive, [row()])
    data = file.read_bytes()
    assert data.count(b'"ada", "ada"') == 1
    file.write_bytes(data.replace(b'"ada", "ada"', b'"bob", "bob"'))

    with pytest.raises(ArchiveDamaged, match="list of row groups"):
        list(archive.read(PATH, users=["ada"]))


def test_other_readers_can_tell_that_a_page_is_damaged(archive: Archive) -> None:
    import pyarrow.parquet as pq

    file = write(archive, [row(number) for number in range(100)])
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 1
    file.write_bytes(data)

    with pytest.raises(OSError, match="CRC"):
        pq.ParquetFile(file, page_checksum_verification=True).read()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.6, 0.9, 0.999])
def test_a_file_that_breaks_off_is_damaged(archive: Archive, share: float) -> None:
    file = write(archive, sample())
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])

    with pytest.raises(ArchiveDamaged) as raised:
        list(archive.read(PATH))

    assert raised.value.path == PATH


def test_a_file_that_is_no_parquet_is_damaged(archive: Archive) -> None:
    write(archive, []).write_bytes(b"user_id,day\nada,2024-05-06\n" * 10)

    with pytest.raises(ArchiveDamaged, match="Parquet"):
        list(archive.read(PATH))


def test_a_parquet_file_of_another_kind_is_damaged(archive: Archive) -> None:
    file = write(archive, [row()])
    table = polars.read_parquet(file, glob=False, hive_partitioning=False)
    table.write_parquet(file)

    with pytest.raises(ArchiveDamaged, match="not a file of an archive"):
        list(archive.read(PATH))


def test_a_row_that_was_changed_is_named(archive: Archive) -> None:
    # Rewritten by another tool, with its metadata: checksums of pages cannot tell.
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = write(archive, [row(1), row(2)])
    table = pq.ParquetFile(file).read()
    metadata = pq.read_metadata(file).metadata
    place = table.schema.get_field_index("active_seconds")
    table = table.set_column(place, table.schema.field(place), pa.array([600, 601]))
    pq.write_table(table.replace_schema_metadata({b"timestrata": metadata[b"timestrata"]}), file)

    with pytest.raises(ArchiveDamaged, match=r"workflow 'w2' of user 'ada' on 2024-05-06 is not as it was written"):
        list(archive.read(PATH))


@pytest.mark.parametrize("column", ["user_id", "day", "digest"])
def test_a_row_whose_key_was_changed_is_missed_by_nobody(archive: Archive, column: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = write(archive, [row(1), row(2), row(3, user_id="bob")])
    table = pq.ParquetFile(file).read()
    place = table.schema.get_field_index(column)
    values = table.column(place).to_pylist()
    values[0] = {"user_id": "bob", "day": date(2024, 5, 7), "digest": bytes(16)}[column]
    field = table.schema.field(place)
    table = table.set_column(place, field, pa.array(values, field.type))
    metadata = pq.read_metadata(file).metadata
    pq.write_table(table.replace_schema_metadata({b"timestrata": metadata[b"timestrata"]}), file)

    for user in ("ada", "bob"):
        with pytest.raises(ArchiveDamaged):
            list(archive.read(PATH, users=[user], days=(DAY, DAY)))


# ------------------------------------------------------------------------------------------- missing, full, unreachable


def test_a_file_that_is_gone_is_unavailable(archive: Archive) -> None:
    write(archive, [row()]).unlink()

    assert not archive.exists(PATH)
    for ask in (lambda: list(archive.read(PATH)), lambda: archive.checksum(PATH)):
        with pytest.raises(ArchiveUnavailable, match="No such file") as raised:
            ask()
        assert PATH in str(raised.value)


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("not a folder")
    archive = Archive(str(tmp_path / "archive"))

    for ask in (lambda: archive.claim("store-1"), lambda: write(archive, [row()]), lambda: archive.exists(PATH)):
        with pytest.raises(ArchiveUnavailable, match=str(tmp_path)):
            ask()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("count", [1, 9000])
def test_a_full_disk_is_told_and_leaves_nothing(archive: Archive, count: int) -> None:
    folder = (Path(archive.url) / PATH).parent
    folder.mkdir(parents=True)
    (folder / ".f1.parquet.tmp").symlink_to("/dev/full")

    with pytest.raises(ArchiveUnavailable, match=os.strerror(errno.ENOSPC)):
        write(archive, many(count))

    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("after", [0, 3000])
def test_a_full_file_system_leaves_nothing(after: int) -> None:
    archive = Archive("failing://full")
    others = set(FailingFileSystem.store)  # of tests before this one, in whatever order they run

    with failing(errno.ENOSPC, after), pytest.raises(ArchiveUnavailable, match=os.strerror(errno.ENOSPC)):
        write(archive, sample())

    assert list(archive.paths()) == []
    assert set(FailingFileSystem.store) == others


@pytest.mark.parametrize("after", [0, 200, 8000])
def test_a_connection_lost_while_reading_is_no_damage(after: int) -> None:
    archive = Archive("failing://lost")
    write(archive, many(9000))

    with failing(errno.ECONNRESET, after), pytest.raises(ArchiveUnavailable, match=os.strerror(errno.ECONNRESET)):
        list(archive.read(PATH))

    assert len(list(archive.read(PATH))) == 9000
    archive.remove(PATH)


class Trouble(Exception):
    """Of the block that writes."""


@pytest.mark.parametrize("url", ["folder", "memory://half"])
@pytest.mark.parametrize("count", [0, 1, 9000])
def test_what_goes_wrong_half_way_leaves_nothing(url: str, count: int, tmp_path: Path) -> None:
    archive = Archive(str(tmp_path / url) if "://" not in url else url)

    def write_half() -> None:
        with archive.writing(PATH) as writer:
            writer.add(many(count))
            raise Trouble

    with pytest.raises(Trouble):
        write_half()

    assert list(archive.paths()) == []
    assert not archive.exists(PATH)


def test_a_row_that_does_not_fit_leaves_nothing(archive: Archive) -> None:
    with pytest.raises(ValueError, match="many"):
        write(archive, [row(1), {**row(2), "active_seconds": "many"}])

    assert list(archive.paths()) == []


def test_an_unfinished_file_is_seen_by_no_reader_and_removed_by_its_path(archive: Archive) -> None:
    write(archive, [row(1)])
    everything = f"{archive.url}/completions/*/*.parquet"
    second = path_of(DAY, "f2")
    with archive.writing(second) as writer:
        writer.add(many(9000))

        assert list(archive.paths()) == [f"{Path(PATH).parent}/.f2.parquet.tmp", PATH]
        assert not archive.exists(second)
        assert [one.name for one in Path(archive.url).rglob("*.parquet")] == ["f1.parquet"]
        pattern = everything.replace("[1] *", "[[]1] [*]").replace("'", "''")
        assert fetched(f"SELECT count(*) FROM '{pattern}'") == [(1,)]

        # As a crash leaves it:
        left = (Path(archive.url) / PATH).parent / ".f3.parquet.tmp"
        left.write_bytes(b"PAR1")
        archive.remove(path_of(DAY, "f3"))
        assert not left.exists()

    assert list(archive.paths()) == [PATH, second]


@pytest.mark.parametrize("url", ["folder", "memory://removed"])
def test_removing_what_is_not_there_is_no_trouble(url: str, tmp_path: Path) -> None:
    archive = Archive(str(tmp_path / url) if "://" not in url else url)
    archive.remove(PATH)
    write(archive, [row()])
    archive.remove(PATH)
    archive.remove(PATH)

    assert list(archive.paths()) == []


# ------------------------------------------------------------------------------------------------------ whose archive


@pytest.mark.parametrize("url", ["{folder}/a/b", "file://{folder}/c", "memory://claimed"])
def test_an_archive_belongs_to_the_store_that_claims_it(url: str, tmp_path: Path) -> None:
    chosen = url.format(folder=tmp_path)
    Archive(chosen).claim("store-1")

    Archive(chosen).claim("store-1")
    with pytest.raises(ArchiveMismatch) as raised:
        Archive(chosen).claim("store-2")

    assert (raised.value.found, raised.value.wanted) == ("store-1", "store-2")


def test_a_claim_is_a_file_that_people_can_read(archive: Archive) -> None:
    root = Path(archive.url)

    assert json.loads((root / "archive.json").read_text()) == {"format": 1, "store": "store-1"}
    assert [one.name for one in root.iterdir()] == ["archive.json"]


@pytest.mark.parametrize("text", ["", "{}", "[1]", "null", '{"format": 1}', "\udcff"])
def test_a_claim_that_says_nothing_is_damaged(archive: Archive, text: str) -> None:
    (Path(archive.url) / "archive.json").write_bytes(text.encode(errors="surrogateescape"))

    with pytest.raises(ArchiveDamaged):
        archive.claim("store-1")


def test_an_archive_of_a_newer_format_is_left_alone(archive: Archive) -> None:
    (Path(archive.url) / "archive.json").write_text('{"format": 2, "store": "store-1"}')

    with pytest.raises(ArchiveUnavailable, match="format 2"):
        archive.claim("store-1")


def test_nothing_is_touched_before_it_is_used(tmp_path: Path) -> None:
    Archive(str(tmp_path / "archive"))
    Archive("s3://no-such-bucket")

    assert list(tmp_path.iterdir()) == []


def test_a_url_that_nobody_knows_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="Protocol not known") as raised:
        Archive("nonsense://bucket").claim("store-1")

    assert raised.value.found == "nonsense://bucket"


# ------------------------------------------------------------------------------------------------------- the packages


def test_the_packages_of_the_archive_are_not_needed_before_it_is_used() -> None:
    program = "import sys, timestrata; print({'pyarrow', 'fsspec'} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("package", ["pyarrow", "fsspec"])
def test_a_package_that_is_not_installed_is_named(package: str) -> None:
    program = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from timestrata.archive import Archive\n"
        "archive = Archive('memory://missing')\n"
        "def write():\n"
        "    with archive.writing('completions/f1.parquet'): pass\n"
        "for ask in (write, lambda: list(archive.read('completions/f1.parquet'))):\n"
        "    try: ask()\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    lines = done.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert line.startswith(f"InvalidRequest archive: found 'no package {package}")
        assert "pip install 'timestrata[archive]'" in line
