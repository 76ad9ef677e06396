"""A project on disk for each test, whose database is the worker's empty one; and a role with no rights."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from tests.support.facts import Facts
from tests.support.project import ProjectFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


# Those of crashes wait for processes to end, for nearly a minute in all, so only the matrix has them twice.
_BY_THE_MATRIX = {"test_crash"} if os.environ.get("ZMIG_TEST_TRANSPORTS") == "both" else set[str]()
OVER_BOTH_TRANSPORTS = _BY_THE_MATRIX | {
    "test_batches",
    "test_blocked_by",
    "test_encodings",
    "test_execute",
    "test_group_commit",
    "test_promise",
    "test_runner",
    "test_session",
    "test_transaction_modes",
    "test_verify_queries",
}
"""Modules whose tests hold without group commit, too."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of a run with group commit and without it."""
    is_of_run = metafunc.function.__module__.rpartition(".")[2] in OVER_BOTH_TRANSPORTS
    if is_of_run and "project" in metafunc.fixturenames:
        metafunc.parametrize("project", ["group commit", "direct"], indirect=True)


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path, database: str) -> ProjectFolder:
    """A project without migrations, for `database`; without group commit where a test asks for `direct`."""
    transport: str = getattr(request, "param", "group commit")
    return ProjectFolder(tmp_path, database, tracking={"group_commit": transport == "group commit"})


@pytest.fixture
def repository(project: ProjectFolder) -> Callable[..., str]:
    """Run git in the project's folder, which becomes a repository."""

    def git(*words: str) -> str:
        named = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main"]
        return subprocess.run(
            ["git", *named, *words], cwd=project.folder, check=True, capture_output=True, text=True
        ).stdout

    git("init")
    return git


@pytest.fixture
def facts(connection: psycopg.Connection) -> Facts:
    """The stored facts of `database`, in the schema `zmig`, read by a session of the test's own."""
    return Facts(connection)


@pytest.fixture
def admin(fresh_database: str) -> Iterator[psycopg.Connection]:
    """A superuser's connection to a database of the test's own."""
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def role(admin: psycopg.Connection, worker_name: str) -> Iterator[str]:
    """A login role without any right of its own, with the password `pa55-word`; its name needs quotes."""
    name = f"{worker_name} Röle"
    quoted = sql.Identifier(name)
    admin.execute(sql.SQL("create role {} login password 'pa55-word'").format(quoted))
    try:
        yield name
    finally:
        admin.execute(sql.SQL("drop owned by {} cascade; drop role {}").format(quoted, quoted))


@pytest.fixture
def pooler_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that an account without rights may be let into."""
    made = tmp_path_factory.mktemp("pgbouncer")
    for path in (made, *made.parents[:2]):
        path.chmod(0o755)
    return made
