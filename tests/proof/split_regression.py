"""Prove the splitter and the classifiers against PostgreSQL's own regression suite and PostgreSQL's own parser.

    apt-get source --download-only postgresql-15        # any release, any way to get the source
    tar xf postgresql-15_*.orig.tar.*
    python -m tests.proof.split_regression postgresql-15.*

Every `*.sql` file below the folder is cut; each piece is given to libpg_query (PostgreSQL 18's parser). Proved is:
no piece holds two statements, nothing but comments lies between pieces, and keywords say of each statement what
its syntax tree says. The suite is written for psql, so psql's commands are taken out first, where the splitter
reports them. Every file is also cut while it comes in small pieces, which must give the same. Pieces that the
parser refuses are the suite's deliberate errors; `--refused` lists them. Ends with 1 if anything disagrees.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import postgast

from tests.proof import grammar
from zmig.errors import ManifestError
from zmig.sql import script
from zmig.sql.catalog_effect import Idempotent, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zmig.sql.statement import Statement

_PIECE = 997
_ENDS_A_STATEMENT = ("g", "crosstabview", "watch", ";")
"""Beginnings of the psql commands that send what stands in front of them."""


@dataclass
class Tally:
    """What was counted, and everything that is wrong."""

    counts: Counter[str] = field(default_factory=Counter[str])
    commands: Counter[str] = field(default_factory=Counter[str])
    wrong: list[str] = field(default_factory=list[str])
    refused: list[str] = field(default_factory=list[str])


def main() -> int:
    """Run the proof and print its figures."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--refused", action="store_true", help="list the pieces that the parser refuses")
    options = arguments.parse_args()
    began = time.perf_counter()
    tally = Tally()
    for path in sorted(options.folder.rglob("*.sql")):
        _prove_file(path, tally)
    _print(tally, seconds=time.perf_counter() - began, with_refused=options.refused)
    return 1 if tally.wrong or not tally.counts["statements"] else 0


def _prove_file(path: Path, tally: Tally) -> None:
    raw = path.read_bytes()
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    tally.counts["files"] += 1
    tally.counts["characters"] += len(text)
    text, statements = _without_psql(text, str(path), tally)
    pieces = [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]
    if _places(script.split_stream(pieces, path=str(path))) != _places(script.split_stream([text], path=str(path))):
        tally.wrong.append(f"{path}: cut differently when it comes in pieces")
    end = 0
    for one in statements:
        _prove_gap(text[end : one.offset], one, path, tally)
        _prove_statement(one, path, tally)
        end = one.offset + len(one.text)
        if one.copy_data is not None:
            end = one.copy_data.offset + sum(map(len, one.copy_data.blocks)) + len("\\.")


def _places(statements: Iterable[Statement]) -> list[tuple[int, int, int, str]]:
    found: list[tuple[int, int, int, str]] = []
    with suppress(ManifestError):
        found.extend((one.offset, one.line, one.column, one.text) for one in statements)
    return found


def _without_psql(text: str, path: str, tally: Tally) -> tuple[str, list[Statement]]:
    """Return the text with blanks for psql's commands, and its statements."""
    while True:
        statements: list[Statement] = []
        try:
            for one in script.split(text, path=path):
                statements.append(one)
        except ManifestError as error:
            offset = _offset(text, error)
            if error.code != "sql-psql-command":
                tally.counts["files that end in a problem"] += 1
                tally.refused.append(f"{error.problems[0].location}: {error}")
                return text, statements
            tally.counts["psql commands"] += 1
            text = _blank_command(text, offset)
        else:
            return text, statements


def _offset(text: str, error: ManifestError) -> int:
    location = error.problems[0].location
    if location is None:
        raise AssertionError(error)
    lines = text.splitlines(keepends=True)
    return sum(len(line) for line in lines[: location.line - 1]) + location.column - 1


def _blank_command(text: str, offset: int) -> str:
    end = text.find("\n", offset)
    end = len(text) if end < 0 else end
    if text.startswith("\\;", offset):
        return text[:offset] + " ;" + text[offset + 2 :]
    sends = text[offset + 1 :].startswith(_ENDS_A_STATEMENT)
    return text[:offset] + (";" if sends else " ") + " " * (end - offset - 1) + text[end:]


def _prove_gap(gap: str, one: Statement, path: Path, tally: Tally) -> None:
    lines = [line for line in gap.splitlines() if not line.lstrip().startswith(("\\restrict ", "\\unrestrict "))]
    try:
        between = len(postgast.parse("\n".join(lines)).stmts)
    except postgast.PgQueryError:
        between = 1
    if between:
        tally.wrong.append(f"{path}:{one.line}: something lies between statements: {gap!r}")


def _prove_statement(one: Statement, path: Path, tally: Tally) -> None:
    tally.counts["statements"] += 1
    parsed = _parse(one.text)
    if parsed is None:
        one = replace(one, source=_without_variables(one.text))
        parsed = _parse(one.text)
    if parsed is None:
        tally.counts["refused by the parser"] += 1
        tally.refused.append(f"{path}:{one.line}:{one.column}: {one.summary}")
        return
    tally.counts["parsed as exactly one" if len(parsed) == 1 else "parsed as none or many"] += 1
    if len(parsed) != 1:
        tally.wrong.append(f"{path}:{one.line}: {len(parsed)} statements in one piece: {one.summary}")
        return
    for question, ours, theirs in _opinions(one, parsed[0].stmt):
        tally.counts[question] += bool(theirs)
        if ours != theirs:
            tally.wrong.append(f"{path}:{one.line}: {question}: {ours} here, {theirs} there: {one.summary}")
    if command := one.command.refuses_transaction:
        tally.commands[command] += 1


def _parse(text: str) -> Sequence[grammar.pb.RawStmt] | None:
    try:
        return postgast.parse(text).stmts
    except postgast.PgQueryError:
        return None


def _without_variables(text: str) -> str:
    """Return the text with psql's variables replaced by what may stand in their place."""
    text = re.sub(r"(?<!:):'\w+'", "'x'", text)
    return re.sub(r"(?<!:):(\"?)([A-Za-z_]\w*)\1", '"x"', text)


def _opinions(one: Statement, node: grammar.pb.Node) -> Iterator[tuple[str, object, object]]:
    """Yield each question with the answers by keywords and by syntax tree."""
    refuses = one.command.refuses_transaction is not None
    yield "refuses a transaction", refuses, grammar.refuses_transaction(node)
    yield (
        "controls the transaction",
        one.command.controls_transaction is not None,
        grammar.controls_transaction(node),
    )
    yield "takes rows from the client", one.copy_data is not None, grammar.reads_client(node)
    ours = one.command.effect
    named = None if isinstance(ours, (Unknown, Idempotent)) else ours
    yield "has an effect the catalog tells", named, grammar.effect(node)


def _print(tally: Tally, *, seconds: float, with_refused: bool) -> None:
    write = sys.stdout.write
    for name, count in tally.counts.items():
        write(f"{count:>10,}  {name}\n")
    for command, count in sorted(tally.commands.items()):
        write(f"{count:>10,}    {command}\n")
    write(f"{len(tally.wrong):>10,}  disagreements\n{seconds:>10.1f}  seconds\n")
    for line in (*tally.wrong, *(tally.refused if with_refused else ())):
        write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
