"""Takes one statement and the catalog before it, and returns the catalog after it, with what the statement does.

Needs the package postgast, as everything does that it imports here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from postgast import pg_query_pb2 as pg

from zmig.lint.replay import (
    access,
    alter_object,
    alter_table,
    alter_type,
    create,
    drop,
    maintenance,
    other_objects,
    rename,
    rows,
    tree,
)
from zmig.lint.replay.effects import FailureCause
from zmig.lint.replay.statement_replay import StatementFails, StatementReplay
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from zmig.lint.replay.catalog import Catalog
    from zmig.lint.replay.effects import Effect
    from zmig.lint.replay.objects import Node


@valueclass
class Outcome:
    """What becomes of a statement."""

    catalog: Catalog
    """What is there after it; of one that fails, what was there before."""
    effects: tuple[Effect, ...]
    targets: tuple[Node, ...] = ()
    """What it is about that was there before: the table that it alters, the view that it drops."""


def replay_statement(
    node: pg.Node,
    catalog: Catalog,
    *,
    path: tuple[str, ...] = ("public",),
    version: int | None = None,
    is_utc: bool = False,
) -> Outcome:
    """Return what a statement does to a catalog, which stays as it is.

    `path` is the search path, `version` the major version of the oldest server, None where nobody says it, and
    `is_utc` says that its session's time zone is UTC.
    """
    read = _STATEMENTS.get(tree.kind_of(node))
    if read is None:
        return Outcome(catalog, ())
    replay = StatementReplay(catalog.copy(), path, version=version, is_utc=is_utc)
    try:
        read(replay, node)
    except StatementFails as failure:
        return Outcome(_after_failure(catalog, path, failure), (failure.effect,), tuple(replay.targets))
    return Outcome(replay.catalog, tuple(replay.effects), tuple(replay.targets))


def _after_failure(catalog: Catalog, path: tuple[str, ...], failure: StatementFails) -> Catalog:
    """Return the same catalog, where a name is missing without the claim to know all of its schema: once is enough."""
    if failure.effect.cause is not FailureCause.MISSING:
        return catalog
    catalog = catalog.copy()
    for schema in path:
        catalog.open_schema(schema)
    return catalog


def _create_table_as(replay: StatementReplay, node: pg.Node) -> None:
    statement = node.create_table_as_stmt
    create.table_as(
        replay,
        statement.query.select_stmt,
        statement.into,
        if_not_exists=statement.if_not_exists,
        is_view=statement.objtype == pg.OBJECT_MATVIEW,
    )


def _create_schema(replay: StatementReplay, node: pg.Node) -> None:
    statement = node.create_schema_stmt
    create.schema(replay, statement)
    outer = replay.path
    replay.path = (statement.schemaname or tree.role(statement.authrole), *outer)
    for element in statement.schema_elts:
        if (read := _STATEMENTS.get(tree.kind_of(element))) is not None:
            read(replay, element)
    replay.path = outer


def _alter_table(replay: StatementReplay, node: pg.Node) -> None:
    if node.alter_table_stmt.objtype == pg.OBJECT_TYPE:
        alter_type.alter_composite(replay, node.alter_table_stmt)
    else:
        alter_table.alter(replay, node.alter_table_stmt)


def _define(replay: StatementReplay, node: pg.Node) -> None:
    if node.define_stmt.kind == pg.OBJECT_TYPE:
        alter_type.create_other(replay, tree.name(node.define_stmt.defnames))


_STATEMENTS: dict[str, Callable[[StatementReplay, pg.Node], None]] = {
    "alter_default_privileges_stmt": lambda replay, node: access.default_privileges(
        replay, node.alter_default_privileges_stmt
    ),
    "alter_domain_stmt": lambda replay, node: alter_type.alter_domain(replay, node.alter_domain_stmt),
    "alter_enum_stmt": lambda replay, node: alter_type.alter_enum(replay, node.alter_enum_stmt),
    "alter_extension_stmt": lambda replay, node: alter_object.extension(replay, node.alter_extension_stmt),
    "alter_function_stmt": lambda replay, node: alter_object.function(replay, node.alter_function_stmt),
    "alter_object_schema_stmt": lambda replay, node: rename.set_schema(replay, node.alter_object_schema_stmt),
    "alter_owner_stmt": lambda replay, node: alter_object.owner(replay, node.alter_owner_stmt),
    "alter_policy_stmt": lambda replay, node: alter_object.policy(replay, node.alter_policy_stmt),
    "alter_role_stmt": lambda replay, node: alter_object.role(replay, node.alter_role_stmt),
    "alter_seq_stmt": lambda replay, node: create.alter_sequence(replay, node.alter_seq_stmt),
    "alter_publication_stmt": lambda replay, node: other_objects.alter_publication(replay, node.alter_publication_stmt),
    "alter_subscription_stmt": lambda replay, node: access.alter_subscription(replay, node.alter_subscription_stmt),
    "alter_table_move_all_stmt": lambda replay, node: maintenance.move_all(replay, node.alter_table_move_all_stmt),
    "alter_table_stmt": _alter_table,
    "call_stmt": lambda replay, node: rows.call(replay, node.call_stmt),
    "cluster_stmt": lambda replay, node: maintenance.cluster(replay, node.cluster_stmt),
    "comment_stmt": lambda replay, node: maintenance.comment(replay, node.comment_stmt),
    "composite_type_stmt": lambda replay, node: alter_type.create_composite(replay, node.composite_type_stmt),
    "copy_stmt": lambda replay, node: rows.copy(replay, node.copy_stmt),
    "create_domain_stmt": lambda replay, node: alter_type.create_domain(replay, node.create_domain_stmt),
    "create_enum_stmt": lambda replay, node: alter_type.create_enum(replay, node.create_enum_stmt),
    "create_extension_stmt": lambda replay, node: create.extension(replay, node.create_extension_stmt),
    "create_foreign_table_stmt": lambda replay, node: create.table(
        replay, node.create_foreign_table_stmt.base_stmt, is_foreign=True
    ),
    "create_function_stmt": lambda replay, node: create.function(replay, node.create_function_stmt),
    "create_policy_stmt": lambda replay, node: create.policy(replay, node.create_policy_stmt),
    "create_foreign_server_stmt": lambda replay, node: access.options_with_password(
        replay, node.create_foreign_server_stmt.servername, node.create_foreign_server_stmt.options
    ),
    "create_publication_stmt": lambda replay, node: other_objects.create_publication(
        replay, node.create_publication_stmt
    ),
    "create_range_stmt": lambda replay, node: alter_type.create_other(
        replay, tree.name(node.create_range_stmt.type_name)
    ),
    "create_role_stmt": lambda replay, node: create.role(replay, node.create_role_stmt),
    "create_schema_stmt": _create_schema,
    "create_seq_stmt": lambda replay, node: create.sequence(replay, node.create_seq_stmt),
    "create_stats_stmt": lambda replay, node: other_objects.create_statistics(replay, node.create_stats_stmt),
    "create_stmt": lambda replay, node: create.table(replay, node.create_stmt),
    "create_subscription_stmt": lambda replay, node: access.subscription(replay, node.create_subscription_stmt),
    "create_table_as_stmt": _create_table_as,
    "create_trig_stmt": lambda replay, node: create.trigger(replay, node.create_trig_stmt),
    "create_user_mapping_stmt": lambda replay, node: access.options_with_password(
        replay, tree.role(node.create_user_mapping_stmt.user), node.create_user_mapping_stmt.options
    ),
    "define_stmt": _define,
    "delete_stmt": lambda replay, node: rows.delete(replay, node.delete_stmt),
    "do_stmt": lambda replay, node: rows.code(replay, node.do_stmt),
    "drop_owned_stmt": lambda replay, node: drop.owned(replay, node.drop_owned_stmt),
    "drop_role_stmt": lambda replay, node: drop.role(replay, node.drop_role_stmt),
    "drop_subscription_stmt": lambda replay, node: access.drop_subscription(replay, node.drop_subscription_stmt),
    "drop_stmt": lambda replay, node: drop.statement(replay, node.drop_stmt),
    "execute_stmt": lambda replay, node: replay.catalog.allow_for_code("execute"),
    "grant_role_stmt": lambda replay, node: access.grant_role(replay, node.grant_role_stmt),
    "grant_stmt": lambda replay, node: access.grant(replay, node.grant_stmt),
    "import_foreign_schema_stmt": lambda replay, node: replay.catalog.open_schema(
        node.import_foreign_schema_stmt.local_schema
    ),
    "index_stmt": lambda replay, node: create.index(replay, node.index_stmt),
    "insert_stmt": lambda replay, node: rows.insert(replay, node.insert_stmt),
    "lock_stmt": lambda replay, node: maintenance.lock(replay, node.lock_stmt),
    "merge_stmt": lambda replay, node: rows.merge(replay, node.merge_stmt),
    "refresh_mat_view_stmt": lambda replay, node: maintenance.refresh(replay, node.refresh_mat_view_stmt),
    "reindex_stmt": lambda replay, node: maintenance.reindex(replay, node.reindex_stmt),
    "rename_stmt": lambda replay, node: rename.statement(replay, node.rename_stmt),
    "rule_stmt": lambda replay, node: create.rule(replay, node.rule_stmt),
    "select_stmt": lambda replay, node: rows.select(replay, node.select_stmt),
    "truncate_stmt": lambda replay, node: maintenance.truncate(replay, node.truncate_stmt),
    "update_stmt": lambda replay, node: rows.update(replay, node.update_stmt),
    "variable_set_stmt": lambda replay, node: access.set_variable(replay, node.variable_set_stmt),
    "vacuum_stmt": lambda replay, node: maintenance.vacuum(replay, node.vacuum_stmt),
    "view_stmt": lambda replay, node: create.view(replay, node.view_stmt),
}
"""By what a statement is; any other has no effect on a catalog."""
