"""`--sizes`: how large tables are, and what that makes of findings about locks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from zmig.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Found = Callable[..., list[tuple[str, str, str]]]


@pytest.fixture
def found(folder: Path, capsys: pytest.CaptureFixture[str]) -> Found:
    """Return rule, severity and the end of the message of what is found with a file of sizes."""

    def run(sql: str, sizes: str, *, name: str = "sizes.csv", lint: str = "{}") -> list[tuple[str, str, str]]:
        (folder / "001_a.sql").write_text(f"-- why\n{sql};\n")
        (folder / name).write_text(sizes)
        (folder / "manifest.yaml").write_text(
            f"manifest: 1\nmigrations: [{{version: 1, file: 001_a.sql}}]\nlint: {lint}\n"
        )
        main(["lint", "manifest.yaml", "--json", "--sizes", name])
        findings = json.loads(capsys.readouterr().out)["findings"]
        told = [(one["rule"], one["severity"], one["message"].partition("; ")[2]) for one in findings]
        return [one for one in told if one[0] != "rollback/missing"]

    return run


INDEX = "create index i on t (a)"
RULE = "squawk/require-concurrent-index-creation"


@pytest.mark.parametrize(
    ("sizes", "severity", "said"),
    [
        ("table,rows,bytes\npublic.t,120,16384\n", "note", "`t` has 120 rows, 16 kB"),
        ("table,rows,bytes\npublic.t,9999,16777215\n", "note", "`t` has 9,999 rows, 16 MB"),
        ("table,rows,bytes\npublic.t,10000,16384\n", "error", "`t` has 10,000 rows, 16 kB"),
        ("table,rows,bytes\npublic.t,120,16777216\n", "error", "`t` has 120 rows, 16 MB"),
        ("table,rows,bytes\nt,,16384\n", "note", "`t` has 16 kB"),
        ("table,rows,bytes\napp.t,120,16384\n", "error", ""),
    ],
)
def test_the_size_of_the_table_decides(found: Found, sizes: str, severity: str, said: str) -> None:
    assert found(INDEX, sizes) == [(RULE, severity, said)]


def test_both_tables_of_a_foreign_key_count(found: Found) -> None:
    sql = "alter table t add constraint f foreign key (a) references u (id)"
    both = "table,rows,bytes\npublic.t,1,8192\npublic.u,2000000,1073741824\n"
    assert found(sql, both) == [("squawk/adding-foreign-key-constraint", "error", "`u` has 2,000,000 rows, 1 GB")]
    assert found(sql, "table,rows,bytes\npublic.t,1,8192\n")[0][1] == "error"
    small = both.replace("2000000,1073741824", "2,8192")
    assert found(sql, small)[0][1] == "note"


def test_json_says_the_same(found: Found) -> None:
    told = json.dumps([{"table": "public.t", "rows": 120, "bytes": 16384}])
    assert found(INDEX, told, name="sizes.json") == [(RULE, "note", "`t` has 120 rows, 16 kB")]


def test_a_severity_of_the_manifest_counts_over_the_size(found: Found) -> None:
    sizes = "table,rows,bytes\npublic.t,120,16384\n"
    assert found(INDEX, sizes, lint=f"{{severity: {{{RULE}: warning}}}}")[0][1] == "warning"


def test_what_is_no_lock_is_as_it_was(found: Found) -> None:
    assert found("alter table t rename to u", "table,rows,bytes\npublic.t,1,1\n") == [
        ("squawk/renaming-table", "warning", "")
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [("s.csv", "a,b\n1,2\n"), ("s.json", "{"), ("s.json", "[1]"), ("s.csv", "table,rows,bytes\nt,1,x\n")],
)
def test_a_file_that_says_no_sizes_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, text: str
) -> None:
    (folder / "manifest.yaml").write_text("manifest: 1\nmigrations: []\n")
    (folder / name).write_text(text)
    assert main(["lint", "manifest.yaml", "--sizes", name]) == 2
    assert f"`{name}` is no list of `table`, `rows` and `bytes`" in capsys.readouterr().err
    assert main(["lint", "manifest.yaml", "--sizes", "gone.csv"]) == 2
    assert "`gone.csv` cannot be read" in capsys.readouterr().err
