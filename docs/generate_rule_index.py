"""Writes docs/rules/index.md from the rules that `zmig lint` knows: `python docs/generate_rule_index.py`.

A test fails while the page is not what this would write.
"""

from __future__ import annotations

import posixpath
import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from zmig.lint.registry import RULES  # noqa: E402 - the checkout is put on the path first
from zmig.lint.rule import Needs  # noqa: E402 - likewise
from zmig.lint.squawk.rules import DECIDED_BY_ZMIG  # noqa: E402 - likewise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.lint.rule import Rule

PAGE = ROOT / "docs" / "rules" / "index.md"

HEAD = """\
# Rules

What `zmig lint` looks for. A rule's page says why, with an example that is reported and one that is not; a test runs
every one of them. How to run it, and how to change what a rule means to you, is in [lint.md](../lint.md).

## How much a rule matters

| severity | what has it |
| --- | --- |
| error | what certainly fails, loses data that no statement names, or opens what was closed; what rewrites a table \
that was there before, reads all of it or builds an index on it, and stops its writes meanwhile |
| warning | short exclusive locks; what breaks the release that runs meanwhile; what a person should look at |
| note | taste, and what is missing |
| off | what would meet every ordinary migration; its row says why |

`lint: {severity: ...}` in a manifest changes that: for one rule by its name, for several by a pattern such as
`squawk/prefer-*`, and for a group by `group/` and its name, such as `group/security`. The more exact name counts.

| group | what its rules keep you from |
| --- | --- |
"""

ABOUT = {
    "fails": "what cannot run",
    "lock": "locks that hold up those who use a table",
    "compat": "what breaks the release that runs while the database is migrated",
    "data": "what loses data, or lets wrong rows in",
    "security": "what lets somebody see or do more than before",
    "replication": "what stops replicas and subscribers",
    "taste": "what is done better another way",
}
"""The groups that have rules of several sections; every other one is a section."""

GROUPS = {
    "manifest": "The manifest. `zmig apply` refuses these too, so they can be neither turned off nor ignored.",
    "file": "The files it names. `zmig apply` refuses these too, so they can be neither turned off nor ignored.",
    "python": "Python files. They are looked at, never run.",
    "sql": "SQL as the server reads it.",
    "transaction": "How a file runs: in one transaction, or statement by statement.",
    "batch": "Migrations that run in rounds.",
    "index": "Indexes that are built while the table is in use.",
    "change": "What a migration changes.",
    "lock": "Locks that everybody else waits for.",
    "data": "What is lost, or no longer kept right.",
    "security": "What lets somebody see or do more than before.",
    "replication": "What replicas and subscribers need.",
    "design": "What is better made another way, while it is easy.",
    "fails": "What certainly fails, by what the migrations before have made.",
    "name": "Names and descriptions.",
    "rollback": "What undoes a migration.",
    "base": "What changed since a revision of git: only with `--base`.",
    "try": "What a server says and does, when it runs the migrations: only with `--try`.",
    "verify": "What a rollback does not undo, as `zmig verify` reports it: here only with `--try`.",
    "ignore": "The ignores themselves.",
    "squawk": "Locks and downtime: [squawk](https://squawkhq.com) finds them, given what only the manifest knows.",
}

_NEEDS = {
    Needs.GRAMMAR: "`zmig[lint]`",
    Needs.SQUAWK: "`zmig[lint]`",
    Needs.BASE: "`--base`",
    Needs.SERVER: "`--try`",
    Needs.NOTHING: "",
}


def page() -> str:
    """Return the whole page."""
    by_group = {group: [*rules] for group, rules in groupby(RULES.values(), key=_group)}
    sections = [_section(group, about, by_group[group]) for group, about in GROUPS.items()]
    groups = "".join(f"| `group/{group}` | {about} |\n" for group, about in ABOUT.items())
    rest = "The rules of the other sections are groups of their own, such as `group/transaction`.\n"
    return "\n".join((HEAD + groups, rest, *sections, *_decided_by_zmig()))


def _decided_by_zmig() -> Iterator[str]:
    yield "squawk has a few more rules. They say nothing here, since zmig knows better:\n"
    yield "| rule of squawk | what says it instead |"
    yield "| --- | --- |"
    yield from (f"| `{name}` | {instead} |" for name, instead in DECIDED_BY_ZMIG.items())
    yield ""


def _group(rule: Rule) -> str:
    return rule.code.partition("/")[0]


def _section(group: str, about: str, rules: list[Rule]) -> str:
    return "\n".join((f"## {group}\n", f"{about}\n", *_table(rules), ""))


def _table(rules: list[Rule]) -> Iterator[str]:
    yield "| rule | group | severity | needs | what it finds |"
    yield "| --- | --- | --- | --- | --- |"
    for rule in rules:
        severity = "off" if rule.severity is None else rule.severity.value
        severity += f": {rule.why}" if rule.why else ""
        page = f"[`{rule.code}`]({posixpath.relpath(rule.page, 'docs/rules')})"
        yield f"| {page} | {rule.group} | {severity} | {_NEEDS[rule.needs]} | {rule.summary} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
