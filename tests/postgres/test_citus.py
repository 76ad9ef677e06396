"""Where Citus is installed, what is done on the coordinator is done on other servers, too.

`ZMIG_TEST_CITUS` is the URL of a coordinator's database, with its nodes added, as a superuser who may create databases
on all of them. Without it, what needs a real cluster is skipped; the rest runs on an imitation of Citus' catalogs.
"""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.support import backends, citus
from tests.support.crash import wal_flushes
from tests.support.facts import Facts
from tests.support.process import Process, run
from tests.support.project import ProjectFolder
from zmig import Migrator
from zmig.errors import MigrationFailed, TrackingError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.citus import Cluster
    from tests.support.crash import CrashServer


@pytest.fixture(scope="session")
def _cluster(worker_name: str) -> Iterator[Cluster]:
    url = os.environ.get(citus.VARIABLE)
    if not url:
        pytest.skip(f"{citus.VARIABLE} names no coordinator of a Citus cluster")
    with citus.cluster(url, worker_name) as made:
        yield made


@pytest.fixture
def cluster(_cluster: Cluster) -> Iterator[Cluster]:
    """An emptied database of a real cluster."""
    yield _cluster
    with psycopg.connect(_cluster.coordinator, autocommit=True) as connection:
        connection.execute(
            "do $$ declare one text; begin for one in select nspname from pg_namespace where nspname !~ '^pg_' "
            "and nspname not in ('information_schema', 'public', 'citus', 'citus_internal', 'columnar', "
            "'columnar_internal') loop execute format('drop schema %I cascade', one); end loop; end $$"
        )


@pytest.fixture
def coordinator(cluster: Cluster) -> Iterator[psycopg.Connection]:
    """A session on the coordinator, with a distributed table `app.ev` of two tenants and some rows."""
    with psycopg.connect(cluster.coordinator, autocommit=True) as connection:
        connection.execute("create schema app")
        connection.execute("create table app.ev (tenant int, id int, v int)")
        connection.execute("select create_distributed_table('app.ev', 'tenant', shard_count := 4)")
        connection.execute("insert into app.ev select i % 2, i, i from generate_series(1, 40) i")
        yield connection


@pytest.fixture
def distributed(cluster: Cluster, tmp_path: Path) -> ProjectFolder:
    """A project whose database is on the real cluster's coordinator."""
    return ProjectFolder(tmp_path, cluster.coordinator)


KINDS = (
    "create index ev_v on app.ev (v)",
    "create unique index ev_u on app.ev (tenant, id)",
    "alter index app.ev_v rename to ev_w",
    "drop index app.ev_w",
    "alter table app.ev add column w int",
    "alter table app.ev rename column w to x",
    "alter table app.ev alter column x type bigint",
    "alter table app.ev alter column x set default 1",
    "alter table app.ev alter column x drop default",
    "update app.ev set x = 1",
    "alter table app.ev alter column x set not null",
    "alter table app.ev alter column x drop not null",
    "alter table app.ev drop column x",
    "alter table app.ev add constraint ev_c check (v > 0)",
    "alter table app.ev add constraint ev_n check (id > 0) not valid",
    "alter table app.ev validate constraint ev_n",
    "alter table app.ev add constraint ev_uq unique (tenant, v)",
    "alter table app.ev set (fillfactor = 90)",
    "alter table app.ev owner to current_user",
    "alter table app.ev enable row level security",
    "alter table app.ev replica identity full",
    "reindex table app.ev",
    "reindex index app.ev_u",
    "cluster app.ev using ev_u",
    "create view app.seen as select * from app.ev",
    "create type app.mood as enum ('good', 'bad')",
    "comment on table app.ev is 'events'",
    "alter table app.ev rename to events",
    "alter table app.events rename to ev",
)


def _declare_kinds(project: ProjectFolder) -> None:
    for number, kind in enumerate(KINDS, start=1):
        project.sql(f"{number:03}_kind", f"-- {number}\n{kind};\nselect {number};", rollback="select 1;")


def test_every_kind_of_statement_is_applied_each_as_a_message_of_its_own(
    distributed: ProjectFolder, cluster: Cluster, coordinator: psycopg.Connection
) -> None:
    _declare_kinds(distributed)
    assert len(Migrator(distributed.manifest).rehearse().steps) == len(KINDS)
    Migrator(distributed.manifest).migrate()
    facts = Facts(coordinator)
    assert facts.applied == [(number, f"{number:03}_kind") for number in range(1, len(KINDS) + 1)]
    shards = "select count(*) from pg_constraint where conrelid::regclass::text ~ 'ev_[0-9]+$' and conname ~ '^ev_n'"
    assert sum(map(int, cluster.on_shards(shards))) == 4


def test_the_tracking_tables_are_on_the_coordinator_alone(
    distributed: ProjectFolder, cluster: Cluster, coordinator: psycopg.Connection
) -> None:
    name = coordinator.info.dbname
    for setting in ("enable_schema_based_sharding", "use_citus_managed_tables"):
        coordinator.execute(f"alter database {name} set citus.{setting} = on".encode())
    try:
        distributed.sql("001_tenant", "create schema tenant;\ncreate table tenant.t (id int primary key);")
        Migrator(distributed.manifest).migrate()
    finally:
        coordinator.execute(f"alter database {name} reset all".encode())
    found = coordinator.execute("select logicalrelid::text from pg_dist_partition order by 1").fetchall()
    assert found == [("app.ev",), ("tenant.t",)]
    assert cluster.on_shards("select nspname from pg_namespace where nspname in ('zmig', 'tenant')") == ["tenant"] * 2
    assert Facts(coordinator).told == [("001_tenant", "started"), ("001_tenant", "done")]


def test_settings_that_are_sent_on_to_workers_carry_nothing_of_zmigs_own(
    distributed: ProjectFolder, coordinator: psycopg.Connection
) -> None:
    name = coordinator.info.dbname
    coordinator.execute(f"alter database {name} set citus.propagate_set_commands = 'local'".encode())
    role = {"run_as": "postgres"} if coordinator.info.user == "postgres" else {}
    distributed.sql("001_a", "set local lock_timeout = '2s';\nupdate app.ev set v = v + 1;", **role)
    distributed.sql("002_b", "update app.ev set v = v + 1;\nvacuum app.ev;\nupdate app.ev set v = v + 1;")
    coordinator.execute("create table app.keyed (id int primary key, v int)")
    coordinator.execute("select create_distributed_table('app.keyed', 'id', shard_count := 4)")
    coordinator.execute("insert into app.keyed select i, i from generate_series(1, 40) i")
    text = (
        "with n as (select id from app.keyed where id > :cursor order by id limit :size) update app.keyed set v = v + 1"
    )
    batch = {"size": 30, "start": -1}
    distributed.sql("003_c", f"{text} from n where keyed.id = n.id returning keyed.id;", batch=batch)
    distributed.python("004_d", "def execute(ctx):\n    ctx.execute('update app.ev set v = v + 1')\n")
    distributed.sql("005_e", "begin;\nupdate app.ev set v = v + 1;\ncommit;", transaction=False)
    try:
        Migrator(distributed.manifest).migrate()
        for number in (6, 7):
            distributed.sql(f"00{number}_m", "update app.ev set v = v + 1;\nalter table app.ev set (fillfactor = 80);")
        Migrator(distributed.manifest).migrate(atomic=True)
    finally:
        coordinator.execute(f"alter database {name} reset all".encode())
    assert coordinator.execute("select sum(v - id) from app.ev").fetchone() == (7 * 40,)
    assert coordinator.execute("select sum(v - id) from app.keyed").fetchone() == (40,)


def test_an_error_points_at_its_statement_and_nothing_of_the_file_stays(
    distributed: ProjectFolder, coordinator: psycopg.Connection
) -> None:
    text = "alter table app.ev add column w int;\nupdate app.ev set w = 1;\n\nalter table app.ev drop column wrong;\n"
    distributed.sql("001_wrong", text)
    with pytest.raises(MigrationFailed) as raised:
        Migrator(distributed.manifest).migrate()
    problem = raised.value.problems[0]
    assert str(problem.location).endswith("001_wrong.sql:4:1")
    assert "statement 3 of 3" in problem.facts[0]
    distributed.sql("001_wrong", "alter table app.ev add column w int;\nselect 1;\nselect wrong from app.ev;")
    with pytest.raises(MigrationFailed) as raised:
        Migrator(distributed.manifest).migrate()
    assert str(raised.value.problems[0].location).endswith("001_wrong.sql:3:8")
    distributed.sql("001_wrong", "alter table app.ev add column w int;\nselekt 1;")
    with pytest.raises(MigrationFailed) as raised:
        Migrator(distributed.manifest).migrate()
    assert str(raised.value.problems[0].location).endswith("001_wrong.sql:2:1")
    assert "w" not in [one.name for one in coordinator.execute("select * from app.ev limit 0").description or ()]
    assert Facts(coordinator).told == [("001_wrong", "started"), ("001_wrong", "failed")] * 3


def test_rows_behind_a_copy_and_a_file_of_a_megabyte_are_applied(
    distributed: ProjectFolder, coordinator: psycopg.Connection
) -> None:
    rows = "".join(f"{number % 2}\t{number}\t{number}\n" for number in range(100, 110))
    distributed.sql("001_copy", f"copy app.ev (tenant, id, v) from stdin;\n{rows}\\.\ncreate index on app.ev (v);")
    comment = f"/* {'x' * 1000} */"
    distributed.sql("002_large", "".join(f"create index on app.ev (v, ({n})); {comment * 200}\n" for n in range(6)))
    Migrator(distributed.manifest).migrate()
    assert coordinator.execute("select count(*) from app.ev").fetchone() == (50,)
    assert coordinator.execute("select count(*) from pg_index where indrelid = 'app.ev'::regclass").fetchone() == (7,)


def test_all_or_nothing_forward_and_a_rollback(distributed: ProjectFolder, coordinator: psycopg.Connection) -> None:
    indexes = "select count(*) from pg_index where indrelid = 'app.ev'::regclass and indisvalid"
    for number in (1, 2):
        make = f"create index ev_{number} on app.ev (v);\nalter table app.ev add column w{number} int;"
        take = f"alter table app.ev drop column w{number};\ndrop index app.ev_{number};"
        distributed.sql(f"00{number}_m", make, rollback=take)
    Migrator(distributed.manifest).migrate(atomic=True)
    assert coordinator.execute(indexes).fetchone() == (2,)
    Migrator(distributed.manifest).rollback(steps=2)
    assert coordinator.execute(indexes).fetchone() == (0,)
    assert Facts(coordinator).applied == []


def _every_command(migrator: Migrator) -> Iterator[tuple[str, Callable[[], object]]]:
    yield "status", migrator.status
    yield "version", migrator.current_version
    yield "history", migrator.history
    yield "plan", migrator.plan
    yield "rehearse", migrator.rehearse
    yield "migrate", migrator.migrate
    yield "rollback", migrator.rollback
    yield "retry", migrator.retry
    yield "resolve", lambda: migrator.resolve("001_m", "done", reason="so it is")
    yield "accept", lambda: migrator.accept("001_m", reason="so it is")
    yield "baseline", lambda: migrator.baseline(to=1, reason="so it is")
    yield "pause", migrator.pause
    yield "resume", migrator.resume
    yield "reset", migrator.reset
    yield "watch", migrator.watcher().poll


def test_a_worker_is_refused_by_every_command(
    fresh_database: str, connect: Callable[..., psycopg.Connection], tmp_path: Path
) -> None:
    connection = connect(fresh_database)
    citus.imitate(connection, group=2)
    project = ProjectFolder(tmp_path, fresh_database)
    project.sql("001_m", "create table t (x int);")
    for name, command in _every_command(Migrator(project.manifest)):
        with pytest.raises(UsageError) as raised:
            command()
        (problem,) = raised.value.problems
        assert problem.code == "citus-worker", name
        assert problem.hint is not None and "`c.example:5432`" in problem.hint
    assert connection.execute("select to_regclass('t'), to_regnamespace('zmig')").fetchone() == (None, None)


def test_a_real_worker_names_the_coordinator(cluster: Cluster, distributed: ProjectFolder) -> None:
    distributed.sql("001_m", "create table t (x int);")
    parameters = conninfo_to_dict(cluster.coordinator)
    for worker in cluster.workers:
        with pytest.raises(UsageError) as raised:
            Migrator(distributed.manifest, database_url=worker).migrate()
        assert f"`{parameters['host']}:{parameters['port']}`" in (raised.value.problems[0].hint or "")


def test_facts_that_citus_spread_are_refused(distributed: ProjectFolder, coordinator: psycopg.Connection) -> None:
    distributed.sql("001_m", "create table app.t (x int);")
    coordinator.execute("set citus.enable_schema_based_sharding = on")
    coordinator.execute("create schema zmig")
    with pytest.raises(TrackingError) as raised:
        Migrator(distributed.manifest).migrate()
    assert raised.value.problems[0].hint == "run `select citus_schema_undistribute('zmig')`"
    coordinator.execute("select citus_schema_undistribute('zmig')")
    Migrator(distributed.manifest).migrate()
    coordinator.execute("drop trigger append_only on zmig.migration_events")
    coordinator.execute("select create_reference_table('zmig.migration_events')")
    with pytest.raises(TrackingError) as raised:
        Migrator(distributed.manifest).status()
    assert raised.value.problems[0].message.startswith("Citus keeps `zmig.migration_events` on several nodes")


def test_nothing_is_reset_where_other_nodes_would_keep_it(
    fresh_database: str, connect: Callable[..., psycopg.Connection], tmp_path: Path
) -> None:
    connection = connect(fresh_database)
    citus.imitate(connection)
    project = ProjectFolder(tmp_path, fresh_database)
    project.sql("001_m", "create table t (x int);")
    Migrator(project.manifest).migrate()
    with pytest.raises(UsageError) as raised:
        Migrator(project.manifest).reset()
    assert raised.value.problems[0].code == "reset-refused"
    assert connection.execute("select count(*) from t").fetchone() == (0,)
    assert connection.execute("select count(*) from pg_extension where extname = 'citus'").fetchone() == (1,)


def test_every_commit_waits_for_its_own_flush(crash_server: CrashServer, tmp_path: Path) -> None:
    with psycopg.connect(crash_server.url(), autocommit=True) as connection:
        if connection.info.server_version < 150000:
            pytest.skip("the server does not tell at once how often it flushed")
        citus.imitate(connection)
    project = ProjectFolder(tmp_path, crash_server.url())
    for number in range(1, 31):
        project.sql(f"{number:03}_m", f"create table t{number} (x int);")
    before = wal_flushes(crash_server.url())
    Migrator(project.manifest).migrate()
    assert wal_flushes(crash_server.url()) - before >= 2 * 30


@pytest.fixture
def elsewhere(cluster: Cluster, connect: Callable[..., psycopg.Connection]) -> psycopg.Connection:
    """A session on the coordinator that looks at the others."""
    return connect(cluster.coordinator)


CONCURRENTLY = "create unique index concurrently ev_x on app.ev (tenant, v);"
VALID_ON_SHARDS = (
    "select c.relname || ' ' || i.indisvalid from pg_index i join pg_class c on c.oid = i.indexrelid "
    "where c.relname ~ '^ev_x_[0-9]'"
)
SHARDS = 4


def _valid_indexes(cluster: Cluster) -> int:
    found = cluster.on_shards(VALID_ON_SHARDS)
    assert all(one.endswith(" true") for one in found)
    return len(found)


@pytest.mark.parametrize("ending", ["SIGKILL", "SIGINT"])
def test_an_index_that_is_valid_on_the_coordinator_and_on_no_shard_is_built_again(
    distributed: ProjectFolder,
    cluster: Cluster,
    coordinator: psycopg.Connection,
    elsewhere: psycopg.Connection,
    connect: Callable[..., psycopg.Connection],
    ending: str,
) -> None:
    """The build waits for a snapshot, and somebody for its lock, which the build needs once more for the shards."""
    distributed.change(defaults={"lock_timeout": "10min"})
    distributed.sql("001_index", CONCURRENTLY)
    reader, queued = connect(cluster.coordinator), connect(cluster.coordinator)
    reader.execute("begin isolation level repeatable read")
    reader.execute("select count(*) from pg_class")
    with Process("apply", distributed.manifest) as process, ThreadPoolExecutor(1) as threads:
        backends.wait_for(elsewhere, 1, "wait_event = 'virtualxid' and query like 'create unique index%'", of=process)
        queued.execute("begin")
        locked = threads.submit(queued.execute, "lock table app.ev in share update exclusive mode")
        waits = f"select from pg_locks where pid = {queued.info.backend_pid} and not granted"
        backends.wait_until(elsewhere, f"exists ({waits})", of=process)
        reader.execute("rollback")
        locked.result()
        backends.wait_for(elsewhere, 1, "wait_event = 'relation' and query like 'create unique index%'", of=process)
        assert coordinator.execute(
            "select indisvalid from pg_index where indexrelid = 'app.ev_x'::regclass"
        ).fetchone() == (True,)
        assert _valid_indexes(cluster) == 0
        process.send(signal.Signals[ending])
        process.wait()
        backends.wait_for_end(elsewhere)
        queued.execute("rollback")
    ended = run("apply", distributed.manifest)
    assert ended.code == 0, ended.stderr
    assert _valid_indexes(cluster) == SHARDS
    with pytest.raises(psycopg.errors.UniqueViolation):
        coordinator.execute("insert into app.ev values (1, 200, 77), (1, 201, 77)")


@pytest.mark.parametrize(
    ("statement", "left"),
    [
        ("drop index concurrently app.ev_x", 0),
        ("reindex index concurrently app.ev_x", SHARDS),
    ],
)
def test_what_was_killed_on_the_way_through_the_shards_is_completed(
    distributed: ProjectFolder,
    cluster: Cluster,
    coordinator: psycopg.Connection,
    elsewhere: psycopg.Connection,
    connect: Callable[..., psycopg.Connection],
    statement: str,
    left: int,
) -> None:
    distributed.change(defaults={"lock_timeout": "10min"})
    coordinator.execute(CONCURRENTLY)
    distributed.sql("001_m", f"{statement};")
    readers = [connect(worker) for worker in cluster.workers]
    for reader in readers:
        reader.execute("set citus.override_table_visibility = off")
        (shard,) = reader.execute(
            "select max(oid)::regclass::text from pg_class where relname ~ '^ev_[0-9]+$'"
        ).fetchall()[0]
        reader.execute("begin isolation level repeatable read")
        reader.execute(f"select count(*) from {shard}".encode())
    watching = [connect(worker) for worker in cluster.workers]
    with Process("apply", distributed.manifest) as process:
        for watch in watching:
            backends.wait_until(
                watch,
                "exists (select from pg_stat_activity where wait_event_type = 'Lock' and query ilike '%concurrently%')",
                of=process,
            )
        process.kill()
    backends.wait_for_end(elsewhere)
    for reader in readers:
        reader.execute("rollback")
    ended = run("apply", distributed.manifest)
    assert ended.code == 0, ended.stderr
    assert _valid_indexes(cluster) == left
    assert Facts(coordinator).told[-1] == ("001_m", "done")


def test_what_other_nodes_do_at_once_is_not_rehearsed(
    distributed: ProjectFolder, cluster: Cluster, coordinator: psycopg.Connection
) -> None:
    del coordinator
    distributed.sql("001_m", "select run_command_on_workers('create table at_once (x int)');")
    (step,) = Migrator(distributed.manifest).rehearse().steps
    assert step.skipped == (
        "`run_command_on_workers` in line 1 acts on other servers at once, since no rollback undoes it"
    )
    assert cluster.on_shards("select relname from pg_class where relname = 'at_once'") == []


def test_a_table_is_distributed_concurrently(
    distributed: ProjectFolder, cluster: Cluster, coordinator: psycopg.Connection
) -> None:
    del cluster
    coordinator.execute("create table app.big as select i as id from generate_series(1, 100) i")
    coordinator.execute("alter table app.big add primary key (id)")
    distributed.sql("001_m", "select create_distributed_table_concurrently('app.big', 'id', shard_count := 2);")
    (step,) = Migrator(distributed.manifest).plan().steps
    assert step.mode is not None
    assert not step.mode.transactional
    Migrator(distributed.manifest).migrate()
    assert coordinator.execute(
        "select count(*) from pg_dist_shard where logicalrelid = 'app.big'::regclass"
    ).fetchone() == (2,)
