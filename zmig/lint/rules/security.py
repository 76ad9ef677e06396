"""Checks of what lets somebody see or do more than before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.replay.effects import Drops, Empowers, Grants, Makes, OpensRows, Redefines, ShowsRows
from zmig.lint.replay.objects import ObjectKind, Table, View

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.lint.entries import Entry
    from zmig.lint.finding import Remark
    from zmig.lint.replay.catalog import Catalog
    from zmig.lint.rules.locks import Reported
    from zmig.lint.steps import Step
    from zmig.sql.token_reader import Name

_ROLES_OF_SQUAWK = frozenset({"squawk/ban-alter-role-options"})
_ROWS_OF_SQUAWK = frozenset({"squawk/ban-alter-row-level-security", "squawk/ban-drop-policy"})
_OPEN_ALREADY = frozenset({"function", "procedure", "routine", "type", "domain", "language", "future function"})
"""What everybody may use without being granted it."""


def search_path(entry: Entry, steps: Sequence[Step]) -> Iterator[Remark]:
    """SECURITY DEFINER functions that find what their caller's search path leads them to."""
    seen: set[Name] = set()
    for step in steps:
        for one in (*step.of(Makes), *step.of(Redefines)):
            name = one.ref.name
            if one.ref.kind is not ObjectKind.FUNCTION or name in seen:
                continue
            if _is_open(step.after, name) and _is_open(steps[-1].after, name):
                seen.add(name)
                yield step.remark(
                    "security/search-path",
                    one,
                    f"`{name.name}` runs with its owner's rights, and its caller's `search_path` decides which tables "
                    "and functions it finds",
                    "write `set search_path = ''` after `security definer`, and name everything with its schema",
                )


def _is_open(catalog: Catalog, name: Name) -> bool:
    return any(one.is_security_definer and "search_path" not in one.settings for one in catalog.functions(name))


def public(entry: Entry, steps: Sequence[Step]) -> Iterator[Remark]:
    """Privileges that everybody gets."""
    for step in steps:
        for one in step.of(Grants):
            privileges = {privilege.lower() for privilege in one.privileges}
            is_open_already = one.kind in _OPEN_ALREADY or (one.kind == "schema" and privileges == {"usage"})
            if one.is_revoke or "public" not in one.grantees or is_open_already:
                continue
            what = ", ".join(sorted(privileges)) or "all"
            names = ", ".join(f"`{name.name}`" for name in one.objects) or f"every {one.kind.replace('_', ' ')}"
            yield step.remark(
                "security/public",
                one,
                f"every role of the server, also one that is made later, gets {what.upper()} on {names}",
                "grant it to the roles that need it, by name",
            )


def roles(entry: Entry, steps: Sequence[Step], reported: Reported) -> Iterator[Remark]:
    """Roles that come past all privileges, and passwords that are written down."""
    for step in steps:
        for one in step.of(Empowers):
            if one.has_password:
                yield step.remark(
                    "security/password",
                    one,
                    f"the password of `{one.role}` is written down here, where everybody can read it who has the "
                    "migrations, the server's log or its statistics",
                    "set it by hand with `\\password` of psql, or give the role none here",
                )
            if one.powers and not reported.has(step, one, _ROLES_OF_SQUAWK):
                yield step.remark(
                    "security/powers",
                    one,
                    f"`{one.role}` becomes {' and '.join(power.upper() for power in one.powers)}, so no privilege and "
                    "no policy holds it back",
                    "grant the privileges that it needs, one by one",
                )


def rows(entry: Entry, steps: Sequence[Step], reported: Reported) -> Iterator[Remark]:
    """Row security that is switched off, dropped or opened."""
    for number, step in enumerate(steps):
        for one in step.of(OpensRows):
            if step.is_in_use(one.table) and not reported.has(step, one, _ROWS_OF_SQUAWK):
                yield step.remark(
                    "security/row-security",
                    one,
                    f"`{one.table.name}` {one.how}",
                    "leave row security on, and write a policy for those who need to see more",
                )
        for dropped in step.of(Drops):
            ref = dropped.ref
            is_policy = ref.kind is ObjectKind.POLICY and step.is_in_use(ref.name)
            again = (one.ref for later in steps[number + 1 :] for one in later.of(Makes))
            if is_policy and ref not in again and not reported.has(step, dropped, _ROWS_OF_SQUAWK):
                yield step.remark(
                    "security/row-security",
                    dropped,
                    f"without the policy `{ref.part}`, other rows of `{ref.name.name}` can be seen than before",
                    "create the policy that takes its place in the same migration",
                )


def views(entry: Entry, steps: Sequence[Step]) -> Iterator[Remark]:
    """Views that show rows which row security hides from who reads them."""
    for step in steps:
        for one in step.of(ShowsRows):
            table = steps[-1].after.table(one.table)
            view = steps[-1].after.view(one.view)
            if table is None or view is None or view.is_invokers or not table.has_row_security:
                continue
            if _was_shown(steps[0].before, view, table):
                continue
            yield step.remark(
                "security/view",
                one,
                f"`{one.view.name}` shows all rows of `{one.table.name}`, whatever its policies say: a view reads with "
                "its owner's rights",
                f"write `alter view {one.view.name} set (security_invoker = true)`",
            )


def _was_shown(before: Catalog, view: View, table: Table) -> bool:
    """Whether a view showed the rows before, or has the name that a table had, for the release that runs meanwhile."""
    old = before.relation(view.name)
    if isinstance(old, View):
        known = before.table(table.name)
        return table.name in old.uses and not old.is_invokers and known is not None and known.has_row_security
    return isinstance(old, Table)


def hidden(entry: Entry, steps: Sequence[Step]) -> Iterator[Remark]:
    """Row security that is switched on for a table in use, which no policy is for."""
    seen: set[Name] = set()
    for step in steps:
        for one in step.of(Redefines):
            if (
                one.ref.name in seen
                or one.what != "row security"
                or one.ref.kind is not ObjectKind.TABLE
                or not step.is_in_use(one.ref.name)
            ):
                continue
            before, after = step.before.table(one.ref.name), steps[-1].after.table(one.ref.name)
            is_on = after is not None and after.has_row_security and not after.policies
            if not is_on or after is None or (before is not None and before.has_row_security):
                continue
            if after.is_whole and step.before.is_certain(after):
                seen.add(one.ref.name)
                name = one.ref.name.name
                yield step.remark(
                    "compat/no-policy",
                    one,
                    f"`{name}` has row security from now on and no policy, so nobody but its owner sees a row of it",
                    f"write `create policy ... on {name}` in the same migration",
                )
