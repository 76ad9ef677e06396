"""zmig: migrations for PostgreSQL, declared in a manifest, remembered as facts.

`Migrator` is the way in. Everything is imported when it is first asked for, so that importing the package costs
next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zmig.context import CodeMigration as CodeMigration
    from zmig.context import Context as Context
    from zmig.context import Round as Round
    from zmig.errors import ConnectionFailed as ConnectionFailed
    from zmig.errors import ExitCode as ExitCode
    from zmig.errors import Location as Location
    from zmig.errors import LockNotObtained as LockNotObtained
    from zmig.errors import ManifestError as ManifestError
    from zmig.errors import MigrationFailed as MigrationFailed
    from zmig.errors import PlanRefused as PlanRefused
    from zmig.errors import Problem as Problem
    from zmig.errors import ServerError as ServerError
    from zmig.errors import TrackingError as TrackingError
    from zmig.errors import UsageError as UsageError
    from zmig.errors import ZmigError as ZmigError
    from zmig.facts import EventType as EventType
    from zmig.facts import Fact as Fact
    from zmig.facts import Verdict as Verdict
    from zmig.migrator import Migrator as Migrator
    from zmig.migrator import MigratorSession as MigratorSession
    from zmig.model import LastRun as LastRun
    from zmig.model import Migration as Migration
    from zmig.planning.plan import Plan as Plan
    from zmig.planning.plan import Refusal as Refusal
    from zmig.planning.plan import RunResult as RunResult
    from zmig.planning.plan import Step as Step
    from zmig.planning.request import Apply as Apply
    from zmig.planning.request import Request as Request
    from zmig.planning.request import Retry as Retry
    from zmig.planning.request import Rollback as Rollback
    from zmig.planning.state import Entry as Entry
    from zmig.planning.state import State as State
    from zmig.progress import Blocked as Blocked
    from zmig.progress import Held as Held
    from zmig.progress import LockWaiting as LockWaiting
    from zmig.progress import Notice as Notice
    from zmig.progress import Observer as Observer
    from zmig.progress import Progress as Progress
    from zmig.progress import Reported as Reported
    from zmig.progress import RetryScheduled as RetryScheduled
    from zmig.progress import RoundFinished as RoundFinished
    from zmig.progress import RunFinished as RunFinished
    from zmig.progress import RunStarted as RunStarted
    from zmig.progress import ServerReported as ServerReported
    from zmig.progress import StatementFinished as StatementFinished
    from zmig.progress import StatementStarted as StatementStarted
    from zmig.progress import StepFailed as StepFailed
    from zmig.progress import StepFinished as StepFinished
    from zmig.progress import StepSkipped as StepSkipped
    from zmig.progress import StepStarted as StepStarted
    from zmig.running.cancellation import Cancellation as Cancellation
    from zmig.running.rehearsal import Rehearsal as Rehearsal
    from zmig.session.schema_drift import DriftedObject as DriftedObject
    from zmig.session.schema_drift import SchemaDrift as SchemaDrift
    from zmig.session.schema_file import SchemaText as SchemaText
    from zmig.session.status import Status as Status
    from zmig.session.watcher import Observation as Observation
    from zmig.session.watcher import Watcher as Watcher

__version__ = "0.1.0"

_NAMES = {
    "zmig.context": (
        "CodeMigration",
        "Context",
        "Round",
    ),
    "zmig.errors": (
        "ConnectionFailed",
        "ExitCode",
        "Location",
        "LockNotObtained",
        "ManifestError",
        "MigrationFailed",
        "PlanRefused",
        "Problem",
        "ServerError",
        "TrackingError",
        "UsageError",
        "ZmigError",
    ),
    "zmig.facts": (
        "EventType",
        "Fact",
        "Verdict",
    ),
    "zmig.migrator": (
        "Migrator",
        "MigratorSession",
    ),
    "zmig.model": (
        "LastRun",
        "Migration",
    ),
    "zmig.planning.plan": (
        "Plan",
        "Refusal",
        "RunResult",
        "Step",
    ),
    "zmig.planning.request": (
        "Apply",
        "Request",
        "Retry",
        "Rollback",
    ),
    "zmig.planning.state": (
        "Entry",
        "State",
    ),
    "zmig.progress": (
        "Blocked",
        "Held",
        "LockWaiting",
        "Notice",
        "Observer",
        "Progress",
        "Reported",
        "RetryScheduled",
        "RoundFinished",
        "RunFinished",
        "RunStarted",
        "ServerReported",
        "StatementFinished",
        "StatementStarted",
        "StepFailed",
        "StepFinished",
        "StepSkipped",
        "StepStarted",
    ),
    "zmig.running.cancellation": ("Cancellation",),
    "zmig.running.rehearsal": ("Rehearsal",),
    "zmig.session.schema_drift": (
        "DriftedObject",
        "SchemaDrift",
    ),
    "zmig.session.schema_file": ("SchemaText",),
    "zmig.session.status": ("Status",),
    "zmig.session.watcher": (
        "Observation",
        "Watcher",
    ),
}
"""What each module gives to the package; a test holds the imports above, which are for type checkers, to it."""

_HOMES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name == "__all__":
        return __dir__()
    if name not in _HOMES:
        raise AttributeError(f"module 'zmig' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*_HOMES, "__version__"]
