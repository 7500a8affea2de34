"""JSON documents as the results they were made of: the inverse of document(), by the types of the fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import date, datetime
from functools import lru_cache, partial
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from timestrata.calendar import DateRange
from timestrata.errors import InvalidFact, MissingField
from timestrata.facts import CompletedWorkflow
from timestrata.formats.moments import WANTED_MOMENT, parse_iso
from timestrata.formats.workflow_json import workflow_from_json

T = TypeVar("T")
Reader = Callable[[Any], Any]
"""Takes a JSON value, returns a part of a result, or raises InvalidFact: its caller puts the place before the field."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HERE = "answer"


def result(kind: type[T], document: object) -> T:
    """Return the result of type `kind` that a JSON value is the document of: result(type(x), document(x)) == x.

    Every field must be there and of its type; a member that no field has is passed over, because a newer service may
    tell more. Raises InvalidFact whose field is the path to what is wrong, such as `answer.workflows[3].completed_at`.

    >>> result(DateRange, {"from": "2024-02-01", "to": None})
    DateRange(first=datetime.date(2024, 2, 1), last=None)
    """
    read: Reader = _reader(kind)  # type: ignore[arg-type]
    found: T = read(document)
    return found


@lru_cache(maxsize=256)
def _reader(kind: Any) -> Reader:
    """Return what reads values of a type. Raises TypeError for a type that no result has."""
    if kind in _READERS:
        return _READERS[kind]
    match get_origin(kind):
        case origin if origin is Literal:
            return partial(_one_of, get_args(kind))
        case origin if origin in (Union, UnionType):
            return _optional(kind)
        case origin if origin is tuple:
            return partial(_several, _tuple_items(kind))
        case origin if isinstance(origin, type) and issubclass(origin, Mapping):
            return partial(_by_name, get_args(kind)[1])
    if isinstance(kind, type) and is_dataclass(kind):
        return partial(_dataclass, kind)
    if isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return partial(_named_tuple, kind)
    raise TypeError(f"found {kind!r}, want a type of a result")


def _optional(kind: Any) -> Reader:
    kinds = [each for each in get_args(kind) if each is not NoneType]
    if len(kinds) != 1 or len(get_args(kind)) != 2:
        raise TypeError(f"found {kind!r}, want a union of a type and None")
    return partial(_or_none, kinds[0])


def _tuple_items(kind: Any) -> Any:
    items = get_args(kind)
    if len(items) != 2 or items[1] is not Ellipsis:
        raise TypeError(f"found {kind!r}, want a tuple of any length")
    return items[0]


def _or_none(kind: Any, value: Any) -> Any:
    return None if value is None else _reader(kind)(value)


def _one_of(choices: tuple[object, ...], value: Any) -> Any:
    # Not `in` alone: True is 1, and a list cannot be looked up in every container.
    if not any(value == choice and type(value) is type(choice) for choice in choices):
        raise InvalidFact(_HERE, value, f"one of {', '.join(map(str, choices))}")
    return value


def _several(kind: Any, value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise InvalidFact(_HERE, value, "a list")
    return tuple(_at(f"[{index}]", kind, item) for index, item in enumerate(value))


def _by_name(kind: Any, value: Any) -> dict[str, Any]:
    return {name: _at(f"[{name!r}]", kind, item) for name, item in _object(value).items()}


def _dataclass(kind: Any, value: Any) -> Any:
    found = _object(value)
    return kind(**{field.name: _at(f".{field.name}", hint, found[field.name]) for field, hint in _present(kind, found)})


def _present(kind: Any, found: Mapping[str, Any]) -> list[tuple[Field[Any], Any]]:
    hints = _hints(kind)
    present = [(field, hints[field.name]) for field in fields(kind) if field.name in found]
    for field in fields(kind):
        if field.name not in found and field.default is MISSING and field.default_factory is MISSING:
            raise MissingField(f"{_HERE}.{field.name}", f"a {kind.__name__}, which has it")
    return present


def _named_tuple(kind: Any, value: Any) -> Any:
    hints = _hints(kind)
    if not isinstance(value, list) or len(value) != len(hints):
        raise InvalidFact(_HERE, value, f"a list of {len(hints)} values")
    return kind(*(_at(f".{name}", hint, item) for (name, hint), item in zip(hints.items(), value, strict=True)))


@lru_cache(maxsize=256)
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _at(place: str, kind: Any, value: Any) -> Any:
    """Read a part; what is wrong with it is named by the path from the whole."""
    try:
        return _reader(kind)(value)
    except MissingField as refusal:
        raise MissingField(_path(place, refusal), refusal.wanted) from None
    except InvalidFact as refusal:
        raise InvalidFact(_path(place, refusal), refusal.found, refusal.wanted) from None


def _path(place: str, refusal: InvalidFact) -> str:
    rest = refusal.field.removeprefix(_HERE)
    separator = "." if rest and rest[0] not in ".[" else ""
    return f"{_HERE}{place}{separator}{rest}"


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidFact(_HERE, value, "an object")
    return value


def _exactly(kind: type, wanted: str, value: Any) -> Any:
    if type(value) is not kind:  # True is an int
        raise InvalidFact(_HERE, value, wanted)
    return value


def _float(value: Any) -> float:
    # A float without a fraction may have lost its point on the way.
    if type(value) is int:
        return float(value)
    return float(_exactly(float, "a number", value))


def _day(value: Any) -> date:
    try:
        if not isinstance(value, str) or _DAY.fullmatch(value) is None:
            raise ValueError(value)
        return date.fromisoformat(value)
    except ValueError as error:
        raise InvalidFact(_HERE, value, "a day as YYYY-MM-DD") from error


def _moment(value: Any) -> datetime:
    try:
        moment = parse_iso(value)
        if moment.tzinfo is None:
            raise ValueError(value)
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise InvalidFact(_HERE, value, WANTED_MOMENT) from error
    return moment


def _dates(value: Any) -> DateRange:
    found = _object(value)
    for side in ("from", "to"):
        if side not in found:
            raise MissingField(f"{_HERE}.{side}", "a day as YYYY-MM-DD, or null for an open side")
    first, last = (_at(f".{side}", date | None, found[side]) for side in ("from", "to"))
    if first is not None and last is not None and last < first:
        raise InvalidFact(_HERE, value, "a first day that is not after the last")
    return DateRange(first, last)


_READERS: dict[Any, Reader] = {
    str: partial(_exactly, str, "text"),
    int: partial(_exactly, int, "a whole number"),
    bool: partial(_exactly, bool, "true or false"),
    float: _float,
    date: _day,
    datetime: _moment,
    DateRange: _dates,
    CompletedWorkflow: workflow_from_json,
    object: lambda value: value,
    Any: lambda value: value,
}
