"""Live tracking: templates, and workflows whose sessions start, pause, resume and end as people work."""

from timestrata.tracking.calls import Tracking
from timestrata.tracking.rules import TrackingRules

__all__ = ["Tracking", "TrackingRules"]
