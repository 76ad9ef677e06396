"""The pages for those who build zmig are what the code says, and their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs import generate_floors as floors
from docs import measure_structure

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/adr/*.md")]
DECISIONS = sorted(ROOT.glob("docs/adr/0*.md"))
_LINK = re.compile(r"\]\((?!https?:|mailto:)(?P<path>[^)#\s]*)(?:#(?P<heading>[^)\s]+))?\)")


@pytest.mark.parametrize("contract", floors.PAGES)
def test_the_floors_are_those_of_the_import_contract(contract: str) -> None:
    written = floors.PAGES[contract].read_text("utf-8")
    assert written == floors.page(contract), "`python docs/generate_floors.py` writes them anew"


def test_the_picture_has_a_wall_where_rooms_do_not_know_each_other() -> None:
    picture = floors.picture([["a", "|", "b"], ["c", ":", "d"]], width=11)
    assert picture.splitlines() == [
        "┌─────┬─────┐",
        "│ a   │ b   │",
        "├─────┴─────┤",
        "│ c  d      │",
        "└───────────┘",
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.finditer(page.read_text("utf-8")):
        target = (page.parent / link["path"]).resolve() if link["path"] else page
        assert target.exists(), f"{page.name} links to {link['path']}"
        if link["heading"]:
            assert link["heading"] in _headings(target), f"{page.name} links to {link['path']}#{link['heading']}"


def _headings(page: Path) -> set[str]:
    """Return how GitHub calls the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.name[:4])
def test_a_decision_names_tests_that_exist(page: Path) -> None:
    held_by = page.read_text("utf-8").partition("## Held by\n")[2]
    assert held_by.strip(), f"{page.name} says what holds it"
    for file, test in re.findall(r"^- \[`([^`]+)`\]\([^)]+\)(?:: `(\w+)`)?$", held_by, re.MULTILINE):
        text = (ROOT / file).read_text("utf-8")
        assert not test or f"def {test}(" in text, f"{page.name} names {test} of {file}"


def test_every_decision_is_listed_and_is_in_the_architecture() -> None:
    for page in DECISIONS:
        assert f"]({page.name})" in (ROOT / "docs/adr/README.md").read_text("utf-8")
        assert f"](adr/{page.name})" in floors.PAGES["floors"].read_text("utf-8")


def test_the_glossary_is_in_order_and_explains_each_word_in_two_sentences() -> None:
    entries = re.findall(
        r"^\*\*([a-z ]+)\*\*: ((?:.+\n)+)", (ROOT / "docs/glossary.md").read_text("utf-8"), re.MULTILINE
    )
    words = [word for word, _ in entries]
    assert words == sorted(set(words))
    for word, text in entries:
        assert len(re.findall(r"[.](?=\s)", text)) in (2, 3), word


def test_what_the_table_says_of_layers_and_circles_is_so() -> None:
    """The figures that every commit changes are written anew from time to time; what imports may do is held."""
    _, _, rest = measure_structure.PAGE.read_text("utf-8").partition(measure_structure.BEGIN)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in rest.splitlines() if "|" in line]
    written = {row[0]: row[-1] for row in rows}
    measured = measure_structure.Structure(ROOT).imports_figures()
    assert {name: written[name] for name in measured} == measured
