"""Which database a command works on, and how it is opened: to read, to change, or to create."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from pathlib import Path

from platformdirs import user_data_path
from sqlalchemy import URL, exc, make_url

from timestrata.errors import InvalidRequest, SchemaNotReady, UnsupportedDatabase
from timestrata.history import History, open_history
from timestrata.settings import Settings

DEFAULT_FILE = "timestrata.db"

Clock = Callable[[], datetime]
"""Tells the present, with an offset."""


def open_to_read(database: str | None, today: date | None = None, clock: Clock | None = None) -> History:
    """Open a store that is there and up to date; nothing in it is changed. `today` replaces the present."""
    url = database_url(database)
    _require_file(url)
    return open_history(url, migrate=False, clock=clock or clock_on(today))


def open_to_change(database: str | None, clock: Clock | None = None) -> History:
    """Open a store that is there, bringing its schema up to date."""
    url = database_url(database)
    _require_file(url)
    return open_history(url, clock=clock or clock_on(None))


def open_or_create(
    database: str | None, settings: Settings | None = None, today: date | None = None, clock: Clock | None = None
) -> History:
    """Open a store, making it when it is not there yet. `today` replaces the present."""
    url = database_url(database)
    file = sqlite_file(url)
    if file is not None and file.parent == data_folder():
        _make_folder(file.parent)
    if file is not None and not file.parent.is_dir():
        raise UnsupportedDatabase(f"cannot make {str(file)!r}: there is no folder {str(file.parent)!r}")
    return open_history(url, settings=settings, clock=clock or clock_on(today))


def database_url(database: str | None) -> str:
    """Return the URL of a database: given as such, as the path of a SQLite file, or the default file."""
    if database is None:
        return file_url(data_folder() / DEFAULT_FILE)
    if not database.strip():
        raise InvalidRequest(
            "--database", database, "sqlite:///FILE, postgresql://USER@HOST/NAME or the path of a file"
        )
    return database if "://" in database else file_url(Path(database))


def file_url(file: Path) -> str:
    """Return the URL of a SQLite file, with every character of its name."""
    return URL.create("sqlite", database=str(file)).render_as_string()


def data_folder() -> Path:
    """Return the folder of the platform for data of this user's programs."""
    return user_data_path("timestrata", appauthor=False)


def sqlite_file(url: str) -> Path | None:
    """Return the file of a SQLite URL, None when it names another database, or one in memory."""
    try:
        parsed = make_url(url)
    except exc.ArgumentError:
        return None  # open_history() says what is wrong with it
    inside = not parsed.database or parsed.database == ":memory:" or parsed.database.startswith("file:")
    if parsed.get_backend_name() != "sqlite" or inside:
        return None
    return Path(str(parsed.database))


def clock_on(today: date | None) -> Clock:
    """Return what tells the present: the real one, or the noon of a day (UTC)."""
    if today is None:
        return lambda: datetime.now(UTC)
    noon = datetime.combine(today, time(12), UTC)
    return lambda: noon


def shown_database(history: History) -> str:
    """Return the name of a store for people: the path of its file, or its URL without the password."""
    url = history.engine.url.set(drivername=history.engine.url.get_backend_name())
    file = sqlite_file(url.render_as_string(hide_password=False))
    return str(file) if file is not None else url.render_as_string()


def _require_file(url: str) -> None:
    file = sqlite_file(url)
    if file is not None and not file.exists():
        raise SchemaNotReady(
            f"there is no database {str(file)!r}: `timestrata import` or `timestrata init` makes one, "
            "`timestrata demo` shows an example"
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UnsupportedDatabase(f"cannot make the folder {str(folder)!r} ({error.strerror})") from error
