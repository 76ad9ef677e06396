"""What zmig reads of a project of tern."""

from __future__ import annotations

import pytest

from tests.support.project_files import MemoryFiles
from zmig.errors import UsageError
from zmig.other_tools.registry import tool
from zmig.other_tools.source import Change, Source

TOOL = tool("tern")
_USERS = "create table users (id int);\n\n---- create above / drop below ----\n\ndrop table users;\n"
_CONFIGURATION = """[database]
host = {{env "PGHOST"}}
# version_table = no
version_table = app.tern

[data]
prefix = web
secret = {{env "SECRET"}}
"""


def read(**contents: str) -> Source:
    files = MemoryFiles({f"migrations/{name}": text for name, text in contents.items()})
    return TOOL.read(files, "migrations")


def test_a_file_is_parted_at_its_mark() -> None:
    files = MemoryFiles({"db/001_users.sql": _USERS, "db/002_b.sql": "select 2;\n"})
    assert TOOL.find(files) == "db"
    first, second = TOOL.read(files, "db").migrations
    assert (first.id, first.name, first.number) == ("1", "001_users", 1)
    assert first.up is not None
    assert first.down is not None
    assert first.up.text.strip() == "create table users (id int);"
    assert (first.down.text.strip(), first.down.line) == ("drop table users;", 5)
    assert second.up is not None
    assert second.up.is_whole_file
    assert second.down is None


def test_each_direction_may_be_outside_of_a_transaction() -> None:
    text = "---- tern: disable-tx ----\nselect 1;\n---- create above / drop below ----\nselect 2;\n"
    (migration,) = read(**{"1_a.sql": text}).migrations
    assert migration.up is not None
    assert migration.down is not None
    assert (migration.up.transactional, migration.down.transactional) == (False, None)
    (other,) = read(**{"1_a.sql": "  ---- tern: disable-tx ----x\nselect 1;\n"}).migrations
    assert other.up is not None
    assert other.up.transactional is None


def test_plain_values_become_variables_and_other_templates_are_refused() -> None:
    files = MemoryFiles(
        {
            "tern.conf": _CONFIGURATION,
            "migrations/001_a.sql": "create table {{.prefix}}_t (s text default '{{ .secret }}${x}');\n"
            '{{ template "shared/f.sql" . }}\nselect {{ .prefix | upper }}, {{ .other }};\n',
            "migrations/shared/f.sql": "select 1;\n",
        }
    )
    assert TOOL.find(files) == "migrations"
    source = TOOL.read(files, "migrations")
    (migration,) = source.migrations
    assert source.variables == {"other": None, "prefix": "web", "secret": None}
    assert source.history_table == "app.tern"
    assert migration.has_variables
    assert migration.up is not None
    assert migration.up.text.startswith("create table ${prefix}_t (s text default '${secret}$${x}');\n")
    assert [(one.change, one.location.line, one.location.column) for one in migration.remarks] == [
        (Change.REFUSED, 2, 1),
        (Change.REFUSED, 3, 8),
        (Change.KEPT, 1, 45),
        (Change.KEPT, 3, 31),
    ]
    assert [(one.change, one.location.path) for one in source.remarks] == [
        (Change.LEFT_OUT, "migrations/shared/f.sql"),
    ]


def test_a_template_after_many_values_is_refused_too() -> None:
    (migration,) = read(**{"1_a.sql": "select {{.a}};\n" * 500 + "{{ if .b }}select 1;{{ end }}\n"}).migrations
    assert [(one.change, one.location.line) for one in migration.remarks] == [
        (Change.REFUSED, 501),
        (Change.REFUSED, 501),
        (Change.KEPT, 1),
    ]


def test_a_template_that_is_not_closed_is_refused_once() -> None:
    (migration,) = read(**{"1_a.sql": "select '{{';\nselect '{{1}';\n" + "{{" * 50_000}).migrations
    assert [(one.change, one.location.line) for one in migration.remarks] == [(Change.REFUSED, 1)]


def test_gaps_and_repeated_numbers_are_refused() -> None:
    source = read(**{"1_a.sql": "select 1;", "3_c.sql": "select 3;", "03_d.sql": "select 3;", "x.sql": "select 4;"})
    assert [bool(one.remarks) for one in source.migrations] == [False, True, False]
    assert [one.location.path for one in source.remarks] == ["migrations/x.sql"]


def test_the_number_in_the_table_is_the_last_of_those_that_are_applied() -> None:
    source = read(**{f"{number}_a.sql": "select 1;" for number in range(1, 4)})
    read_history = TOOL.history.read
    assert [one.id for one in read_history([[(2,)]], source).applied] == ["1", "2"]
    assert [one.id for one in read_history([[(4,)]], source).applied] == ["1", "2", "3", "4"]
    assert read_history([[(0,)]], source).applied == ()
    assert len(read_history([[(1,), (2,)]], source).problems) == 1


def test_numbers_alone_are_nobodys() -> None:
    assert TOOL.find(MemoryFiles({"migrations/1_a.sql": "select 1;"})) is None
    with pytest.raises(UsageError):
        read(**{"a.sql": "select 1;"})
