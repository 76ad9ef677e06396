"""False alarms are bugs: migrations as experienced people write them are not reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from zmig.lint.run import lint

ROOT = Path(__file__).parents[2]
REALISTIC = Path(__file__).with_name("realistic")


def told(manifest: Path) -> list[str]:
    report = lint([manifest], environ={})
    assert report.missing == ()
    return [f"{one.file}:{one.line}: {one.rule}: {one.message}" for one in report.findings]


@pytest.mark.parametrize(("name", "least"), [("manifest", 50), ("ledger", 20)])
def test_realistic_migrations_are_not_reported(name: str, least: int) -> None:
    manifest = REALISTIC / f"{name}.yaml"
    assert told(manifest) == []
    assert lint([manifest], environ={}).migrations >= least


@pytest.mark.parametrize("name", ["demo", "prod"])
def test_the_example_is_not_reported(name: str) -> None:
    assert told(ROOT / "manifests" / f"{name}.yaml") == []


def test_what_several_manifests_share_is_told_once(folder: Path) -> None:
    (folder / "001_a.sql").write_text("-- why\nselect 1;\ncommit;\n")
    (folder / "base.yaml").write_text("manifest: 1\nmigrations: [{version: 1, file: 001_a.sql}]\n")
    (folder / "prod.yaml").write_text("manifest: 1\ninclude: [base.yaml]\n")
    report = lint([folder / "prod.yaml", folder / "base.yaml"], environ={})
    assert [finding.rule for finding in report.findings] == ["transaction/control"]
    assert report.migrations == 1
