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
    DeletedWorkflow,
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
from timestrata.audit import Audit, Problem, Rebuild, Verification
from timestrata.calendar import DateRange
from timestrata.errors import (
    ArchiveDamaged,
    ArchiveMismatch,
    ArchiveUnavailable,
    BatchRejected,
    ClockJumped,
    FactsSealed,
    InvalidFact,
    InvalidInput,
    InvalidRequest,
    JobRunning,
    KeyReused,
    NewerSchema,
    RetentionOvertaken,
    SchemaNotReady,
    SessionRunning,
    SettingsMismatch,
    StaleRevision,
    TimestrataError,
    UnknownAlert,
    UnknownJob,
    UnknownSession,
    UnknownTemplate,
    UnknownToken,
    UnknownUser,
    UnknownWorkflow,
    UnsupportedDatabase,
    UntrackedWorkflow,
    WorkflowExists,
    WrongState,
)
from timestrata.facts import CompletedWorkflow, Pause, StepTime, TimeSession
from timestrata.history import BatchResult, History, open_history
from timestrata.ingest import Outcome
from timestrata.jobs import JobRun, Jobs, JobState, Schedules
from timestrata.recorded import Recorded
from timestrata.retention import (
    ArchiveCheck,
    ArchiveFile,
    Erasure,
    Restored,
    Retention,
    RetentionPlan,
    RetentionPolicy,
    RetentionRun,
)
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
    "ArchiveCheck",
    "ArchiveDamaged",
    "ArchiveFile",
    "ArchiveMismatch",
    "ArchiveUnavailable",
    "Audit",
    "Average",
    "Averages",
    "BatchRejected",
    "BatchResult",
    "Change",
    "ClockJumped",
    "Comparison",
    "CompletedWorkflow",
    "Completion",
    "Coverage",
    "DailyReport",
    "DailyRow",
    "DateRange",
    "DeletedWorkflow",
    "Erasure",
    "FactsSealed",
    "Figures",
    "History",
    "InvalidFact",
    "InvalidInput",
    "InvalidRequest",
    "JobRun",
    "JobRunning",
    "JobState",
    "Jobs",
    "KeyReused",
    "NewToken",
    "NewerSchema",
    "Outcome",
    "Overview",
    "Pause",
    "Principal",
    "Problem",
    "Rebuild",
    "Recorded",
    "Restored",
    "Retention",
    "RetentionOvertaken",
    "RetentionPlan",
    "RetentionPolicy",
    "RetentionRun",
    "Schedules",
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
    "UnknownJob",
    "UnknownSession",
    "UnknownTemplate",
    "UnknownToken",
    "UnknownUser",
    "UnknownWorkflow",
    "UnsupportedDatabase",
    "UntrackedWorkflow",
    "Verification",
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
