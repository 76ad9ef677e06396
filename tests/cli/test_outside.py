"""No command shows a line of a file to which a link leads out of the project."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run
    from tests.support.shop import Shop

KEY = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU"
COMMANDS = (
    ["lint", "shop.yaml"],
    ["plan", "shop.yaml", "--rehearse"],
    ["plan", "shop.yaml", "--rehearse", "--json"],
    ["apply", "shop.yaml"],
    ["apply", "shop.yaml", "--verbose"],
    ["apply", "shop.yaml", "--json"],
    ["status", "shop.yaml"],
    ["status", "shop.yaml", "--json"],
    ["plan", "shop.yaml"],
    ["history", "shop.yaml"],
)
FILES = {
    "no SQL": f"AWS_SECRET_ACCESS={KEY}\n",
    "a name": f"select {KEY} from nosuch;\n",
    "a value": f"create table ok ();\nselect '{KEY}'::int;\n",
    "a value outside a transaction": f"vacuum;\nselect '{KEY}'::int;\n",
    "a query": f"do $$ begin execute 'select 1 as {KEY} bogus bogus'; end $$;\n",
    "a mark of another tool": f"select 1;\n-- +goose Down {KEY}\nselect 2;\n",
    "psql": f"\\echo {KEY}\n",
}


@pytest.fixture
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("elsewhere") / "kept"


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_no_line_of_a_migration_elsewhere_is_shown(shop: Shop, run: Run, elsewhere: Path, text: str) -> None:
    elsewhere.write_text(text)
    shop.add(1, "0001", "select 1;")
    (shop.folder / "0001.sql").unlink()
    (shop.folder / "0001.sql").symlink_to(elsewhere)
    for words in COMMANDS:
        ended = run(*words)
        assert KEY not in ended.stdout + ended.stderr, words


@pytest.mark.parametrize(
    "text", [f"AWS_SECRET={KEY}\n", f"a: [{KEY}\n", f"manifest: {KEY}\n", f"manifest: 1\n{KEY}: 1\n"]
)
@pytest.mark.parametrize("included", [True, False])
def test_no_line_of_a_manifest_elsewhere_is_shown(
    shop: Shop, run: Run, elsewhere: Path, text: str, *, included: bool
) -> None:
    elsewhere.write_text(text)
    (shop.folder / "linked.yaml").symlink_to(elsewhere)
    shop.declare(include="[linked.yaml]")
    for words in (["lint"], ["lint", "--format", "json"], ["plan"], ["status", "--json"], ["apply", "--verbose"]):
        ended = run(words[0], "shop.yaml" if included else "linked.yaml", *words[1:])
        assert KEY not in ended.stdout + ended.stderr, words


def test_lines_of_the_project_are_shown(shop: Shop, run: Run) -> None:
    shop.add(1, "0001", "create table own_words ();\nselect 'own words'::int;")
    assert "own_words" in run("apply", "shop.yaml", "--verbose").stderr
    assert '"own words"' in run("status", "shop.yaml").stdout
