"""The commands about a store as a whole: init and version."""

from __future__ import annotations

import platform
import re
import sqlite3
from dataclasses import replace
from datetime import time
from fractions import Fraction
from importlib.metadata import version as version_of
from typing import Annotated, Any

import typer

from timestrata.cli import output, screen
from timestrata.cli.database import open_or_create, open_to_read, shown_database
from timestrata.cli.options import AsJson, Database
from timestrata.cli.wording import name
from timestrata.errors import InvalidRequest, SchemaNotReady
from timestrata.migrations import REVISIONS
from timestrata.settings import Settings

_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_SHARE = re.compile(r"[0-9]{1,5}(?:/[0-9]{1,5}|\.[0-9]{1,4})?")


def init(
    database: Database = None,
    timezone: Annotated[
        str | None,
        typer.Option("--timezone", metavar="ZONE", help="The zone of users and facts that have none (default: UTC)."),
    ] = None,
    day_start: Annotated[
        str | None, typer.Option("--day-start", metavar="HH:MM", help="When a local day begins (default: 00:00).")
    ] = None,
    gap_threshold: Annotated[
        str | None,
        typer.Option(
            "--gap-threshold", metavar="SHARE", help="A gap is more than this share of the estimate (default: 6/5)."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the store or bring its schema up to date; the settings are fixed when it is made."""
    asked: dict[str, Any] = {
        "timezone": timezone,
        "day_start": None if day_start is None else _time_of_day(day_start),
        "gap_threshold": None if gap_threshold is None else _share(gap_threshold),
    }
    asked = {setting: value for setting, value in asked.items() if value is not None}
    wanted = Settings(**asked)
    stored = _stored(database)
    # What is not asked for stays as it is stored, so that only what is asked for can be a mismatch.
    with open_or_create(database, wanted if stored is None else replace(stored, **asked)) as history:
        settings, place = history.settings, shown_database(history)
    if as_json:
        output.write_json({"database": place, "created": stored is None, **_texts(settings)})
        return
    screen.show(f"{name(place)} {'is ready' if stored is None else 'was there already'}.")
    screen.show(screen.pairs(_texts(settings).items()))


def _stored(database: str | None) -> Settings | None:
    try:
        with open_to_read(database) as history:
            return history.settings
    except SchemaNotReady:
        return None


def _texts(settings: Settings) -> dict[str, str]:
    return {
        "timezone": settings.timezone,
        "day_start": settings.day_start.isoformat("minutes"),
        "gap_threshold": str(settings.gap_threshold),
    }


def _time_of_day(text: str) -> time:
    found = _TIME_OF_DAY.fullmatch(text)
    if found is None:
        raise InvalidRequest("--day-start", text, "a time of day as HH:MM")
    return time(int(found[1]), int(found[2]))


def _share(text: str) -> Fraction:
    try:
        if _SHARE.fullmatch(text) is None:  # Fraction("1e999999999") would take all memory
            raise ValueError(text)
        return Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise InvalidRequest("--gap-threshold", text, "a fraction such as 6/5, or 1.2") from error


def _show_version(wanted: bool) -> None:
    if wanted:
        output.write_bytes(f"timestrata {version_of('timestrata')}\n".encode())
        raise typer.Exit


def common(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version, and end.")
    ] = False,
) -> None:
    """What every command has before it."""


def version(as_json: AsJson = False) -> None:
    """Print the versions of Timestrata and of what it runs on."""
    found = {
        "timestrata": version_of("timestrata"),
        "schema": REVISIONS[-1],
        "python": platform.python_version(),
        "sqlalchemy": version_of("sqlalchemy"),
        "sqlite": sqlite3.sqlite_version,
    }
    if as_json:
        output.write_json(found)
    else:
        screen.show(screen.pairs(found.items()))
