"""Findings that somebody decided to live with: ignores in the manifest's entries and in SQL comments.

The form in SQL is a line comment: `-- zmig: ignore RULE reason`. It holds for the statement it is in, or after on
its last line; elsewhere for the next one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.lint import registry
from zmig.lint.finding import Remark
from zmig.lint.squawk.rules import DECIDED_BY_ZMIG
from zmig.sql import lexer
from zmig.text.nearest import nearest
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from dataclasses import KW_ONLY

    from zmig.lint.entries import Entry
    from zmig.lint.sql_file import SqlFile
    from zmig.manifest.lint_keys import LintSettings
    from zmig.text.places import Source


@valueclass
class Ignore:
    """A rule, and where its findings are not reported."""

    rule: str
    source: Source
    _: KW_ONLY
    start: int
    end: int
    """Where it is written."""
    scope: tuple[Source, int, int] | None = None
    """The part of a text it holds for; None for everything about its entry."""

    def covers(self, remark: Remark) -> bool:
        """Whether it is about this remark of its entry."""
        if remark.rule not in registry.named(self.rule):
            return False
        if self.scope is None:
            return True
        source, start, end = self.scope
        return remark.source is source and start <= remark.start < end


SQUAWK_IGNORE_FILE = "squawk-ignore-file"
_SQUAWK_IGNORE = "squawk-ignore"
_AFTER_SQUAWK_IGNORE = re.compile(r"squawk-ignore(?!-file)(?P<rules>[ \t:]*[a-z-]*(?:[ \t]*,[ \t]*[a-z-]+)*)")
_RULE_WORD = re.compile(r"[a-z][a-z-]*")
_COMMENT = re.compile(r"--[ \t]*zmig:[ \t]*ignore\b[ \t]*(?P<rule>[^\s,;]*)(?P<reason>[^\r\n]*)")


def declared(entry: Entry) -> Iterator[Ignore]:
    """Yield the ignores of an entry: those in the manifest, then those in its files."""
    for one in entry.declaration.ignores:
        yield Ignore(one.rule, entry.manifest, start=one.start, end=one.end)
    for file, _ in entry.sql_files:
        for comment in _comments(file):
            start, end = comment.span()
            scope = (file.source, *_scope(file, start))
            yield Ignore(comment["rule"].rstrip(":"), file.source, start=start, end=end, scope=scope)


def faults(entry: Entry) -> Iterator[Remark]:
    """Yield what is wrong with how the ignores of an entry are written."""
    for ignore in declared(entry):
        if not registry.named(ignore.rule):
            yield _unknown(ignore.rule, ignore.source, ignore.start, ignore.end)
    for file, _ in entry.sql_files:
        # By this comment squawk would skip the file, so `zmig.lint.squawk.reading` hides it from squawk.
        for start in _places(file, SQUAWK_IGNORE_FILE):
            yield Remark(
                "ignore/file",
                f"`{SQUAWK_IGNORE_FILE}` hides a whole file without a reason, so the file is checked all the same",
                "write `-- zmig: ignore RULE why it does no harm here` before the statement that it is for",
                file.source,
                start=start,
                end=start + len(SQUAWK_IGNORE_FILE),
            )
        yield from _for_squawk(file)
        for comment in _comments(file):
            if not comment["reason"].strip(" \t-:"):
                yield Remark(
                    "ignore/invalid",
                    "an ignore gives no reason",
                    f"write `-- zmig: ignore {comment['rule'] or 'RULE'} why it does no harm here`",
                    file.source,
                    start=comment.start(),
                    end=comment.end(),
                )


def _for_squawk(file: SqlFile) -> Iterator[Remark]:
    """Yield the comments by which squawk is silent about a statement."""
    for start in _places(file, _SQUAWK_IGNORE):
        said = _AFTER_SQUAWK_IGNORE.match(file.text, start)
        if said is None:
            continue
        named = ", ".join(f"`-- zmig: ignore squawk/{rule} ...`" for rule in _RULE_WORD.findall(said["rules"]))
        yield Remark(
            "ignore/squawk",
            "this hides what squawk finds without a reason",
            f"write {named or '`-- zmig: ignore RULE ...`'} with the reason why it does no harm here",
            file.source,
            start=start,
            end=said.end(),
        )


def unknown_severities(settings: LintSettings, source: Source) -> Iterator[Remark]:
    """Yield the rules under `lint.severity` of a manifest that do not exist."""
    for name, choice in settings.severity.items():
        if not registry.named(name):
            yield _unknown(name, source, choice.start, choice.end)


def unused(
    entry: Entry, used: Collection[Ignore], ran: Collection[str], on: Collection[str], known: Iterable[Ignore]
) -> Iterator[Remark]:
    """Yield the ignores that hid nothing, as far as all of their rules that are `on` did `ran`."""
    for ignore in known:
        rules = registry.named(ignore.rule).intersection(on)
        if ignore not in used and rules and rules.issubset(ran):
            yield Remark(
                "ignore/unused",
                f"nothing about `{entry.name}` is found by `{ignore.rule}` here, so there is nothing to ignore",
                "remove the ignore",
                ignore.source,
                start=ignore.start,
                end=ignore.end,
            )


def _unknown(name: str, source: Source, start: int, end: int) -> Remark:
    decided = DECIDED_BY_ZMIG.get(name.removeprefix("squawk/"))
    near = nearest(name, registry.names(), cutoff=0.5)
    hint = "remove it" if decided else f"write `{near}`" if near else "run `zmig lint --rules`"
    message = f"there is no rule `{name}`" if name else "an ignore names no rule"
    if decided is not None:
        message = f"`{name}` is a rule of squawk that says nothing here: {decided}"
    return Remark("ignore/unknown-rule", message, hint, source, start=start, end=end)


def _places(file: SqlFile, mark: str) -> Iterator[int]:
    """Yield where a mark is in the comments of a file."""
    place = file.text.find(mark)
    while place >= 0:
        if _is_comment(file, place):
            yield place
        place = file.text.find(mark, place + len(mark))


def _comments(file: SqlFile) -> Iterator[re.Match[str]]:
    if "zmig:" not in file.text:  # a hundred times as fast as the pattern, and most often true
        return
    for comment in _COMMENT.finditer(file.text):
        if _is_comment(file, comment.start()):
            yield comment


def _is_comment(file: SqlFile, offset: int) -> bool:
    """Whether no string, no skipped data and no row of a COPY holds this place."""
    if any(span.start <= offset < span.end for span in (*file.rows, *file.skipped)):
        return False
    statement = file.statement_at(offset)
    if statement is None or offset < statement.start:
        return True
    inside = offset - statement.start
    return not any(token.start <= inside < token.end for token in lexer.tokens(statement.text))


def _scope(file: SqlFile, offset: int) -> tuple[int, int]:
    """Return where the statement is that a comment is for: the one it is in, or after on its last line, or before."""
    line = file.source.line_and_column(offset)[0]
    for statement in file.statements:
        if offset <= statement.end or file.source.line_and_column(statement.end)[0] == line:
            return statement.start, statement.end
    return offset, offset
