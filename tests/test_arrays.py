"""Columns of rows as arrays: what PostgreSQL reads is what was written, in whichever form it is sent."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
import pytest
from conftest import Server
from facts_made import made
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine

from timestrata import open_history
from timestrata.dialects import arrays
from timestrata.dialects.postgresql import _run


@pytest.fixture(scope="module")
def connection(postgresql: Server) -> Iterator[psycopg.Connection]:
    plain = postgresql.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as raw:
        yield raw


def columns(elements: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Columns with and without NULLs, as short as they go as text and as long as they go in the binary form."""
    sizes = st.sampled_from([0, 1, 2, arrays._LONG - 1, arrays._LONG, 40, arrays._KEPT, arrays._KEPT + 1])
    with_nulls = sizes.flatmap(lambda size: st.lists(st.none() | elements, min_size=size, max_size=size))
    return with_nulls | sizes.flatmap(lambda size: st.lists(elements, min_size=size, max_size=size))


def whole(bits: int) -> st.SearchStrategy[list[Any]]:
    return columns(st.integers(-(1 << bits - 1), (1 << bits - 1) - 1))


@pytest.mark.parametrize(
    ("kind", "write", "drawn"),
    [
        ("smallint", arrays.smallints, whole(16)),
        ("integer", arrays.integers, whole(32)),
        ("bigint", arrays.bigints, whole(64)),
        ("bytea", arrays.byteas, columns(st.binary(max_size=20))),
        ("text", arrays.texts, columns(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9))),
    ],
)
def test_an_array_is_read_as_it_was_written(
    connection: psycopg.Connection,
    kind: str,
    write: Callable[[Sequence[Any]], Any],
    drawn: st.SearchStrategy[list[Any]],
) -> None:
    @given(drawn)
    def check(values: list[Any]) -> None:
        sql = f"SELECT $1::{kind}[], (SELECT array_agg(one ORDER BY place) FROM unnest($1::{kind}[]) "
        read, unnested = _run(
            connection, sql + "WITH ORDINALITY AS u (one, place))", (write(tuple(values)),)
        ).fetchone()
        assert read == values
        assert (unnested or []) == values

    check()


@pytest.mark.parametrize("size", [arrays._LONG, 40])
def test_a_number_that_the_column_cannot_hold_is_not_sent(size: int) -> None:
    for write, bits in ((arrays.smallints, 16), (arrays.integers, 32), (arrays.bigints, 64)):
        for beyond in (1 << bits - 1, -(1 << bits - 1) - 1):
            with pytest.raises(struct.error):
                write([0] * (size - 1) + [beyond])
            with pytest.raises(struct.error):
                write([None] + [0] * (size - 2) + [beyond])


def test_a_batch_is_recorded_in_the_transaction_of_a_connection_that_was_made_elsewhere(postgresql: Server) -> None:
    """Such a connection has not met our arrays before, and needs not be set up for them."""
    url = postgresql.store()
    engine = create_engine(url)
    with open_history(url.render_as_string(hide_password=False)) as history:
        with engine.begin() as own:
            result = history.record([made(f"w{number}", number) for number in range(100)], connection=own)
        assert result.count("recorded") == 100
        assert history.summary("all_time").active_seconds == sum(range(100))
        assert not history.audit.verify(deep=True).problems
    engine.dispose()
    postgresql.drop(url)
