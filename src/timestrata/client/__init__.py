"""A history that is kept by a service, with the methods of one that is opened here."""

try:
    import httpx2 as _httpx  # noqa: F401
except ImportError as error:
    raise ImportError("the client needs httpx2: pip install 'timestrata[client]'") from error

from timestrata.client.jobs import ClientJobs
from timestrata.client.refusals import ServiceRefused, ServiceUnavailable, UnexpectedAnswer
from timestrata.client.remote import Client, RecordedWorkflow
from timestrata.client.tracking import ClientTracking

__all__ = [
    "Client",
    "ClientJobs",
    "ClientTracking",
    "RecordedWorkflow",
    "ServiceRefused",
    "ServiceUnavailable",
    "UnexpectedAnswer",
]
