"""The format of reviewdog, which makes suggestions of what can be replaced."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from zmig.lint.report import renderer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zmig.lint.run import Report

TEXT = "/* grün 😀 */ create index c_idx on t (c);\n"
STATEMENT = {
    "start": {"line": 1, "column": 18},  # after characters of one, two and four octets
    "end": {"line": 1, "column": 45},
}


@pytest.fixture
def said(folder: Path, checked: Callable[..., Report]) -> Callable[[str], list[dict[str, Any]]]:
    """Return the diagnostics about the second of two files."""

    def run(text: str) -> list[dict[str, Any]]:
        (folder / "001_t.sql").write_text("-- why\ncreate table t (id bigint primary key, c text);\n")
        (folder / "002_i.sql").write_text(text)
        (folder / "manifest.yaml").write_text(
            "manifest: 1\nlint: {severity: {rollback/missing: 'off'}}\n"
            "migrations: [{version: 1, file: 001_t.sql}, {version: 2, file: 002_i.sql}]\n"
        )
        report = checked()
        whole = json.loads(renderer("rdjson")(report))
        assert whole["source"] == {"name": "zmig lint"}
        lines = [json.loads(line) for line in renderer("rdjsonl")(report).splitlines()]
        assert [{**one, "source": whole["source"]} for one in whole["diagnostics"]] == lines
        return [one for one in whole["diagnostics"] if one["location"]["path"].endswith("002_i.sql")]

    return run


def test_what_can_be_replaced_is_a_suggestion(said: Callable[[str], list[dict[str, Any]]]) -> None:
    (one,) = said(TEXT)
    assert one["severity"] == "ERROR"
    assert one["code"]["value"] == "squawk/require-concurrent-index-creation"
    assert one["location"]["range"]["start"] == STATEMENT["start"], "columns count octets"
    assert one["suggestions"] == [{"range": STATEMENT, "text": "create index concurrently c_idx on t (c)"}]
    assert "fix:" not in one["message"]


def test_what_takes_several_migrations_is_in_the_message(said: Callable[[str], list[dict[str, Any]]]) -> None:
    one, *_ = said("-- why\nalter table t add constraint c_short check (length(c) < 9);\n")
    assert "suggestions" not in one
    assert "fix 1: alter table t add constraint c_short check (length(c) < 9) not valid;" in one["message"]
