"""`zmig import --database` where nothing can be written: it says so, and the tool's tables are left as they are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from tests.support import replica
from tests.support.old_tools import OldProject, PrismaTable
from zmig.cli.main import main
from zmig.embedded import EmbeddedServer

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_USERS = "create table users (id int);\n"
_FIRST = "20240101000000_users"
_WORDS = ("import", "--manifest", "manifests/shop.yaml", "--database", "--json")


def refused(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return what keeps the history from being recorded."""
    capsys.readouterr()
    ended = main(_WORDS)
    captured = capsys.readouterr()
    assert ended == 2, captured
    return json.loads(captured.out)["error"]


def prepared(folder: Path, url: str) -> OldProject:
    """Return a project of Prisma, whose only migration is applied."""
    old = OldProject(folder, url)
    old.prisma(_FIRST, _USERS)
    with psycopg.connect(url, autocommit=True) as connection:
        PrismaTable(connection).applied(_FIRST, _USERS)
        connection.execute(_USERS.encode())
    return old


def test_a_database_that_is_read_only_by_default_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    prepared(tmp_path, database)
    with psycopg.connect(database, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("alter database {} set default_transaction_read_only = on").format(name))
    problem = refused(capsys)
    assert problem["code"] == "read-only"
    assert "its transactions are read-only by default" in problem["message"]
    assert main(["status", "manifests/shop.yaml", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["existing_history"] == {"tool": "prisma", "table": "public._prisma_migrations"}


def test_a_standby_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    primary = EmbeddedServer(tmp_path / "primary")
    try:
        old = prepared(tmp_path / "shop", primary.start())
        monkeypatch.chdir(tmp_path / "shop")
        with replica.of(primary, tmp_path / "standby") as standby:
            old.change(database={"url": standby.url()})
            problem = refused(capsys)
            assert problem["code"] == "read-only"
            assert "it is on a standby" in problem["message"]
    finally:
        primary.stop()
