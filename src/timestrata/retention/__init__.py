"""Retention: facts go to the archive when they are old enough, and nothing is lost by it."""

from timestrata.retention.calls import ArchiveCheck, ArchiveFile, Restored, Retention
from timestrata.retention.erasing import Erasure
from timestrata.retention.policy import PlannedDay, RetentionPlan, RetentionPolicy, eligible_through, plan
from timestrata.retention.sealing import RetentionProblem, RetentionProgress, RetentionRun

__all__ = [
    "ArchiveCheck", "ArchiveFile", "Erasure", "PlannedDay", "Restored", "Retention", "RetentionPlan", "RetentionPolicy",
    "RetentionProblem", "RetentionProgress", "RetentionRun", "eligible_through", "plan",
]  # fmt: skip
