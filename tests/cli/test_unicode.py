"""Any text in names, notices and errors gets from the server to the screen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from zmig import MigrationFailed, Migrator
from zmig.presentation.problems import problem_text
from zmig.progress import Notice, Progress
from zmig.text.terminal import visible

if TYPE_CHECKING:
    from tests.cli.conftest import Run
    from tests.support.shop import Shop

NAMES = [
    "日本語",
    "naïve_ä",
    "Ελληνικά",
    "имя",
    "🎉_party",
    "مرحبا",
    "नमस्ते",
    "[bold]x[/bold]",
    "it's; rm -rf",
    "a%s%d{}",
]


def declare(shop: Shop, version: int, name: str, text: str) -> None:
    file = shop.write(f"{version}.sql", text).name
    shop.entries.append("  - " + json.dumps({"version": version, "name": name, "file": file}, ensure_ascii=False))
    shop.declare()


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_the_same_on_every_way_out(shop: Shop, run: Run, name: str) -> None:
    declare(shop, 1, name, "create table t ();")
    declare(shop, 2, f"{name} 2", f"do $$ begin raise exception '%', $x${name}$x$; end $$;")
    ended = run("apply", "shop.yaml")
    assert ended.code == 1
    assert f"migration `{name} 2` failed: {name}" in ended.stderr
    assert f"`{name}` of this run stays applied" in ended.stderr
    assert name in run("status", "shop.yaml").stdout
    status = json.loads(run("status", "shop.yaml", "--json").stdout)
    assert (status["applied"], status["failed"]) == ([name], [f"{name} 2"])
    assert [fact["name"] for fact in json.loads(run("history", "shop.yaml", "--json").stdout)["facts"]][:2] == [
        name
    ] * 2


_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=60).filter(str.strip)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@example("line\nbreak\r\nand\ttab")
@example("\u202ereversed\u2066 \x1b[31mred \x07")
@example("👩‍👩‍👧 e\u0301 \U0010ffff \ufeff")
@given(_TEXT)
def test_what_the_server_says_arrives_as_it_was_said(shop: Shop, text: str) -> None:
    quoted = text.replace("'", "''")
    shop.entries.clear()
    says = f"raise notice using message = '{quoted}'; raise exception using message = '{quoted}';"
    body = f"do $zmig_says$ begin {says} end $zmig_says$;"
    shop.add(1, "said.sql", body)
    heard: list[Progress] = []
    with pytest.raises(MigrationFailed) as caught:
        Migrator(shop.path, observer=heard.append).migrate()
    assert [one.message for one in heard if isinstance(one, Notice)] == [text]
    (problem,) = caught.value.problems
    assert problem.message == f"migration `said` failed: {text}"
    shown = problem_text(problem)
    assert visible(text).split()[0] in shown
    assert shown.encode("utf-8").decode("utf-8") == shown
