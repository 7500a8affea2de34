"""The bodies of requests that are small: what OpenAPI shows of them and what is checked before the library sees them.

Strict: "1" is no number. What a schema cannot say (a time that has not come yet, say) the library refuses.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from timestrata.errors import InvalidFact
from timestrata.facts import MAX_ESTIMATE_SECONDS, MAX_STEP_INDEX, MAX_TEXT, checked_moment
from timestrata.formats.moments import WANTED_MOMENT, parse_iso

Name = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
Seconds = Annotated[int, Field(ge=0, le=MAX_ESTIMATE_SECONDS)]


def _is_moment(text: str) -> str:
    try:
        checked_moment("at", parse_iso(text))
    except (InvalidFact, ValueError, IndexError, TypeError) as error:
        raise ValueError(f"want {WANTED_MOMENT}, with an offset") from error
    return text


Moment = Annotated[str, AfterValidator(_is_moment), Field(json_schema_extra={"format": "date-time"})]
"""An instant in ISO 8601, with an offset."""


def moment_of(text: str | None) -> datetime | None:
    """Return the instant that a checked text names."""
    return None if text is None else checked_moment("at", parse_iso(text))


class Body(BaseModel):
    """A body in which unknown fields are refused: a name that is spelled wrong would be left out silently."""

    model_config = ConfigDict(extra="forbid", strict=True)


class StepBody(Body):
    """A step of a template."""

    name: Name
    estimated_seconds: Seconds | None = Field(None, description="0 or null: no estimate.")


class TemplateBody(Body):
    """A template: its steps in their order."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "QA",
                    "ticket_type": "Bug",
                    "steps": [{"name": "Analyse", "estimated_seconds": 1200}, {"name": "Test"}],
                    "estimated_seconds": 3600,
                }
            ]
        }
    )

    name: Name
    ticket_type: Name
    steps: list[StepBody] = Field(min_length=1, max_length=MAX_STEP_INDEX + 1)
    estimated_seconds: Seconds | None = Field(None, description="For the whole; default: the sum of the steps'.")


class AtBody(Body):
    """When something happened."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"at": "2024-05-06T09:10:00Z"}, {}]})

    at: Moment | None = Field(None, description="Default: now. Not in the future, not before the previous event.")


class EndBody(Body):
    """When a forgotten session really ended."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ended_at": "2024-05-06T17:30:00Z"}]})

    ended_at: Moment


class StartBody(AtBody):
    """What a workflow is started with."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"template": "QA", "ticket_key": "TK-1"},
                {"template": "QA", "ticket_key": "TK-2", "workflow_id": "w2", "at": "2024-05-06T09:00:00Z"},
            ]
        }
    )

    template: Name
    ticket_key: Name
    user_id: Name | None = Field(None, description="Default: the user of the token.")
    workflow_id: Name | None = Field(None, description="Default: one is made up.")
    estimated_seconds: Seconds | None = Field(None, description="Default: the template's.")
    timezone: Name | None = Field(None, description="An IANA name; default: the user's zone, else the store's.")
    attributes: dict[str, Any] | None = None
