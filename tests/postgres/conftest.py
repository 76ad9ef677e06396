"""A project on disk for each test, whose database is the worker's empty one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.facts import Facts
from tests.support.project import ProjectFolder

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg


@pytest.fixture
def project(tmp_path: Path, database: str) -> ProjectFolder:
    """A project without migrations, for `database`."""
    return ProjectFolder(tmp_path, database)


@pytest.fixture
def facts(connection: psycopg.Connection) -> Facts:
    """The stored facts of `database`, in the schema `zmig`, read by a session of the test's own."""
    return Facts(connection)
