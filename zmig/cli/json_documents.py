"""What commands say as JSON types; what an engine's value has as `as_dict` is not repeated here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.errors import Problem
    from zmig.facts import Fact
    from zmig.planning.plan import Plan, RunResult, Step

Document = dict[str, object]


def of_problem(problem: Problem) -> Document:
    """Return one problem; what it lacks is null."""
    place = problem.location
    return {
        "code": problem.code,
        "message": problem.message,
        "location": None if place is None else {"file": place.path, "line": place.line, "column": place.column},
        "facts": list(problem.facts),
        "effect": problem.effect,
        "hint": problem.hint,
    }


def of_problems(problems: Sequence[Problem], exit_code: int) -> Document:
    """Return what a command prints that failed: the first problem, and all of them."""
    return {
        "error": of_problem(problems[0]),
        "problems": [of_problem(problem) for problem in problems],
        "exit_code": int(exit_code),
    }


def of_plan(plan: Plan) -> Document:
    """Return a plan."""
    return {
        "direction": plan.direction.value,
        "steps": [_of_step(step) for step in plan.steps],
        "refusals": [
            {"version": refusal.version, "name": refusal.name, **of_problem(refusal.problem)}
            for refusal in plan.refusals
        ],
        "notes": list(plan.notes),
        **({"undeclared": list(plan.undeclared)} if plan.undeclared is not None else {}),
    }


def _of_step(step: Step) -> Document:
    return {
        "version": step.migration.version,
        "name": step.migration.name,
        "kind": step.migration.kind.value,
        "action": step.action.value,
        "reason": step.reason,
        "attempt": step.attempt,
        "resume_after": step.resume_after,
        "transactional": step.mode.transactional if step.mode is not None else None,
        "mode_reason": step.mode.reason if step.mode is not None else None,
        "lock_timeout_seconds": step.migration.settings.lock_timeout_seconds,
        "statement_timeout_seconds": step.migration.settings.statement_timeout_seconds,
        "idle_in_transaction_session_timeout_seconds": 0.0,
        "run_as": step.migration.settings.run_as,
    }


def of_run(
    run_id: str | None, plan: Plan, completed: Sequence[str], skipped: Sequence[str], duration_seconds: float
) -> Document:
    """Return what a run did, whether it succeeded or not."""
    return {
        "run_id": run_id,
        "completed": list(completed),
        "skipped": list(skipped),
        "duration_seconds": round(duration_seconds, 3),
        "plan": of_plan(plan),
    }


def of_result(result: RunResult) -> Document:
    """Return what a run did that succeeded."""
    return of_run(result.run_id, result.plan, result.completed, result.skipped, result.duration_seconds)


def of_fact(fact: Fact) -> Document:
    """Return one stored fact."""
    return {
        "position": fact.position,
        "name": fact.name,
        "version": fact.version,
        "event_type": fact.type.value,
        "created_at": fact.created_at.isoformat(),
        "database_user": fact.database_user,
        "run_id": fact.run_id,
        "host": fact.host,
        "event_data": dict(fact.data),
    }
