"""Mistakes that everybody makes once: what they are told, and that nothing runs."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import psycopg

    from tests.cli.conftest import Run
    from tests.support.shop import Shop

CONFLICT = "select 1;\n<<<<<<< HEAD\nselect 2;\n=======\nselect 3;\n>>>>>>> theirs\n"
KEEP = "hint: keep what belongs there of both sides, and remove the three lines of marks\n"


def test_a_conflict_in_the_manifest_is_called_one(shop: Shop, run: Run) -> None:
    shop.add(12, "012_orders", "select 1;")
    ours, theirs = shop.entries[0], "  - {version: 12, file: 012_customers.sql}"
    shop.entries[:] = ["<<<<<<< HEAD", ours, "=======", theirs, ">>>>>>> customers"]
    shop.declare()
    ended = run("apply", "shop.yaml")
    assert ended.code == 2
    assert ended.stderr == dedent(f"""\
        error: `shop.yaml` holds a conflict that git could not merge
          --> shop.yaml:6:1
           |
         6 | <<<<<<< HEAD
           | ^
        {KEEP}""")


@pytest.mark.parametrize(
    ("name", "text", "keys", "line"),
    [
        ("001_x", CONFLICT, {}, 2),
        ("001_x", CONFLICT, {"transaction": "false"}, 2),
        ("001_x.py", f"def execute(ctx):\n    pass\n{CONFLICT.removeprefix('select 1;')}", {}, 4),
    ],
    ids=["sql", "outside a transaction", "python"],
)
def test_a_conflict_in_a_file_is_called_one_before_anything_runs(
    shop: Shop, run: Run, name: str, text: str, keys: dict[str, str], line: int
) -> None:
    shop.add(1, name, text, **keys)
    ended = run("apply", "shop.yaml")
    assert ended.code == 2
    file = name if "." in name else f"{name}.sql"
    assert ended.stderr.startswith(
        f"error: `{file}` holds a conflict that git could not merge\n  --> {file}:{line}:1\n"
    )
    assert ended.stderr.endswith(KEEP)


def test_marks_of_a_conflict_inside_of_a_string_are_data(shop: Shop, run: Run) -> None:
    shop.add(1, "001_x", f"select $${CONFLICT}$$, '{CONFLICT}' /* {CONFLICT} */;")
    assert run("apply", "shop.yaml").code == 0


def test_a_compressed_file_is_told_what_makes_sql_of_it(shop: Shop, run: Run) -> None:
    shop.add(1, "001_x", "")
    Path("001_x.sql").write_bytes(gzip.compress(b"select 1;"))
    ended = run("apply", "shop.yaml")
    assert ended.code == 2
    assert ended.stderr.startswith("error: `001_x.sql` is compressed with gzip, so it is not text\n")
    assert ended.stderr.endswith("hint: make SQL of it with `gunzip -c 001_x.sql > NEW`, and name that file\n")


def test_an_archive_of_pg_dump_is_told_what_makes_sql_of_it(shop: Shop, run: Run) -> None:
    shop.add(1, "001_x", "")
    Path("001_x.sql").write_bytes(b"PGDMP\x01\x0f\x00\x04\x08")
    ended = run("apply", "shop.yaml")
    assert ended.stderr.startswith("error: `001_x.sql` is an archive of pg_dump, so it is not text\n")
    assert ended.stderr.endswith("hint: make SQL of it with `pg_restore -f NEW 001_x.sql`, and name that file\n")


def test_one_file_in_two_entries_is_refused(shop: Shop, run: Run) -> None:
    shop.add(1, "001_orders", "create table if not exists orders ();")
    shop.entries.append("  - {version: 2, file: 001_orders.sql, name: 002_again}")
    shop.declare()
    ended = run("apply", "shop.yaml")
    assert ended.code == 2
    assert ended.stderr == dedent("""\
        error: manifest entry `002_again` names the file of `001_orders`: `001_orders.sql`
          --> shop.yaml:7:24
           |
         7 |   - {version: 2, file: 001_orders.sql, name: 002_again}
           |                        ^^^^^^^^^^^^^^
           = first declared at shop.yaml:6:24
           = both would run it
        hint: name a file of its own, or remove one of the two entries
        """)


def test_one_file_in_two_manifests_is_refused(shop: Shop, run: Run) -> None:
    shop.add(1, "001_orders", "create table if not exists orders ();")
    Path("base").mkdir()
    Path("base/base.yaml").write_text(
        "manifest: 1\nmigrations:\n  - {version: 2, file: ../001_orders.sql, name: 002_again}\n"
    )
    shop.declare(include="[base/base.yaml]")
    ended = run("apply", "shop.yaml")
    assert (ended.code, "names the file of `001_orders`: `../001_orders.sql`" in ended.stderr) == (2, True)


@pytest.mark.parametrize("words", [["apply"], ["status"], ["plan"]])
def test_a_manifest_without_migrations_is_not_one_with_nothing_to_do(shop: Shop, run: Run, words: list[str]) -> None:
    shop.declare()
    shop.path.write_text(shop.path.read_text().replace("migrations:\n", ""))
    ended = run(*words, "shop.yaml")
    assert ended.code == 2
    assert ended.stderr.startswith("error: manifest `shop.yaml` has no `migrations`\n")
    shop.declare()
    assert run(*words, "shop.yaml").code == 0


@pytest.mark.parametrize(
    ("version", "hint", "why"),
    [
        ("99999999999999999999", "write `version: 13`", "and the largest version is 9223372036854775807"),
        ("-3", "write `version: 6`", "not a positive whole number"),
        ("00000000000000", "write `version: 6`", "not a positive whole number"),
        ("1.5", "write `version: 13`", "not a positive whole number"),
    ],
)
def test_a_version_that_is_none_is_told_one_that_is(shop: Shop, run: Run, version: str, hint: str, why: str) -> None:
    shop.add(7, "007_x", "select 1;")
    shop.add(12, "012_x", "select 1;")
    shop.write("000_x.sql", "select 1;")
    shop.entries.append(f"  - {{version: {version}, file: 000_x.sql, name: first}}")
    shop.declare()
    ended = run("apply", "shop.yaml")
    assert ended.code == 2
    assert ended.stderr.startswith(f"error: `version` of manifest entry `first` is `{version}`, {why}\n")
    assert ended.stderr.endswith(f"hint: {hint}\n")


def test_no_version_is_left_behind_the_largest(shop: Shop, run: Run) -> None:
    shop.add(2**63 - 1, "last", "select 1;")
    ended = run("create", "shop.yaml", "another")
    assert ended.code == 2
    assert ended.stderr.startswith("error: no version is left above 9223372036854775807, the largest there is\n")


def test_an_option_that_takes_no_such_value_is_named(run: Run) -> None:
    ended = run("apply", "shop.yaml", "--to", "abc")
    assert ended.code == 2
    assert ended.stderr == "error: `abc` does not fit option `--to`\nhint: a version is a whole number, such as 12\n"
    assert "`x` does not fit option `--lock-wait`" in run("apply", "--lock-wait", "x").stderr


@pytest.mark.parametrize("name", ["shop.yml", "shop"])
def test_the_other_spelling_of_a_manifests_suffix_is_offered(shop: Shop, run: Run, name: str) -> None:
    shop.declare()
    ended = run("apply", name)
    assert ended.stderr == f"error: the manifest `{name}` does not exist\nhint: name `shop.yaml`\n"


def test_of_hundreds_of_problems_the_first_are_told_and_the_rest_counted(shop: Shop, run: Run) -> None:
    shop.entries.extend(f"  - {{version: {number}, file: {number}.txt}}" for number in range(1, 501))
    shop.declare()
    ended = run("apply", "shop.yaml")
    assert ended.stderr.count("error: ") == 20
    assert ended.stderr.endswith("\n\n480 more like these; `--json` lists all 500\n")


def test_a_name_with_control_characters_is_offered_without_them(shop: Shop, run: Run) -> None:
    shop.add(1, "001_x", "select 1;")
    shop.entries[:] = ['  - {version: 1, file: 001_x.sql, name: "a\\eb"}']
    shop.declare()
    ended = run("apply", "shop.yaml")
    assert ended.stderr.startswith("error: `name` of manifest entry `001_x` holds a line break or another control")
    assert ended.stderr.endswith("hint: write `name: a b`\n")


def test_a_blank_that_is_none_can_be_seen_in_the_line(shop: Shop, run: Run) -> None:
    shop.add(1, "001_x", "create\u00a0table t ();")
    ended = run("apply", "shop.yaml")
    assert " 1 | create\\u00a0table t ();\n" in ended.stderr
    hint = "replace the character U+00A0 with a blank in the file, then run `zmig retry shop.yaml 001_x`"
    assert ended.stderr.endswith(f"hint: {hint}\n")
    assert hint in run("status", "shop.yaml").stdout


def test_a_blank_that_is_none_inside_of_a_string_is_text(shop: Shop, run: Run) -> None:
    shop.add(1, "001_x", "select 'prix\u00a0: 5', nosuch;")
    assert run("apply", "shop.yaml").stderr.endswith("hint: correct the file, then run `zmig retry shop.yaml 001_x`\n")


class TestWithVariables:
    """Errors of zmig's own reading give the place in the file as it is written."""

    VARIABLES = '{a: "a text that is longer than its name, by far"}'

    @pytest.mark.parametrize(
        ("text", "place", "line"),
        [
            ("select '${a}', 'open;\n", "1:16", "select '${a}', 'open;"),
            ("select 1;\nselect '${a}', 1; \\echo x\n", "2:19", "select '${a}', 1; \\echo x"),
            ("select '${a}';\r\nselect /* ${a}\r\n", "2:8", "select /* ${a}"),
        ],
    )
    def test_place(self, shop: Shop, run: Run, text: str, place: str, line: str) -> None:
        shop.add(1, "001_x", "", variables="true")
        Path("001_x.sql").write_bytes(text.encode())
        shop.declare(variables=self.VARIABLES)
        ended = run("apply", "shop.yaml")
        assert ended.code == 2
        assert f"  --> 001_x.sql:{place}\n" in ended.stderr
        assert f" | {line}\n" in ended.stderr


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("select nosuch;", "in statement 1"),
        ("select 1;\nselect nosuch;", "in statement 2"),
        (
            "create table t (x int primary key, y int references t deferrable initially deferred);\n"
            "insert into t values (1, 2);",
            "at its end, by a deferred check",
        ),
    ],
)
def test_a_rehearsal_says_where_it_failed(shop: Shop, run: Run, text: str, where: str) -> None:
    shop.add(1, "001_x", text)
    ended = run("plan", "shop.yaml", "--rehearse")
    assert f"    failed {where}\n" in ended.stdout


def test_a_rehearsal_says_that_a_verify_query_failed(shop: Shop, run: Run) -> None:
    shop.add(1, "001_x", "select 1;", verify="select false")
    ended = run("plan", "shop.yaml", "--rehearse")
    assert "    failed at its end, by its verify query\n" in ended.stdout
    assert "hint: correct the migration or its verify query, then rehearse again" in ended.stderr


def test_a_rehearsal_of_nothing_says_so_and_no_more(shop: Shop, run: Run) -> None:
    shop.add(1, "001_x", "select 1;")
    assert run("apply", "shop.yaml").code == 0
    ended = run("plan", "shop.yaml", "--rehearse")
    assert (ended.code, ended.stdout) == (0, "nothing to run\n")


def test_files_that_no_entry_names_are_told_by_status_and_plan(shop: Shop, run: Run) -> None:
    shop.add(1, "001_orders", "select 1;")
    shop.write("002_items.sql", "select 2;")
    shop.write("001_orders.down.sql", "select 3;")
    note = "note: `002_items.sql` looks like a migration, and no entry names it, so it is never applied\n"
    for words in (("plan",), ("apply", "--dry-run"), ("status",)):
        ended = run(*words, "shop.yaml")
        assert (ended.code, ended.stderr) == (0, "")
        assert ended.stdout.endswith(f"\n{note}")
        ended = run(*words, "shop.yaml", "--json")
        assert json.loads(ended.stdout)["undeclared"] == ["002_items.sql"]
    assert run("status", "shop.yaml", "--check").code == 5
    for number in range(3, 7):
        shop.write(f"00{number}_\x1b[2Jx.sql", "select 2;")
    assert run("plan", "shop.yaml").stdout.endswith(
        "note: 5 files look like migrations, and no entry names them, so they are never applied: `002_items.sql`, "
        "`003_\\x1b[2Jx.sql`, `004_\\x1b[2Jx.sql` and 2 more\n"
    )
    shop.declare(lint="{severity: {name/undeclared: off}}")
    assert "note:" not in run("status", "shop.yaml").stdout + run("plan", "shop.yaml").stdout


def test_facts_that_may_be_changed_are_told_by_status(shop: Shop, run: Run, connection: psycopg.Connection) -> None:
    shop.add(1, "001_orders", "select 1;")
    run("apply", "shop.yaml")
    connection.execute("alter table zmig.migration_events disable trigger append_only")
    ended = run("status", "shop.yaml")
    assert ended.code == 0
    assert ended.stdout.endswith(
        "note: the facts' table is not as zmig makes it: its trigger `append_only`, which keeps facts from being "
        "changed, is missing or disabled; what is run next puts it there again\n"
    )
    assert json.loads(run("status", "shop.yaml", "--json").stdout)["facts_guarded"] is False


def test_a_link_that_leads_nowhere_is_called_one(shop: Shop, run: Run) -> None:
    for link, target in (("more.yaml", "gone.yaml"), ("001_a.sql", "sql/gone.sql"), ("shop2.yaml", "/nowhere/x.yaml")):
        (shop.folder / link).symlink_to(target)
    shop.entries.append("  - {version: 1, file: 001_a.sql}")
    shop.declare(include="[more.yaml]")
    ended = run("status", "shop.yaml")
    assert ended.code == 2
    assert "error: the manifest `more.yaml` is a link to nothing\n  --> shop.yaml:5:11\n" in ended.stderr
    assert "= it leads to `gone.yaml`\nhint: create `gone.yaml`, or lead the link elsewhere\n" in ended.stderr
    assert "error: manifest entry `001_a` names a file that is a link to nothing: `001_a.sql`\n" in ended.stderr
    assert "= it leads to `sql/gone.sql`\nhint: create `sql/gone.sql`, or lead the link elsewhere\n" in ended.stderr
    ended = run("status", "shop2.yaml")
    assert ended.stderr == (
        "error: the manifest `shop2.yaml` is a link to nothing\n   = it leads to `/nowhere/x.yaml`\n"
        "hint: create `/nowhere/x.yaml`, or lead the link elsewhere\n"
    )
    shop.entries[0] = "  - {version: 1, file: 001_b.sql}"
    shop.declare()
    assert "nearest" not in run("status", "shop.yaml").stderr
