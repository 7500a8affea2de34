"""Processes for tests: each a fork of one that has read the modules and done nothing else, so that none waits for them.

A new process that reads them for itself takes a second, and several seldom begin together.
"""

from __future__ import annotations

from multiprocessing import get_context
from multiprocessing.context import ForkServerContext

PROCESSES: ForkServerContext = get_context("forkserver")
PROCESSES.set_forkserver_preload(["pytest", "conftest", "facts_made", "timestrata", "psycopg"])
