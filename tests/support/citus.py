"""A Citus cluster: the one whose coordinator `ZMIG_TEST_CITUS` names, and an imitation of what tells of one."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.support.database import url_of

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

VARIABLE = "ZMIG_TEST_CITUS"


class Cluster(NamedTuple):
    """The URLs of one database on the nodes of a cluster."""

    coordinator: str
    workers: Sequence[str]

    def on_shards(self, query: str) -> list[str]:
        """Return what a query returns on the workers, in order; of one column."""
        found: list[str] = []
        for url in self.workers:
            with psycopg.connect(url, autocommit=True) as worker:
                worker.execute("set citus.override_table_visibility = off")  # or pg_class does not show them
                found += [str(row[0]) for row in worker.execute(query.encode())]
        return sorted(found)


@contextlib.contextmanager
def cluster(url: str, name: str) -> Generator[Cluster]:
    """Create a database on the nodes of the cluster that `url` leads to; drop it again."""
    with psycopg.connect(url, autocommit=True) as there:
        query = "select nodename, nodeport from pg_dist_node where noderole = 'primary' order by groupid"
        nodes = [(str(host), int(port)) for host, port in there.execute(query)]
        servers = [url_of(make_conninfo(url, host=host, port=port), "postgres") for host, port in nodes]
        own = [url_of(server, name) for server in servers]
        there.execute("select pg_advisory_lock(hashtext('zmig tests'))")  # the nodes take in one at a time
        for server, database in zip(servers, own, strict=True):
            _drop(server, name)
            _send(server, sql.SQL("create database {}").format(sql.Identifier(name)))
            with psycopg.connect(database, autocommit=True) as made:
                made.execute("create extension citus")
        with psycopg.connect(own[0], autocommit=True) as made:
            made.execute("select citus_set_coordinator_host(%s, %s)", nodes[0])
            for node in nodes[1:]:
                made.execute("select citus_add_node(%s, %s)", node)
    try:
        yield Cluster(own[0], own[1:])
    finally:
        for server in servers:
            _drop(server, name)


def _drop(url: str, name: str) -> None:
    _send(url, sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def _send(url: str, command: sql.Composed) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(command)


def imitate(connection: psycopg.Connection, *, group: int = 0) -> None:
    """Let a fresh database look like that of a node of a cluster, the coordinator if `group` is 0; as a superuser."""
    for command in (
        "set allow_system_table_mods = on",
        "insert into pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion) "
        "select 99999, 'citus', extowner, 'public'::regnamespace, false, '13' from pg_extension "
        "where extname = 'plpgsql'",
        "create table pg_catalog.pg_dist_local_group (groupid int)",
        "create table pg_catalog.pg_dist_node (groupid int, nodename text, nodeport int, noderole text)",
        "create table pg_catalog.pg_dist_partition "
        '(logicalrelid regclass, partmethod "char", repmodel "char", colocationid int)',
        f"insert into pg_catalog.pg_dist_local_group values ({group})",
        "insert into pg_catalog.pg_dist_node values (0, 'c.example', 5432, 'primary')",
    ):
        connection.execute(command.encode())
