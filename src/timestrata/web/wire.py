"""JSON on the wire: results out, bodies in. The one place that knows how either is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from timestrata.errors import InvalidFact
from timestrata.formats.result_json import document

MEDIA_TYPE = "application/json"

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_plain_encoder = json.JSONEncoder(separators=(",", ":"), default=str)  # escapes whatever a client may have sent


class InvalidJson(InvalidFact):
    """The body of a request is no JSON."""


def encode(result: object) -> bytes:
    """Return a result of the library as JSON."""
    return _encoder.encode(document(result)).encode()


def encode_problem(members: Mapping[str, object]) -> bytes:
    """Return a problem document as ASCII, so that any text in it can be sent."""
    return _plain_encoder.encode(members).encode()


def respond(result: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a result of the library as a JSON response."""
    return Response(encode(result), status, headers, MEDIA_TYPE)


def parse(body: bytes) -> Any:
    """Return the JSON value of a body. Raises InvalidJson, also for a name that comes twice."""
    try:
        return _decoder.decode(body.decode())
    except UnicodeDecodeError as error:
        raise InvalidJson("body", body[max(0, error.start - 10) : error.end + 10], "JSON in UTF-8") from error
    except RecursionError as error:
        raise InvalidJson("body", "JSON nested too deeply", "a flatter JSON value") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}: {error.msg}"
        raise InvalidJson("body", body[:60], f"JSON ({where})") from error
    except ValueError as error:
        raise InvalidJson("body", str(error), "JSON as RFC 8259 has it") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("the same name twice in one object")
    return found


def _refused(constant: str) -> Any:
    raise ValueError(constant)


_decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refused)
