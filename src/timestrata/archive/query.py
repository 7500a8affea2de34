"""The SQL with which DuckDB reads exactly what counts in an archive, with nothing of Timestrata at hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path, PurePosixPath

_HTTPFS = frozenset({"s3", "s3a", "gs", "gcs"})

_EMPTY = "-- nothing is archived yet\nSELECT NULL::VARCHAR AS user_id, NULL::DATE AS day WHERE false"


def reading_query(url: str, files: Sequence[tuple[str, Sequence[tuple[str, date]]]]) -> str:
    """Return the query for the files of an archive, each a path and the (user, day)s in it that do not count.

    One row a completion, with the columns of the files and `month`, in no order. A relative folder becomes absolute.

    >>> print(reading_query("/old", [("completions/month=2024-05/f1.parquet", [("ada", date(2024, 5, 6))])]))
    SELECT * EXCLUDE (filename, digest)
    FROM read_parquet([
        '/old/completions/month=2024-05/f1.parquet'
    ], hive_partitioning = true, filename = true)
    WHERE (parse_filename(filename), user_id, day) NOT IN (
        ('f1.parquet', 'ada', DATE '2024-05-06')
    )
    """
    if not files:
        return _EMPTY
    root = _root(url)
    places = [_literal(_without_pattern(f"{root}/{path}")) for path, _ in files]
    query = (
        "SELECT * EXCLUDE (filename, digest)\n"
        f"FROM read_parquet([\n    {_lines(places)}\n], hive_partitioning = true, filename = true)"
    )
    # By the name of the file, which is its own, because how DuckDB spells the rest of the path is its affair.
    void = [
        f"({_literal(PurePosixPath(path).name)}, {_literal(user)}, DATE '{day.isoformat()}')"
        for path, units in files
        for user, day in units
    ]
    if void:
        query += f"\nWHERE (parse_filename(filename), user_id, day) NOT IN (\n    {_lines(void)}\n)"
    return _needed(root) + query


def _root(url: str) -> str:
    if "://" in url and not url.startswith("file://"):
        return url.rstrip("/")
    return Path(url.removeprefix("file://")).expanduser().absolute().as_posix()


def _needed(root: str) -> str:
    """Return what DuckDB has to be told before it can read from an object store."""
    if root.partition("://")[0] not in _HTTPFS:
        return ""
    return (
        "-- Once: INSTALL httpfs;\n"
        "-- In each session: LOAD httpfs; CREATE SECRET (TYPE s3, PROVIDER credential_chain);\n"
    )


def _lines(items: Sequence[str]) -> str:
    return ",\n    ".join(items)


def _without_pattern(path: str) -> str:
    return "".join(f"[{one}]" if one in "[*?" else one for one in path)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
