"""Timestrata: a time-history store for step-based work on tickets."""

from timestrata.answers import (
    Alert,
    Average,
    Averages,
    Coverage,
    DailyReport,
    DailyRow,
    Figures,
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
    NewerSchema,
    SchemaNotReady,
    SettingsMismatch,
    StaleRevision,
    TimestrataError,
    UnknownAlert,
    UnknownWorkflow,
    UnsupportedDatabase,
)
from timestrata.facts import CompletedWorkflow, Pause, StepTime, TimeSession
from timestrata.history import BatchResult, History, open_history
from timestrata.ingest import Outcome
from timestrata.recorded import Recorded
from timestrata.settings import Settings
from timestrata.trends import Trend

__version__ = "0.1.0"

__all__ = [
    "Alert",
    "Average",
    "Averages",
    "BatchRejected",
    "BatchResult",
    "CompletedWorkflow",
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
    "NewerSchema",
    "Outcome",
    "Pause",
    "Recorded",
    "SchemaNotReady",
    "Series",
    "Settings",
    "SettingsMismatch",
    "StaleRevision",
    "StepFigures",
    "StepReport",
    "StepTime",
    "Summary",
    "TimeSession",
    "TimestrataError",
    "Trend",
    "TrendPoint",
    "TrendReport",
    "UnknownAlert",
    "UnknownWorkflow",
    "UnsupportedDatabase",
    "WorkflowPage",
    "WorkflowRow",
    "open_history",
]
