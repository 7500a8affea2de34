"""The schedule of a service: `client.jobs`, with what `history.jobs` tells."""

from __future__ import annotations

from dataclasses import dataclass

from timestrata.client.requests import Requests
from timestrata.jobs import JobState


@dataclass(frozen=True, slots=True)
class _Jobs:
    jobs: tuple[JobState, ...]


class ClientJobs:
    """How the jobs of a service stand: see `timestrata.jobs.Jobs`. Only an admin may ask."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    def states(self) -> tuple[JobState, ...]:
        """Return every job as it stands."""
        return self._requests.get(_Jobs, "/api/v1/admin/jobs").jobs
