"""zmig: migrations for PostgreSQL, declared in a manifest, remembered as facts.

`Migrator` is the way in. Everything is imported when it is first asked for, so that importing the package costs
next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zmig.context import CodeMigration, Context
    from zmig.errors import (
        ConnectionFailed,
        LockNotObtained,
        ManifestError,
        MigrationFailed,
        PlanRefused,
        Problem,
        TrackingError,
        UsageError,
        ZmigError,
    )
    from zmig.migrator import Migrator
    from zmig.model import LastRun
    from zmig.planning.plan import RunResult
    from zmig.planning.state import State
    from zmig.session.status import Status

__version__ = "0.1.0"

_HOMES = {
    "CodeMigration": "context",
    "ConnectionFailed": "errors",
    "Context": "context",
    "LastRun": "model",
    "LockNotObtained": "errors",
    "ManifestError": "errors",
    "MigrationFailed": "errors",
    "Migrator": "migrator",
    "PlanRefused": "errors",
    "Problem": "errors",
    "RunResult": "planning.plan",
    "State": "planning.state",
    "Status": "session.status",
    "TrackingError": "errors",
    "UsageError": "errors",
    "ZmigError": "errors",
}

__all__ = [
    "CodeMigration",
    "ConnectionFailed",
    "Context",
    "LastRun",
    "LockNotObtained",
    "ManifestError",
    "MigrationFailed",
    "Migrator",
    "PlanRefused",
    "Problem",
    "RunResult",
    "State",
    "Status",
    "TrackingError",
    "UsageError",
    "ZmigError",
    "__version__",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'zmig' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"zmig.{_HOMES[name]}"), name)
