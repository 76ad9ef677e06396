"""zmig as a library: what a service that imports it relies on."""

from __future__ import annotations

import ast
import inspect
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import zmig
from zmig import ManifestError, MigrationFailed, Migrator, Observer, UsageError, ZmigError
from zmig.progress import LockWaiting

if TYPE_CHECKING:
    import psycopg

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder
    from zmig import Context
    from zmig.progress import Progress

_NOT_OURS = {"Collection", "Generator", "Iterator", "Mapping", "None", "Path"}
_FOR_FRONT_ENDS = {"Interrupts", "Project"}
"""What only the command line and the console need of a migrator."""


def test_everything_it_offers_is_there_and_documented() -> None:
    for name in dir(zmig):
        offered = getattr(zmig, name)
        assert offered is not None
        assert isinstance(offered, str) or offered.__doc__ or offered is Observer, name


def test_the_page_names_every_method_and_every_parameter() -> None:
    page = (Path(__file__).parents[2] / "docs" / "library.md").read_text("utf-8")
    parameters = re.findall(r"^\| `([a-z_]+)(?:=None)?` \|", page, re.MULTILINE)
    assert parameters == [*inspect.signature(Migrator).parameters]
    for name, method in vars(Migrator).items():
        if not name.startswith("_") and name not in {"project", "redact", "plan", "plan_rollback", "plan_retry"}:
            found = re.search(rf"`{name}\((.*?)\)`", page)
            assert found is not None, name
            wanted = [*inspect.signature(method).parameters][1:]
            assert len(re.findall(r"[\w]+=?[^,]*", found[1])) == len(wanted), name


def test_type_checkers_see_what_it_offers() -> None:
    tree = ast.parse(Path(zmig.__file__).read_text("utf-8"))
    imports = [
        node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("zmig.")
    ]
    seen = {alias.asname: (node.module, alias.name) for node in imports for alias in node.names}
    homes = {name: (module, name) for module, names in vars(zmig)["_NAMES"].items() for name in names}
    assert seen == homes
    assert {*homes, "__version__"} == set(dir(zmig))


def test_a_star_brings_all_of_it() -> None:
    names: dict[str, object] = {}
    exec("from zmig import *", names)
    assert names.keys() - {"__builtins__"} == set(dir(zmig))


def test_what_its_methods_take_and_return_is_offered() -> None:
    methods = [method for name, method in vars(Migrator).items() if not name.startswith("_") or name == "__init__"]
    texts = [text for method in methods for text in getattr(method, "__annotations__", {}).values()]
    names = {word for text in texts for word in re.findall(r"[A-Z]\w+", str(text))}
    assert names - _NOT_OURS - _FOR_FRONT_ENDS <= set(dir(zmig))


def test_what_it_does_not_offer_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Migrater'"):
        _ = zmig.Migrater  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType] - the point of it


def test_the_manifest_may_be_a_path_or_a_text(project: ProjectFolder) -> None:
    project.sql("001_one", "select 1;")
    assert Migrator(str(project.manifest)).current_version() == Migrator(project.manifest).current_version() == 0


def test_the_environment_may_be_given(project: ProjectFolder) -> None:
    project.change(database={"url": "${SHOP_DATABASE}"})
    project.sql("001_one", "select 1;")
    with pytest.raises(ManifestError, match="SHOP_DATABASE"):
        Migrator(project.manifest, environ={}).migrate()
    assert Migrator(project.manifest, environ={"SHOP_DATABASE": project.url}).migrate().completed == ("001_one",)


def test_the_database_may_be_given(project: ProjectFolder) -> None:
    url = project.url
    project.change(database={"url": "postgresql://nobody@127.0.0.1:1/nowhere"})
    project.sql("001_one", "select 1;")
    assert Migrator(project.manifest, database_url=url).migrate().completed == ("001_one",)


def test_a_migrator_reads_its_manifest_anew_each_time(project: ProjectFolder) -> None:
    project.sql("001_one", "select 1;")
    migrator = Migrator(project.manifest)
    migrator.migrate()
    project.sql("002_two", "select 2;")
    assert migrator.migrate().completed == ("002_two",)
    assert migrator.current_version() == 2


def test_it_leaves_no_connection_behind(project: ProjectFolder, connection: psycopg.Connection) -> None:
    project.sql("001_one", "select 1;")
    project.sql("002_two", "select 1 / 0;")
    migrator = Migrator(project.manifest)
    with pytest.raises(MigrationFailed):
        migrator.migrate()
    migrator.status()
    query = (
        "select count(*) from pg_stat_activity where datname = current_database() and application_name like 'zmig/%'"
    )
    for _ in range(200):
        if connection.execute(query).fetchone() == (0,):
            return
        threading.Event().wait(0.01)
    raise AssertionError("a connection is still open")


def test_five_at_once_apply_each_migration_once(project: ProjectFolder, facts: Facts) -> None:
    for number in range(1, 9):
        project.sql(f"{number:03}_m", f"create table t{number} ();")
    together = threading.Barrier(5)
    completed: list[tuple[str, ...]] = []
    trouble: list[BaseException] = []

    def run() -> None:
        try:
            together.wait()
            completed.append(Migrator(project.manifest).migrate().completed)
        except BaseException as error:
            trouble.append(error)

    threads = [threading.Thread(target=run) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trouble == []
    assert sorted(name for names in completed for name in names) == [f"{number:03}_m" for number in range(1, 9)]
    assert [type for _, type in facts.told].count("started") == 8


def test_it_works_outside_of_the_main_thread_and_hears_of_waiting(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    from zmig.database.lock import RunLock

    lock = RunLock("zmig")
    assert lock.try_acquire(connection)
    project.sql("001_one", "select 1;")
    heard: list[Progress] = []

    def observe(progress: Progress) -> None:
        heard.append(progress)
        if isinstance(progress, LockWaiting):
            lock.release(connection)

    thread = threading.Thread(target=Migrator(project.manifest, observer=observe).migrate)
    thread.start()
    thread.join()
    assert isinstance(heard[0], LockWaiting)
    assert heard[0].holder is not None
    assert heard[0].holder.pid == connection.info.backend_pid
    assert Migrator(project.manifest).current_version() == 1


class TestRegistered:
    def test_a_version_or_name_that_is_taken_is_refused(self, project: ProjectFolder) -> None:
        project.sql("001_one", "select 1;")

        class Mine:
            def __init__(self, version: int, name: str) -> None:
                self.version = version
                self.name = name

            def execute(self, ctx: Context) -> None:
                ctx.execute("select 1")

        migrator = Migrator(project.manifest)
        migrator.register_migration(Mine(2, "002_mine"))
        for twin in (Mine(2, "other"), Mine(3, "002_mine")):
            with pytest.raises(UsageError, match="002_mine"):
                migrator.register_migration(twin)
        for version, name in ((1, "fresh"), (7, "001_one")):
            clashing = Migrator(project.manifest)
            clashing.register_migration(Mine(version, name))
            with pytest.raises(UsageError, match="001_one"):
                clashing.migrate()
        assert migrator.migrate().completed == ("001_one", "002_mine")

    @pytest.mark.parametrize("missing", ["version", "name", "execute"])
    def test_an_object_that_is_no_migration_is_refused(self, project: ProjectFolder, missing: str) -> None:
        parts: dict[str, Any] = {"version": 1, "name": "001_one", "execute": print}
        parts.pop(missing)
        unfit: Any = type(
            "Unfit", (), {key: staticmethod(part) if callable(part) else part for key, part in parts.items()}
        )()
        with pytest.raises(UsageError, match=missing):
            Migrator(project.manifest).register_migration(unfit)

    def test_each_migrator_has_its_own(self, project: ProjectFolder) -> None:
        class Mine:
            version = 1
            name = "001_mine"

            def execute(self, ctx: Context) -> None:
                ctx.execute("select 1")

        first = Migrator(project.manifest)
        first.register_migration(Mine())
        assert [entry.name for entry in first.status().migrations] == ["001_mine"]
        assert list(Migrator(project.manifest).status().migrations) == []


class TestErrors:
    def test_every_error_has_a_code_a_message_and_a_next_step(self, project: ProjectFolder) -> None:
        project.sql("001_one", "select 1 / 0;")
        with pytest.raises(ZmigError) as caught:
            Migrator(project.manifest).migrate()
        error = caught.value
        assert (error.code, error.exit_code) == ("migration-failed", 1)
        (problem,) = error.problems
        assert problem.message == str(error)
        assert (problem.hint or "").startswith("correct the file, then run `zmig retry ")

    def test_all_faults_of_a_manifest_are_told_at_once(self, project: ProjectFolder) -> None:
        project.sql("001_one", "select 1;", kind="sqll")
        project.sql("002_two", "select 1;", rollback="x", lock_timeout="soon")
        with pytest.raises(ManifestError) as caught:
            Migrator(project.manifest).migrate()
        assert len(caught.value.problems) == 2
        assert caught.value.exit_code == 2
