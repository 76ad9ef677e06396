"""What postgast and squawk contribute, and what is told where they are missing."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from zmig.lint.squawk import program as squawk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zmig.lint.run import Report

    Checked = Callable[..., Report]
    Found = Callable[..., list[tuple[str, int, int]]]

INDEX = "squawk/require-concurrent-index-creation"


@pytest.fixture
def found(folder: Path, checked: Checked) -> Found:
    """Return the rules and places that are found in an SQL file."""

    def run(sql: str, *, entry: str = "") -> list[tuple[str, int, int]]:
        (folder / "001_a.sql").write_bytes(("-- why\n" + sql).encode())
        text = f"manifest: 1\nmigrations:\n  - version: 1\n    file: 001_a.sql\n{entry}"
        (folder / "manifest.yaml").write_text(text + "lint: {severity: {rollback/missing: 'off'}}\n")
        return [(finding.rule, finding.line, finding.column) for finding in checked().findings]

    return run


@pytest.mark.parametrize(
    ("sql", "line", "column"),
    [
        pytest.param("/* äöü😀 */ create index t_a on t (a);\n", 2, 12, id="behind characters of several bytes"),
        pytest.param("select 1;\r\ncreate index t_a on t (a);\r\n", 3, 1, id="lines that end in CRLF"),
        pytest.param("copy c from stdin;\n1\t'\n\\.\ncreate index t_a on t (a);\n", 5, 1, id="behind rows of a COPY"),
        pytest.param("\\restrict abc\ncreate index t_a on t (a);\n", 3, 1, id="behind a line of pg_dump"),
        pytest.param(
            f"insert into c values ('{'x' * 3000}\n');\n  create index t_a on t (a);\n", 4, 3, id="behind much data"
        ),
    ],
)
def test_squawk_is_right_about_places(found: Found, sql: str, line: int, column: int) -> None:
    assert (INDEX, line, column) in found(sql)


def test_squawk_looks_behind_thousands_of_rows(found: Found) -> None:
    rows = "insert into c values (1, 'it''s; here');\n" * 5000
    assert found(f"{rows}create index t_a on t (a);\n{rows}") == [(INDEX, 5002, 1)]


def test_the_grammar_looks_at_every_row(found: Found) -> None:
    rows = "insert into c values (1, 'it''s; here');\n" * 5000
    assert found(f"{rows}insert into c valued (1);\n{rows}") == [("sql/syntax", 5002, 15)]


def test_a_byte_order_mark_moves_nothing(found: Found, folder: Path, checked: Checked) -> None:
    found("select 1;")
    (folder / "001_a.sql").write_bytes(b"\xef\xbb\xbf-- why\ncreate index t_a on t (a);\n")
    assert [(one.rule, one.line, one.column) for one in checked().findings] == [(INDEX, 2, 1)]


def test_the_grammar_counts_characters(found: Found) -> None:
    assert found("select 'äöü', 'é' form t x y;\n") == [("sql/syntax", 2, 24)]


def test_the_grammar_looks_at_conditions(folder: Path, checked: Checked) -> None:
    (folder / "001_a.sql").write_text("-- why\nselect 1;\n")
    entry = "{version: 1, file: 001_a.sql, kind: repeatable, repeat: {condition: selec true}}"
    (folder / "manifest.yaml").write_text(f"manifest: 1\nmigrations:\n  - {entry}\n")
    (finding,) = checked().findings
    assert (finding.rule, finding.file, finding.line) == ("sql/syntax", "manifest.yaml", 3)
    assert finding.message == 'the condition of `001_a`: syntax error at or near "selec"'


@pytest.mark.parametrize(
    ("sql", "line", "column", "message"),
    [
        (
            "/* ü */ create function f() returns int language plpgsql as $$\nbegin\n  -- ö\n  retrun a;\nend $$;\n",
            5,
            3,
            'syntax error at or near "retrun"',
        ),
        (
            "create function f() returns int as\n'declare r record; begin\nfor r in selec 1 loop null; end loop; end'"
            " language 'plpgsql';\n",
            4,
            10,
            'syntax error at or near "selec"',
        ),
        ("do $do$\nbegin\n  if true then null;\nend $do$;\n", 5, 5, "syntax error at end of input"),
        ("do language \"plpgsql\" $$ begin\n raise notice '%', 1, 2; end $$;\n", 3, 2, "too many parameters"),
    ],
)
def test_the_grammar_looks_into_bodies(
    found: Found, checked: Checked, sql: str, line: int, column: int, message: str
) -> None:
    assert found(sql) == [("sql/syntax", line, column)]
    (finding,) = checked().findings
    assert finding.message.startswith(message)


@pytest.mark.parametrize(
    "sql",
    [
        "create function f() returns trigger language plpgsql as $$ begin new.at := now(); return new; end $$",
        "create function f() returns event_trigger language plpgsql as $$ begin raise '%', tg_tag; end $$",
        "create function f(a s.kind[], out b geometry(point, 4326)) language plpgsql as $$ begin b := a[1]; end $$",
        "create procedure p(inout a t) language plpgsql as $$ begin a.x := 1; commit; call q(a); end $$",
        "create function f() returns table (a int) language plpgsql as $$ begin a := 1; return next; end $$",
        "do language plpython3u $$ plpy.execute('select 1') $$",
        "do $$ plpy.notice('x') $$ language plpython3u",
        "create function f(a text default 'language plpgsql') returns int language sql as $$ select 1 $$",
        "create function plpgsql_look() returns int language c as 'lib', 'look'",
        "do $$ declare t users%rowtype; k users.id%type; begin select * into strict t from users; k := t.id; end $$",
    ],
)
def test_a_body_that_needs_the_catalog_is_left_alone(found: Found, sql: str) -> None:
    assert [one for one in found(sql + ";\n") if one[0] == "sql/syntax"] == []


def test_squawk_is_told_how_the_file_runs(found: Found) -> None:
    concurrent = "create index concurrently t_a on t (a);\n"
    assert found(concurrent) == []
    assert found(concurrent, entry="    transaction: true\n") == [("transaction/refused", 2, 1)]


def test_a_path_that_squawk_would_take_for_a_pattern(folder: Path, checked: Checked) -> None:
    (folder / "[a]").mkdir()
    (folder / "[a]" / "001 {x}*.sql").write_text("-- why\ncreate index t_a on t (a);\n")
    manifest = "manifest: 1\nmigrations: [{version: 1, file: '[a]/001 {x}*.sql'}]\n"
    (folder / "manifest.yaml").write_text(manifest)
    assert INDEX in [finding.rule for finding in checked().findings]


def test_a_configuration_of_squawk_changes_nothing(found: Found, folder: Path) -> None:
    (folder / ".squawk.toml").write_text('excluded_rules = ["require-concurrent-index-creation"]\n')
    assert found("create index t_a on t (a);\n") == [(INDEX, 2, 1)]


def test_an_ignore_of_squawk_counts(found: Found) -> None:
    script = "-- squawk-ignore require-concurrent-index-creation\ncreate index t_a on t (a);\n"
    assert found(script) == [("ignore/squawk", 2, 4)], "it hides the finding, and is told"


def test_syntax_that_squawk_does_not_know_is_told(found: Found, checked: Checked, folder: Path) -> None:
    program = folder / "squawk"
    said = (
        '[{"file": "001_a.sql", "line": 1, "column": 0, "line_end": 1, "column_end": 1, "rule_name": "syntax-error"}]'
    )
    program.write_text(f"#!/bin/sh\necho '{said}'\nexit 1\n")
    program.chmod(0o755)
    found("select 1;\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(squawk, "find", lambda: str(program))
        report = checked()
    assert report.missing == (
        "the rules `squawk/...` were not checked in `001_a.sql`: squawk does not know its syntax",
    )
    assert report.remedy is None


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo oh no >&2\nexit 2", "squawk could not be run: oh no"),
        ("echo not json\nexit 1", "squawk could not be run: it ended with exit code 1"),
    ],
)
def test_a_squawk_that_fails_is_told(found: Found, checked: Checked, folder: Path, script: str, why: str) -> None:
    program = folder / "squawk"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    found("commit;\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(squawk, "find", lambda: str(program))
        report = checked()
    assert [finding.rule for finding in report.findings] == ["transaction/control"]
    assert [reason for reason in report.missing if why in reason]


def test_a_rule_that_squawk_does_not_have_any_more_is_told(found: Found, checked: Checked, folder: Path) -> None:
    program = folder / "squawk"
    real = squawk.find()
    program.write_text(
        f"""#!{sys.executable}
import os, sys
if "--include=renaming-table" in sys.argv:
    sys.exit("error: invalid value 'renaming-table' for '--include <rule>': invalid rule name renaming-table")
os.execv({real!r}, sys.argv)
"""
    )
    program.chmod(0o755)
    found("create index t_a on t (a);\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(squawk, "find", lambda: str(program))
        report = checked()
    assert [finding.rule for finding in report.findings] == [INDEX]
    (told,) = report.missing
    assert told.startswith("`squawk/renaming-table` was not checked: the squawk that is installed has no rule")
    assert not report.is_whole


def test_without_the_extra_everything_else_is_checked(folder: Path, found: Found) -> None:
    found("selec 1;\ncommit;\n-- zmig: ignore squawk/renaming-table for a while\nalter table a rename to b;\n")
    code = (
        "import sys; sys.modules['postgast'] = None\n"
        "from zmig.lint.squawk import program; program.find = lambda: None\n"
        "from zmig.cli.main import main; sys.exit(main(['lint', 'manifest.yaml']))"
    )
    ended = _python(code)
    assert ended.returncode == 2
    assert ended.stdout.startswith("error[transaction/control]: `COMMIT` is")
    assert ended.stderr.splitlines() == [
        "1 error in 1 migration",
        "note: `sql/syntax`, and every rule about what tables are like, were not checked: the package `postgast` is "
        "not installed",
        "note: the rules `squawk/...` were not checked: the program `squawk` is not installed",
        'hint: run `pip install "zmig[lint]"`',
    ]


def test_without_the_grammar_squawk_speaks_of_form_alone(folder: Path, found: Found) -> None:
    found(
        "create table t (a char(3));\n-- zmig: ignore squawk/renaming-table for a while\nalter table u rename to v;\n"
        "alter table u add column b int default random();\n"
    )
    ended = _python(
        "import sys; sys.modules['postgast'] = None\n"
        "from zmig.cli.main import main; sys.exit(main(['lint', 'manifest.yaml']))"
    )
    assert ended.returncode == 2
    found_rules = [
        line.partition(":")[0] for line in ended.stdout.splitlines() if line.startswith(("note", "warning", "error"))
    ]
    assert found_rules == ["note[squawk/ban-char-field]"]


def _python(code: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environ, check=False)
