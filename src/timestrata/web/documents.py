"""The body of a completion as OpenAPI shows it. It is read by formats.jsonl, which says more when it refuses one."""

from __future__ import annotations

from typing import Any

from timestrata.facts import MAX_ESTIMATE_SECONDS, MAX_SECONDS, MAX_STEP_INDEX, MAX_TEXT
from timestrata.web.limits import STREAM_TYPE

_TEXT = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
_MOMENT = {
    "type": "string",
    "format": "date-time",
    "description": "ISO 8601; without an offset: in the timezone, else UTC.",
}
_SECONDS = {"type": "number", "minimum": 0, "maximum": MAX_SECONDS, "description": "Fractions are rounded half up."}
_ESTIMATE = {"type": ["number", "null"], "minimum": 0, "maximum": MAX_ESTIMATE_SECONDS}

PAUSE = {
    "type": "object",
    "required": ["paused_at", "resumed_at"],
    "properties": {"paused_at": _MOMENT, "resumed_at": _MOMENT},
}
SESSION = {
    "type": "object",
    "required": ["started_at", "ended_at"],
    "properties": {
        "started_at": _MOMENT,
        "ended_at": _MOMENT,
        "active_seconds": _SECONDS,
        "pause_seconds": _SECONDS,
        "pauses": {"type": "array", "items": PAUSE},
    },
}
STEP = {
    "type": "object",
    "required": ["index", "name"],
    "properties": {
        "index": {"type": "integer", "minimum": 0, "maximum": MAX_STEP_INDEX},
        "name": _TEXT,
        "active_seconds": {**_SECONDS, "description": "May be left out where there are sessions: it is their sum."},
        "estimated_seconds": _ESTIMATE,
        "sessions": {"type": "array", "items": SESSION},
    },
}
COMPLETION: dict[str, Any] = {
    "type": "object",
    "required": [
        "workflow_id", "user_id", "ticket_key", "ticket_type", "template", "started_at", "completed_at", "steps",
    ],
    "properties": {
        "workflow_id": _TEXT,
        "user_id": _TEXT,
        "ticket_key": _TEXT,
        "ticket_type": _TEXT,
        "template": _TEXT,
        "started_at": _MOMENT,
        "completed_at": _MOMENT,
        "estimated_seconds": _ESTIMATE,
        "timezone": {"type": ["string", "null"], "description": "An IANA name: fixes the local days of this fact."},
        "steps": {"type": "array", "minItems": 1, "items": STEP},
        "attributes": {"type": ["object", "null"]},
    },
    "example": {
        "workflow_id": "w-1",
        "user_id": "ada",
        "ticket_key": "TK-1",
        "ticket_type": "Bug",
        "template": "QA",
        "started_at": "2024-05-06T09:00:00Z",
        "completed_at": "2024-05-06T11:00:00Z",
        "estimated_seconds": 3000,
        "steps": [
            {"index": 0, "name": "Analyse", "active_seconds": 600},
            {"index": 1, "name": "Test", "active_seconds": 1200, "estimated_seconds": 1500},
        ],
    },
}  # fmt: skip

_SEVERAL = {
    "type": "array",
    "items": {"description": "A completion; an item that is none is rejected by itself and has its outcome."},
}

COMPLETION_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": COMPLETION}}}
}
COMPLETIONS_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"oneOf": [COMPLETION, _SEVERAL]}},
            STREAM_TYPE: {
                "schema": {"description": "One completion a line, gzip too; a line that is none is rejected by itself."}
            },
        },
    }
}
