"""What is told from a statement's text, against what a real server does with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.support.statements import ALLOWED, NAMES, REFUSED
from zmig.sql import script
from zmig.sql.catalog_effect import CreateIndex

if TYPE_CHECKING:
    from collections.abc import Iterator

REFUSES = "25001"
IS_DISABLED = "55000"
UNKNOWN_SYNTAX = "42601"
NEWEST_SYNTAX = 170000
"""The first server version that knows every statement of the lists."""


def sqlstate_inside_a_transaction(connection: psycopg.Connection, text: str) -> str | None:
    connection.execute("begin")
    try:
        connection.execute(text.encode())
    except psycopg.Error as error:
        return error.sqlstate
    finally:
        connection.execute("rollback")
    return None


@pytest.fixture
def subscription(connection: psycopg.Connection) -> Iterator[None]:
    """A disabled subscription `s` that has a slot, as far as its own server knows."""
    connection.execute("create subscription s connection 'dbname=none' publication p with (connect = false)")
    yield
    connection.execute("alter subscription s set (slot_name = none)")
    connection.execute("drop subscription s")


@pytest.mark.usefixtures("subscription")
def test_the_server_refuses_inside_a_transaction_what_is_said_to_refuse_it(connection: psycopg.Connection) -> None:
    found = {text: sqlstate_inside_a_transaction(connection, text) for text in REFUSED}
    accepted = {REFUSES} if connection.info.server_version >= NEWEST_SYNTAX else {REFUSES, UNKNOWN_SYNTAX}
    others = {text: sqlstate for text, sqlstate in found.items() if sqlstate not in accepted}
    disabled = ("alter subscription s refresh publication", "alter subscription s set publication p")
    assert others.items() <= dict.fromkeys(disabled, IS_DISABLED).items()


@pytest.mark.usefixtures("subscription")
def test_the_server_allows_inside_a_transaction_what_is_said_to_be_allowed(connection: psycopg.Connection) -> None:
    found = {text: sqlstate_inside_a_transaction(connection, text) for text in ALLOWED}
    assert [text for text, sqlstate in found.items() if sqlstate == REFUSES] == []


@pytest.mark.parametrize(("written", "stored"), NAMES.items(), ids=NAMES.keys())
def test_a_name_is_told_as_the_catalog_has_it(connection: psycopg.Connection, written: str, stored: str) -> None:
    connection.execute("create table t (a int)")
    text = f"create index {written} on t (a)"
    connection.execute(text.encode())
    index = (
        "select relname::text from pg_index join pg_class on pg_class.oid = indexrelid where indrelid = 't'::regclass"
    )
    (name,) = connection.execute(index).fetchone() or ("",)
    (statement,) = script.split(text, path="a.sql")
    told = statement.command.effect
    assert isinstance(told, CreateIndex)
    assert told.name == name == stored


@pytest.mark.parametrize(
    "marked",
    [
        "select 1; select §nosuch",
        "-- ä\r\nselect 'ä𝄞',\t§nosuch from pg_class\r\n;",
        "select 1;\r\r  select 名.*, §nosuch /* ; */ from pg_class as 名",
        "select U&'\\00e4', E'\\'',\n\n  $$\n𝄞$$, §nosuch;",
    ],
)
def test_the_position_of_a_server_s_error_is_found_in_the_file(connection: psycopg.Connection, marked: str) -> None:
    text = marked.replace("§", "")
    expected = script.location(text, marked.index("§"), path="a.sql")
    *before, last = script.split(text, path="a.sql")
    for statement in before:
        connection.execute(statement.text.encode())
    with pytest.raises(psycopg.errors.UndefinedColumn) as caught:
        connection.execute(last.text.encode())
    position = int(caught.value.diag.statement_position or 0)
    assert script.locate(last, position) == (expected.line, expected.column)
    assert expected.text is not None
    assert expected.text[expected.column - 1 :].startswith("nosuch")
