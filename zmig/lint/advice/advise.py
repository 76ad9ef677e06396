"""Who advises on which of squawk's rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.advice import columns, constraints, indexes, names
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from zmig.lint.advice.advice import Advice, Asked

_ADVISERS: dict[str, Callable[[Asked], Advice | None]] = {
    "adding-field-with-default": columns.default,
    "adding-foreign-key-constraint": constraints.foreign_key,
    "adding-not-nullable-field": columns.not_null,
    "adding-required-field": columns.required,
    "adding-serial-primary-key-field": constraints.primary_key,
    "ban-alter-generated-expression": names.changed_expression,
    "ban-alter-identity": names.changed_identity,
    "ban-alter-domain-with-add-constraint": constraints.of_domain,
    "ban-char-field": columns.padded,
    "ban-drop-column": names.dropped_column,
    "ban-drop-constraint": names.dropped_constraint,
    "ban-drop-database": names.dropped,
    "ban-drop-default": names.dropped_default,
    "ban-drop-domain": names.dropped,
    "ban-drop-extension": names.dropped,
    "ban-drop-function": names.dropped,
    "ban-drop-generated-expression": names.dropped_expression,
    "ban-drop-not-null": names.dropped_not_null,
    "ban-drop-schema": names.dropped,
    "ban-drop-sequence": names.dropped,
    "ban-drop-table": names.dropped,
    "ban-drop-type": names.dropped,
    "ban-drop-view": names.dropped,
    "ban-duplicate-column-assignments": columns.assigned_twice,
    "ban-set-schema": names.moved,
    "ban-truncate-cascade": names.emptied,
    "changing-column-type": columns.type_change,
    "constraint-missing-not-valid": constraints.not_valid,
    "disallowed-unique-constraint": constraints.unique,
    "renaming-column": names.column,
    "renaming-object": names.other,
    "renaming-table": names.table,
    "require-concurrent-index-creation": indexes.creation,
    "require-concurrent-index-deletion": indexes.deletion,
    "require-concurrent-partition-detach": indexes.detached,
    "require-concurrent-reindex": indexes.rebuild,
}


def advise(asked: Asked) -> Advice | None:
    """Return what is wrong with a statement, and what to write instead; None where squawk's own words must do."""
    adviser = _ADVISERS.get(asked.rule.removeprefix("squawk/"))
    advice = None if adviser is None else adviser(asked)
    if advice is None or not asked.is_one_of_several or not advice.fix:
        return advice
    return replace(advice, hint=f"{advice.hint}; the other changes of the statement can stay")
