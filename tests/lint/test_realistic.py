"""False alarms are bugs: migrations as experienced people write them are not reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from zmig.lint.run import lint

ROOT = Path(__file__).parents[2]
REALISTIC = Path(__file__).with_name("realistic") / "manifest.yaml"


def told(manifest: Path) -> list[str]:
    report = lint([manifest], environ={})
    assert report.missing == ()
    return [f"{one.file}:{one.line}: {one.rule}: {one.message}" for one in report.findings]


def test_fifty_realistic_migrations_are_not_reported() -> None:
    assert told(REALISTIC) == []
    assert lint([REALISTIC], environ={}).migrations >= 50


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
