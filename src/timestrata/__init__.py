"""Timestrata: a time-history store for step-based work on tickets."""

from typing import TYPE_CHECKING, Any

from timestrata.access import (
    Access,
    NewToken,
    Principal,
    Token,
)
from timestrata.answers import (
    Aggregation,
    AggregationReport,
    Alert,
    AlertPage,
    Average,
    Averages,
    Change,
    Coverage,
    DailyReport,
    DailyRow,
    Figures,
    Overview,
    Series,
    StepFigures,
    StepReport,
    Summary,
    TrendPoint,
    TrendReport,
    WorkflowPage,
    WorkflowRow,
)
from timestrata.calendar import DateRange
from timestrata.errors import (
    BatchRejected,
    FactsSealed,
    InvalidFact,
    InvalidInput,
    InvalidRequest,
    KeyReused,
    NewerSchema,
    SchemaNotReady,
    SessionRunning,
    SettingsMismatch,
    StaleRevision,
    TimestrataError,
    UnknownAlert,
    UnknownSession,
    UnknownTemplate,
    UnknownToken,
    UnknownWorkflow,
    UnsupportedDatabase,
    UntrackedWorkflow,
    WorkflowExists,
    WrongState,
)
from timestrata.facts import CompletedWorkflow, Pause, StepTime, TimeSession
from timestrata.history import BatchResult, History, open_history
from timestrata.ingest import Outcome
from timestrata.recorded import Recorded
from timestrata.settings import Settings
from timestrata.tracked import (
    Comparison,
    Completion,
    StepComparison,
    Template,
    TemplateStep,
    TrackedPause,
    TrackedSession,
    TrackedStep,
    TrackedWorkflow,
    WorkflowList,
)
from timestrata.tracking import Tracking, TrackingRules
from timestrata.trends import Trend

if TYPE_CHECKING:
    from timestrata.client import Client as Client

__version__ = "0.1.0"

__all__ = [
    "Access",
    "Aggregation",
    "AggregationReport",
    "Alert",
    "AlertPage",
    "Average",
    "Averages",
    "BatchRejected",
    "BatchResult",
    "Change",
    "Comparison",
    "CompletedWorkflow",
    "Completion",
    "Coverage",
    "DailyReport",
    "DailyRow",
    "DateRange",
    "FactsSealed",
    "Figures",
    "History",
    "InvalidFact",
    "InvalidInput",
    "InvalidRequest",
    "KeyReused",
    "NewToken",
    "NewerSchema",
    "Outcome",
    "Overview",
    "Pause",
    "Principal",
    "Recorded",
    "SchemaNotReady",
    "Series",
    "SessionRunning",
    "Settings",
    "SettingsMismatch",
    "StaleRevision",
    "StepComparison",
    "StepFigures",
    "StepReport",
    "StepTime",
    "Summary",
    "Template",
    "TemplateStep",
    "TimeSession",
    "TimestrataError",
    "Token",
    "TrackedPause",
    "TrackedSession",
    "TrackedStep",
    "TrackedWorkflow",
    "Tracking",
    "TrackingRules",
    "Trend",
    "TrendPoint",
    "TrendReport",
    "UnknownAlert",
    "UnknownSession",
    "UnknownTemplate",
    "UnknownToken",
    "UnknownWorkflow",
    "UnsupportedDatabase",
    "UntrackedWorkflow",
    "WorkflowExists",
    "WorkflowList",
    "WorkflowPage",
    "WorkflowRow",
    "WrongState",
    "open_history",
]


def __getattr__(name: str) -> Any:
    # Only when it is asked for: what it needs is installed with timestrata[client].
    if name == "Client":
        from timestrata.client import Client

        return Client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
