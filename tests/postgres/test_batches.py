"""Batched migrations on a real server: round by round, killed, resumed, paused, refused."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from psycopg.conninfo import make_conninfo

from tests.support import backends
from tests.support.process import Process
from tests.support.recorder import Recorder
from zmig import MigrationFailed, Migrator
from zmig.errors import ManifestError, PlanRefused, UsageError
from zmig.progress import RoundFinished, StepFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import psycopg

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder
    from zmig.progress import Progress

UPDATE = """\
-- lower-case every name
update users set name = lower(name)
where id in (select id from users where id > :cursor order by id limit :size)
returning id;
"""
BATCH: dict[str, Any] = {"size": 10, "start": 0, "total": "select count(*) from users"}


@pytest.fixture(autouse=True)
def users(connection: psycopg.Connection) -> None:
    connection.execute(
        "create table users as select id, 'NAME ' || id as name, 0 as touched from generate_series(1, 95) id;"
        "alter table users add primary key (id)"
    )


def left(connection: psycopg.Connection) -> int:
    row = connection.execute("select count(*) from users where name <> lower(name)").fetchone()
    assert row is not None
    return row[0]


@contextlib.contextmanager
def row_held(connection: psycopg.Connection, key: int) -> Generator[Callable[[], None]]:
    """Lock one row, so that the round that comes to it waits until it is released; give the function that does that."""
    with contextlib.ExitStack() as held:
        held.enter_context(connection.transaction())
        connection.execute("select from users where id = %s for update", (key,))
        yield held.close


def test_a_statement_is_repeated_until_it_touches_no_row(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    project.sql("001_lower", UPDATE, batch=BATCH)
    recorder = Recorder()
    Migrator(project.manifest, observer=recorder).migrate()
    assert left(connection) == 0
    assert [(one.rounds, one.rows, one.total) for one in recorder.all(RoundFinished)] == [
        (number, min(number * 10, 95), 95) for number in range(1, 11)
    ]
    checkpoints = facts.data("001_lower", "checkpoint")
    assert [(one["cursor"], one["rows"]) for one in checkpoints[-2:]] == [(90, 90), (95, 95)]
    (done,) = facts.data("001_lower", "done")
    assert (done["rows"], done["rounds"]) == (95, 10)
    assert Migrator(project.manifest).plan().steps == ()


def test_rounds_need_no_cursor_where_the_statement_passes_over_what_it_did(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    statement = "delete from users where id in (select id from users where id > 40 limit :size)"
    project.sql("001_delete", statement, batch={"size": 7})
    Migrator(project.manifest).migrate()
    assert connection.execute("select count(*) from users").fetchone() == (40,)
    assert facts.data("001_delete", "done")[0]["rows"] == 55


def test_texts_as_keys_are_compared_by_the_server(project: ProjectFolder, connection: psycopg.Connection) -> None:
    connection.execute(
        'alter table users add key text collate "C"; update users set key = chr(64 + id % 60) || id;'
        "alter table users add unique (key), alter key set not null"
    )
    project.sql(
        "001_touch",
        "with chosen as (select key from users where key > :cursor order by key limit :size),\n"
        "touched as (update users set touched = touched + 1 from chosen where users.key = chosen.key)\n"
        "select max(key), count(*) from chosen;",
        batch={"size": 8, "start": "!"},
    )
    Migrator(project.manifest).migrate()
    assert connection.execute("select distinct touched from users").fetchall() == [(1,)]


FLOATS = """
create table floats (k float8 primary key, v int default 0);
insert into floats select distinct 0.1234567890123456 + g * 1e-16 from generate_series(0, 300) g;
"""


@pytest.mark.parametrize("digits", [0, -3, 1])
@pytest.mark.parametrize("language", ["sql", "python"])
def test_keys_are_stored_in_full_whatever_the_role_writes(
    project: ProjectFolder, connection: psycopg.Connection, digits: int, language: str
) -> None:
    connection.execute(
        f"{FLOATS} alter role current_user in database {_quoted(connection)} set extra_float_digits = {digits}".encode()
    )
    update = (
        "update floats set v = v + 1 where k in (select k from floats where k > {} order by k limit {}) returning k"
    )
    if language == "sql":
        project.sql("001_floats", update.format(":cursor", ":size"), batch={"size": 7, "start": 0})
    else:
        statement = update.format("%s", "%s")
        project.python(
            "001_floats",
            "def execute(ctx):\n    for batch in ctx.batches():\n"
            f"        keys = [k for k, in ctx.execute('{statement}', (batch.cursor, batch.size))]\n"
            "        batch.done(len(keys), cursor=max(keys, default=None))\n",
            batch={"size": 7, "start": 0},
        )
    try:
        Migrator(project.manifest).migrate()
    finally:
        connection.execute(f"alter role current_user in database {_quoted(connection)} reset all".encode())
    assert connection.execute("select distinct v from floats").fetchall() == [(1,)]


def test_times_are_compared_as_moments_where_summer_time_ends(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    connection.execute(
        f"alter role current_user in database {_quoted(connection)} set timezone = 'Europe/Berlin'; "
        "create table times (k timestamptz primary key, v int default 0); insert into times "
        "select timestamptz '2025-10-25 23:00Z' + g * interval '5 min' from generate_series(0, 47) g".encode()
    )
    project.sql(
        "001_times",
        "update times set v = v + 1 "
        "where k in (select k from times where k > :cursor order by k limit :size) returning k",
        batch={"size": 7, "start": "2000-01-01"},
    )
    try:
        Migrator(project.manifest).migrate()
    finally:
        connection.execute(f"alter role current_user in database {_quoted(connection)} reset all".encode())
    assert connection.execute("select v, count(*) from times group by v").fetchall() == [(1, 48)]


def _quoted(connection: psycopg.Connection) -> str:
    return f'"{connection.info.dbname}"'


CHOSEN = (
    "with chosen as (select {0} from users where {0} > :cursor order by {0} {1}),\n"
    "touched as (update users set touched = touched + 1 from chosen where users.{0} = chosen.{0} returning 1)\n"
    "select max({0}), count(*) from touched, chosen;"
)


@pytest.mark.parametrize(
    ("change", "text", "message"),
    [
        ("", "update users set touched = 1 where k > :cursor and :size > 0 returning k", "is not unique"),
        ("", CHOSEN.format("k", "limit :size"), "is not unique"),
        (
            "alter table users drop constraint users_pkey, add primary key (k, id)",
            "update users set touched = 1 where k > :cursor and :size > 0 returning k",
            "is not unique",
        ),
        (
            "update users set k = id; alter table users add unique (k)",
            "delete from users where id in (select id from users where k > :cursor order by k limit :size) returning k",
            "may be null",
        ),
    ],
)
def test_a_key_that_does_not_order_all_rows_is_refused(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts, change: str, text: str, message: str
) -> None:
    connection.execute(f"alter table users add k int; update users set k = id / 2; {change}".encode())
    project.sql("001_touch", text, batch={"size": 10, "start": -1})
    with pytest.raises(MigrationFailed) as caught:
        Migrator(project.manifest).migrate()
    (problem,) = caught.value.problems
    assert problem.code == "batch-key"
    assert f"the key of its rounds, `public.users.k`, {message}" in problem.message
    assert connection.execute("select count(*), sum(touched) from users").fetchone() == (95, 0)
    assert facts.data("001_touch", "checkpoint") == []


def test_a_key_is_named_as_it_is_written_whatever_the_role_has_quoted(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    connection.execute("alter table users add k int")
    text = "delete from users where id in (select id from users where k > :cursor order by k limit :size) returning k"
    project.sql("001_touch", text, batch={"size": 10, "start": -1})
    url = make_conninfo(project.url, options="-c quote_all_identifiers=on")
    with pytest.raises(MigrationFailed, match=r"the key of its rounds, `public\.users\.k`, is not unique"):
        Migrator(project.manifest, database_url=url).migrate()


def test_rows_that_share_a_key_or_have_none_may_be_taken_or_left_on_purpose(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    connection.execute("alter table users add k int; update users set k = id / 4 where id > 1")
    ties = "fetch first :size rows with ties"
    project.sql(
        "001_touch",
        "update users set touched = touched + 1 where id in (select id from users "
        f"where k is not null and k > :cursor order by k {ties}) returning k",
        batch={"size": 10, "start": -1},
    )
    Migrator(project.manifest).migrate()
    assert connection.execute("select touched, count(*) from users group by 1 order by 1").fetchall() == [
        (0, 1),
        (1, 94),
    ]


PYTHON = """
def execute(ctx):
    for batch in ctx.batches():
        ids = [id for id, in ctx.execute(
            "update users set touched = touched + 1 where id in"
            " (select id from users where id > %s order by id limit %s) returning id", (batch.cursor, batch.size)
        )]
        {extra}
        batch.done(len(ids), cursor=max(ids, default=None))
"""


def test_python_code_gets_its_rounds_from_the_context(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    project.python("001_touch", PYTHON.format(extra="pass"), batch={"size": 30, "start": 0})
    Migrator(project.manifest).migrate()
    assert connection.execute("select distinct touched from users").fetchall() == [(1,)]
    assert [one["cursor"] for one in facts.data("001_touch", "checkpoint")] == [30, 60, 90, 95]


def test_python_code_that_fails_or_leaves_goes_on_behind_its_last_round(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    extra = "if batch.rows_before == 60: raise ValueError('no more')"
    project.python("001_touch", PYTHON.format(extra=extra), batch={"size": 30, "start": 0})
    with pytest.raises(MigrationFailed) as caught:
        Migrator(project.manifest).migrate()
    effect = caught.value.problems[0].effect
    assert effect == "not rolled back: the 60 rows of 2 rounds stay changed, and the next run continues after them"
    assert connection.execute("select count(*) from users where touched = 1").fetchone() == (60,)
    project.python(
        "001_touch", PYTHON.format(extra="if batch.rows_before == 90: break"), batch={"size": 30, "start": 0}
    )
    assert Migrator(project.manifest).plan().steps[0].reason.endswith("no more; continues after 60 rows")
    Migrator(project.manifest).migrate()
    assert connection.execute("select touched, count(*) from users group by 1 order by 1").fetchall() == [
        (0, 5),
        (1, 90),
    ]
    assert facts.data("001_touch", "done")[0]["rows"] == 90


def test_python_code_that_has_nothing_to_do_may_begin_no_round(project: ProjectFolder, facts: Facts) -> None:
    project.python("001_touch", "def execute(ctx):\n    return\n", batch={"size": 40, "start": 0})
    Migrator(project.manifest).migrate()
    assert len(facts.data("001_touch", "done")) == 1


def test_batches_are_refused_to_python_code_whose_entry_has_none(project: ProjectFolder) -> None:
    project.python("001_touch", PYTHON.format(extra="pass"))
    with pytest.raises(MigrationFailed, match="its manifest entry has no `batch`"):
        Migrator(project.manifest).migrate()


def test_a_run_that_is_killed_loses_at_most_the_round_in_flight_and_is_continued(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    counted = UPDATE.replace("lower(name)", "lower(name), touched = touched + 1")
    project.sql("001_lower", counted, batch={**BATCH, "size": 1}, lock_timeout="10min")
    with row_held(connection, 80), Process("apply", project.manifest) as process:
        backends.wait_until(connection, "(select count(*) from users where touched > 0) >= 15", of=process)
        process.kill()
        backends.wait_for_end(connection)
    done = facts.data("001_lower", "checkpoint")[-1]["rows"]
    assert connection.execute("select count(*) from users where touched = 1").fetchone() == (done,)
    assert 15 <= done < 95
    assert Migrator(project.manifest).status().stuck == ["001_lower"]

    project.sql("001_lower", counted, batch=BATCH)
    Migrator(project.manifest).migrate()
    assert connection.execute("select touched, count(*) from users group by 1").fetchall() == [(1, 95)]
    assert facts.data("001_lower", "done")[0]["rows"] == 95
    assert facts.data("001_lower", "checkpoint")[-1]["total"] == 95


def test_rounds_are_not_continued_by_another_key(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    connection.execute(
        "alter table users add k int; update users set k = 1000 - id;"
        "alter table users add unique (k), alter k set not null;"
        "alter table users add check (k <> 940 or touched = 0)"
    )
    text = (
        "update users set touched = touched + 1 where id in "
        "(select {0} from users where {0} > :cursor order by {0} limit :size) returning {0}"
    )
    project.sql("001_touch", text.format("id"), batch=BATCH)
    with pytest.raises(MigrationFailed, match="violates check constraint"):
        Migrator(project.manifest).migrate()
    assert facts.data("001_touch", "checkpoint")[-1]["key"] == "id"
    path = project.sql("001_touch", text.format("k").replace("id in (select k", "k in (select k"), batch=BATCH)
    with pytest.raises(PlanRefused, match="went by the key `id` before, and go by `k` now"):
        Migrator(project.manifest).migrate()
    connection.execute("alter table users drop constraint users_check")
    path.write_text(text.format("id").replace("from users", "from users u").replace(" id >", " u.id >"))
    Migrator(project.manifest).migrate()
    assert connection.execute("select touched, count(*) from users group by 1").fetchall() == [(1, 95)]


def test_an_error_in_a_round_has_its_place_in_the_file(project: ProjectFolder) -> None:
    project.sql(
        "001_wrong",
        "update users set name = name\nwhere id > :cursor and :size > 0 and nowhere returning id",
        batch=BATCH,
    )
    with pytest.raises(MigrationFailed, match='column "nowhere" does not exist') as caught:
        Migrator(project.manifest).migrate()
    location = caught.value.problems[0].location
    assert location is not None
    assert (location.line, location.column) == (2, 38)


def test_a_round_that_the_server_cannot_read_has_the_place_of_its_error(project: ProjectFolder) -> None:
    project.sql("001_wrong", "update users set name = 'ü'\nwhere id > :cursor order :size returning id", batch=BATCH)
    with pytest.raises(MigrationFailed, match='syntax error at or near "order"') as caught:
        Migrator(project.manifest).migrate()
    location = caught.value.problems[0].location
    assert location is not None
    assert (location.line, location.column) == (2, 20)


def test_a_round_that_meets_a_lock_is_tried_again_and_progress_starts_the_count_anew(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    connection.execute(
        "create table hurdles (id int); insert into hurdles values (20), (40), (60);"
        "create sequence tries;"
        "create function stumble(key int) returns text language plpgsql as $$ begin "
        "if key in (20, 40, 60) and nextval('tries') % 2 = 1 then raise exception using errcode = '55P03'; end if; "
        "return key::text; end $$"
    )
    project.sql(
        "001_lower",
        UPDATE.replace("lower(name)", "stumble(id)"),
        batch={"size": 10, "start": 0},
        retry={"attempts": 2, "backoff": "1ms", "max_backoff": "1ms"},
    )
    Migrator(project.manifest).migrate()
    assert [one["will_retry"] for one in facts.data("001_lower", "failed")] == [True, True, True]
    assert facts.data("001_lower", "done")[0]["rows"] == 95


def test_an_attempt_that_fails_before_its_first_round_forgets_no_round_of_those_before_it(
    project: ProjectFolder, connect: Callable[..., psycopg.Connection], facts: Facts
) -> None:
    project.sql(
        "001_lower",
        UPDATE.replace("lower(name)", "lower(name), touched = touched + 1"),
        batch={"size": 10, "start": 0},
        lock_timeout="50ms",
        retry={"attempts": 5, "backoff": "1ms", "max_backoff": "1ms"},
    )
    holder = connect(autocommit=False)
    failures: list[StepFailed] = []

    def observe(progress: Progress) -> None:
        if isinstance(progress, RoundFinished) and not failures:
            holder.execute("lock table users in access exclusive mode")
        elif isinstance(progress, StepFailed):
            failures.append(progress)
            if len(failures) == 2:
                holder.rollback()

    Migrator(project.manifest, observer=observe).migrate()
    kept = "not rolled back: the 10 rows of 1 round stay changed, and the next run continues after them"
    assert [one.problem.effect for one in failures] == [kept, kept]
    assert facts.data("001_lower", "started")[2].get("resumed_after") == 0
    assert connect().execute("select distinct touched from users").fetchall() == [(1,)]
    assert facts.data("001_lower", "done")[0]["rows"] == 95


@pytest.mark.parametrize(
    ("text", "batch", "message"),
    [
        ("update users set id = id where id > :cursor", {"start": 0}, "the batched statement has no `:size`"),
        ("delete from users where id > :cursor and :size > 0", {}, "nothing says where that begins"),
        ("select :size; select 1", {}, "a batched file holds one statement, and"),
        ("vacuum users -- :size", {}, "`VACUUM` cannot be run in batches"),
        (UPDATE.replace("order by id", "order by id desc"), {"start": 0}, "farthest from `:cursor` first"),
    ],
)
def test_a_file_that_cannot_be_batched_is_refused_before_anything_runs(
    project: ProjectFolder, connection: psycopg.Connection, text: str, batch: dict[str, Any], message: str
) -> None:
    project.sql("001_wrong", text, batch=batch)
    with pytest.raises(ManifestError, match=message):
        Migrator(project.manifest).migrate()
    assert connection.execute("select to_regnamespace('zmig')").fetchone() == (None,)


def test_a_mistake_in_the_choice_of_rows_has_its_place_in_the_file(project: ProjectFolder) -> None:
    path = project.sql("001_wrong", f"-- why\n{UPDATE.replace('id > ', 'id >= ')}", batch=BATCH)
    with pytest.raises(ManifestError) as caught:
        Migrator(project.manifest).migrate()
    (problem,) = caught.value.problems
    assert problem.code == "batch-unordered"
    assert problem.location is not None
    assert Path(problem.location.path).resolve() == path.resolve()
    assert (problem.location.line, problem.location.column) == (4, 41)


def test_a_statement_that_would_never_end_is_ended(project: ProjectFolder, connection: psycopg.Connection) -> None:
    project.sql("001_endless", "update users set touched = 1 where :cursor < 9 and :size > 0 returning 3", batch=BATCH)
    with pytest.raises(MigrationFailed, match="came no further than key `3`"):
        Migrator(project.manifest).migrate()


def test_a_lock_that_was_released_in_a_round_is_noticed_in_that_round(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    extra = "ctx.execute('select pg_advisory_unlock_all()')"
    project.python("001_touch", PYTHON.format(extra=extra), batch={"size": 30, "start": 0})
    with pytest.raises(MigrationFailed) as caught:
        Migrator(project.manifest).migrate()
    assert caught.value.problems[0].code == "lock-lost"
    assert connection.execute("select distinct touched from users").fetchall() == [(0,)]


def test_a_run_is_paused_from_elsewhere_and_goes_on(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    project.sql("001_lower", UPDATE, batch=BATCH, lock_timeout="10min")
    with row_held(connection, 15) as release, Process("apply", project.manifest) as process:
        process.wait_for("round 1: ")
        with Process("pause", project.manifest, "--reason", "the nightly report") as pausing:
            assert pausing.wait().code == 0
        release()
        process.wait_for("between two rounds: paused: the nightly report")
        before = left(connection)
        assert before > 0
        status = Migrator(project.manifest).status()
        assert [finding.code.value for finding in status.migrations[0].findings] == ["paused"]
        backends.wait_for(connection, 1, "state = 'idle' and query like '%pg_stat_replication%'", of=process)
        assert left(connection) == before
        assert Migrator(project.manifest).resume() == "001_lower"
        ended = process.wait()
    assert ended.code == 0, ended.stderr
    assert left(connection) == 0
    assert "paused" in dict((type, name) for name, type in facts.told)


def test_a_pause_that_is_appended_by_hand_holds_before_the_first_round(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    project.sql("001_lower", UPDATE, batch=BATCH)
    project.sql("002_other", "select 1")
    Migrator(project.manifest).migrate(to=1)
    project.sql("003_again", UPDATE.replace("lower", "upper"), batch=BATCH)
    facts.append("003_again", "paused", data='{"reason": ""}')
    with Process("apply", project.manifest) as process:
        process.wait_for("between two rounds: paused\n")
        assert facts.data("003_again", "checkpoint") == []
        facts.append("003_again", "resumed")
        assert process.wait().code == 0
    assert facts.told[-1] == ("003_again", "done")


def test_what_cannot_be_paused_or_resumed_is_refused(project: ProjectFolder, facts: Facts) -> None:
    project.sql("001_plain", "select 1")
    project.sql("002_lower", UPDATE, batch=BATCH)
    migrator = Migrator(project.manifest)
    migrator.migrate(to=1)
    for name, message in (("001_plain", "has no rounds"), (None, "no migration is running"), ("3", "is called")):
        with pytest.raises(UsageError, match=message):
            migrator.pause(name)
    for name in ("002_lower", None):
        with pytest.raises(UsageError, match=r"(is not|no migration is) paused"):
            migrator.resume(name)
    assert migrator.pause("002_lower") == "002_lower"
    assert migrator.resume("2") == "002_lower"
    assert [type for name, type in facts.told if name == "002_lower"] == ["paused", "resumed"]


def test_a_run_that_is_interrupted_while_it_is_held_ends_with_what_it_did(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    project.sql("001_lower", UPDATE, batch=BATCH, lock_timeout="10min")
    with row_held(connection, 15) as release, Process("apply", project.manifest) as process:
        process.wait_for("round 1: ")
        facts.append("001_lower", "paused")
        release()
        process.wait_for("between two rounds: paused")
        process.send(signal.SIGINT)
        ended = process.wait()
    done = facts.data("001_lower", "checkpoint")[-1]["rows"]
    assert ended.code == 130
    assert f"not rolled back: the {done} rows of {done // 10} round" in ended.stderr
    assert facts.told[-1] == ("001_lower", "failed")
    assert left(connection) == 95 - done
