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
    rename,
    rows,
    tree,
)
from zmig.lint.replay.effects import FailureCause
from zmig.lint.replay.scene import Scene, StatementFails
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


def replay(
    node: pg.Node, catalog: Catalog, *, path: tuple[str, ...] = ("public",), version: int = 13, is_utc: bool = False
) -> Outcome:
    """Return what a statement does to a catalog, which stays as it is.

    `path` is the search path, `version` the major version of the server, and `is_utc` says that its session's time
    zone is UTC.
    """
    read = _FAMILIES.get(tree.kind_of(node))
    if read is None:
        return Outcome(catalog, ())
    scene = Scene(catalog.copy(), path, version=version, is_utc=is_utc)
    try:
        read(scene, node)
    except StatementFails as failure:
        return Outcome(_after_failure(catalog, path, failure), (failure.effect,), tuple(scene.targets))
    return Outcome(scene.catalog, tuple(scene.effects), tuple(scene.targets))


def _after_failure(catalog: Catalog, path: tuple[str, ...], failure: StatementFails) -> Catalog:
    """Return the same catalog, where a name is missing without the claim to know all of its schema: once is enough."""
    if failure.effect.cause is not FailureCause.MISSING:
        return catalog
    catalog = catalog.copy()
    for schema in path:
        catalog.open_schema(schema)
    return catalog


def _create_table_as(scene: Scene, node: pg.Node) -> None:
    statement = node.create_table_as_stmt
    create.table_as(
        scene,
        statement.query.select_stmt,
        statement.into,
        if_not_exists=statement.if_not_exists,
        is_view=statement.objtype == pg.OBJECT_MATVIEW,
    )


def _create_schema(scene: Scene, node: pg.Node) -> None:
    statement = node.create_schema_stmt
    create.schema(scene, statement)
    outer = scene.path
    scene.path = (statement.schemaname or tree.role(statement.authrole), *outer)
    for element in statement.schema_elts:
        if (read := _FAMILIES.get(tree.kind_of(element))) is not None:
            read(scene, element)
    scene.path = outer


def _alter_table(scene: Scene, node: pg.Node) -> None:
    if node.alter_table_stmt.objtype == pg.OBJECT_TYPE:
        alter_type.alter_composite(scene, node.alter_table_stmt)
    else:
        alter_table.alter(scene, node.alter_table_stmt)


def _alter_publication(scene: Scene, node: pg.Node) -> None:
    statement = node.alter_publication_stmt
    if statement.action != pg.AP_DropObjects:
        access.publication(scene, statement.pubobjects)


def _define(scene: Scene, node: pg.Node) -> None:
    if node.define_stmt.kind == pg.OBJECT_TYPE:
        alter_type.create_other(scene, tree.name(node.define_stmt.defnames))


_FAMILIES: dict[str, Callable[[Scene, pg.Node], None]] = {
    "alter_default_privileges_stmt": lambda scene, node: access.default_privileges(
        scene, node.alter_default_privileges_stmt
    ),
    "alter_domain_stmt": lambda scene, node: alter_type.alter_domain(scene, node.alter_domain_stmt),
    "alter_enum_stmt": lambda scene, node: alter_type.alter_enum(scene, node.alter_enum_stmt),
    "alter_extension_stmt": lambda scene, node: alter_object.extension(scene, node.alter_extension_stmt),
    "alter_function_stmt": lambda scene, node: alter_object.function(scene, node.alter_function_stmt),
    "alter_object_schema_stmt": lambda scene, node: rename.set_schema(scene, node.alter_object_schema_stmt),
    "alter_owner_stmt": lambda scene, node: alter_object.owner(scene, node.alter_owner_stmt),
    "alter_policy_stmt": lambda scene, node: alter_object.policy(scene, node.alter_policy_stmt),
    "alter_role_stmt": lambda scene, node: alter_object.role(scene, node.alter_role_stmt),
    "alter_seq_stmt": lambda scene, node: create.alter_sequence(scene, node.alter_seq_stmt),
    "alter_publication_stmt": _alter_publication,
    "alter_table_stmt": _alter_table,
    "call_stmt": lambda scene, node: rows.call(scene, node.call_stmt),
    "cluster_stmt": lambda scene, node: maintenance.cluster(scene, node.cluster_stmt),
    "comment_stmt": lambda scene, node: maintenance.comment(scene, node.comment_stmt),
    "composite_type_stmt": lambda scene, node: alter_type.create_composite(scene, node.composite_type_stmt),
    "copy_stmt": lambda scene, node: rows.copy(scene, node.copy_stmt),
    "create_domain_stmt": lambda scene, node: alter_type.create_domain(scene, node.create_domain_stmt),
    "create_enum_stmt": lambda scene, node: alter_type.create_enum(scene, node.create_enum_stmt),
    "create_extension_stmt": lambda scene, node: create.extension(scene, node.create_extension_stmt),
    "create_foreign_table_stmt": lambda scene, node: create.table(
        scene, node.create_foreign_table_stmt.base_stmt, is_foreign=True
    ),
    "create_function_stmt": lambda scene, node: create.function(scene, node.create_function_stmt),
    "create_policy_stmt": lambda scene, node: create.policy(scene, node.create_policy_stmt),
    "create_foreign_server_stmt": lambda scene, node: access.options_with_password(
        scene, node.create_foreign_server_stmt.servername, node.create_foreign_server_stmt.options
    ),
    "create_publication_stmt": lambda scene, node: access.publication(
        scene, node.create_publication_stmt.pubobjects, is_every=node.create_publication_stmt.for_all_tables
    ),
    "create_range_stmt": lambda scene, node: alter_type.create_other(
        scene, tree.name(node.create_range_stmt.type_name)
    ),
    "create_role_stmt": lambda scene, node: create.role(scene, node.create_role_stmt),
    "create_schema_stmt": _create_schema,
    "create_seq_stmt": lambda scene, node: create.sequence(scene, node.create_seq_stmt),
    "create_stats_stmt": lambda scene, node: alter_object.statistics(scene, node.create_stats_stmt),
    "create_stmt": lambda scene, node: create.table(scene, node.create_stmt),
    "create_subscription_stmt": lambda scene, node: access.subscription(scene, node.create_subscription_stmt),
    "create_table_as_stmt": _create_table_as,
    "create_trig_stmt": lambda scene, node: create.trigger(scene, node.create_trig_stmt),
    "create_user_mapping_stmt": lambda scene, node: access.options_with_password(
        scene, tree.role(node.create_user_mapping_stmt.user), node.create_user_mapping_stmt.options
    ),
    "define_stmt": _define,
    "delete_stmt": lambda scene, node: rows.delete(scene, node.delete_stmt),
    "do_stmt": lambda scene, node: rows.code(scene, node.do_stmt),
    "drop_owned_stmt": lambda scene, node: drop.owned(scene, node.drop_owned_stmt),
    "drop_role_stmt": lambda scene, node: drop.role(scene, node.drop_role_stmt),
    "drop_stmt": lambda scene, node: drop.statement(scene, node.drop_stmt),
    "execute_stmt": lambda scene, node: scene.catalog.distrust("execute"),
    "grant_role_stmt": lambda scene, node: access.grant_role(scene, node.grant_role_stmt),
    "grant_stmt": lambda scene, node: access.grant(scene, node.grant_stmt),
    "import_foreign_schema_stmt": lambda scene, node: scene.catalog.open_schema(
        node.import_foreign_schema_stmt.local_schema
    ),
    "index_stmt": lambda scene, node: create.index(scene, node.index_stmt),
    "insert_stmt": lambda scene, node: rows.insert(scene, node.insert_stmt),
    "lock_stmt": lambda scene, node: maintenance.lock(scene, node.lock_stmt),
    "merge_stmt": lambda scene, node: rows.merge(scene, node.merge_stmt),
    "refresh_mat_view_stmt": lambda scene, node: maintenance.refresh(scene, node.refresh_mat_view_stmt),
    "reindex_stmt": lambda scene, node: maintenance.reindex(scene, node.reindex_stmt),
    "rename_stmt": lambda scene, node: rename.statement(scene, node.rename_stmt),
    "rule_stmt": lambda scene, node: create.rule(scene, node.rule_stmt),
    "select_stmt": lambda scene, node: rows.select(scene, node.select_stmt),
    "truncate_stmt": lambda scene, node: maintenance.truncate(scene, node.truncate_stmt),
    "update_stmt": lambda scene, node: rows.update(scene, node.update_stmt),
    "variable_set_stmt": lambda scene, node: access.set_variable(scene, node.variable_set_stmt),
    "vacuum_stmt": lambda scene, node: maintenance.vacuum(scene, node.vacuum_stmt),
    "view_stmt": lambda scene, node: create.view(scene, node.view_stmt),
}
"""By what a statement is; any other has no effect on a catalog."""
