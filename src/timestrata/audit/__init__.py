"""Audit: proof that what is stored is what the facts make it, and the way back to it."""

from timestrata.audit.calls import Audit
from timestrata.audit.findings import AuditProgress, Problem, Rebuild, Verification

__all__ = ["Audit", "AuditProgress", "Problem", "Rebuild", "Verification"]
