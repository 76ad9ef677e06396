"""What is wrong with a manifest although every value in it has the right form."""

from __future__ import annotations

import os
from itertools import chain
from typing import TYPE_CHECKING

from zmig.errors import Problem
from zmig.manifest import typed_reader, variables
from zmig.manifest.declaration import KINDS, LARGEST_VERSION
from zmig.model import Kind, Language, RepeatRule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zmig.manifest.declaration import Declaration
    from zmig.model import VerifyQuery, Versions


def problems(declarations: Iterable[Declaration]) -> Iterator[Problem]:
    """Yield what is wrong with each entry by itself, as far as that can be known without its files."""
    for declaration in declarations:
        if declaration.file is not None:
            kind, language = declaration.kind, declaration.language
            if language is None or (kind is not None and kind not in (Kind.REPEATABLE, KINDS[language])):
                yield _misfit(declaration, kind, language)
            # A file gives a name that may be recorded: none with the value of a variable in it.
            is_variable = variables.occur(declaration.text("file").rpartition("/")[2])
            is_name = not is_variable and typed_reader.NAME.fullmatch(declaration.name or "") is not None
            if declaration.given_name is None and not is_name:
                message = f"{declaration.subject} needs a name: none can be taken from its file"
                hint = "add a line such as `name: create_users`"
                yield Problem("name-invalid", message, declaration.location("file"), hint=hint)
        if declaration.rollback is not None:
            yield from _of_rollback(declaration, declaration.rollback)
        if declaration.repeat is not None:
            yield from _of_repeat(declaration)
        if declaration.verify is not None:
            yield from _of_verify(declaration, declaration.verify)
        yield from _beside(declaration)
        if declaration.replaces is not None:
            yield from _of_replaces(declaration, declaration.replaces)


def _beside(declaration: Declaration) -> Iterator[Problem]:
    """Yield the keys that mean nothing beside others."""
    if declaration.batch is not None and declaration.transaction is not None:
        message = f"{declaration.subject} has `transaction` beside `batch`, whose rounds have a transaction each"
        yield Problem("batch-invalid", message, declaration.location("transaction"), hint="remove the line")
    if declaration.is_empty and (declaration.language is Language.PYTHON or declaration.batch is not None):
        what = "a Python file" if declaration.batch is None else "`batch`"
        message = f"{declaration.subject} has `empty: true` beside {what}"
        yield Problem("empty-invalid", message, declaration.location("empty"), hint="remove the line")


def _misfit(declaration: Declaration, kind: Kind | None, language: Language | None) -> Problem:
    file = declaration.text("file")
    if language is not None and kind is not None:
        message = f"{declaration.subject} has kind `{kind}`, which does not fit its file `{file}`"
        return Problem("kind-mismatch", message, declaration.location("kind"), hint=f"write `kind: {language}`")
    message = f"{declaration.subject} names a file that is neither SQL nor Python: `{file}`"
    suffix = ".py" if kind is Kind.PYTHON else ".sql"
    return Problem("kind-mismatch", message, declaration.location("file"), hint=f"name a file that ends in `{suffix}`")


def _of_rollback(declaration: Declaration, rollback: str) -> Iterator[Problem]:
    if rollback == declaration.file:
        message = f"{declaration.subject} names its own file as its rollback file"
        hint = "name the SQL file that undoes it, or remove the line"
        yield Problem("rollback-invalid", message, declaration.location("rollback"), hint=hint)
    elif not rollback.lower().endswith(".sql"):
        message = f"{declaration.subject} has a rollback file that is not SQL: `{declaration.text('rollback')}`"
        hint = "name a file that ends in `.sql`"
        if declaration.language is Language.PYTHON:
            hint = f"remove the line, and define `rollback(ctx)` in {declaration.text('file')}"
        yield Problem("rollback-invalid", message, declaration.location("rollback"), hint=hint)


def _of_repeat(declaration: Declaration) -> Iterator[Problem]:
    kind, repeat = declaration.effective_kind, declaration.repeat
    if kind is not None and kind is not Kind.REPEATABLE:
        message = f"{declaration.subject} has `repeat`, but its kind is `{kind}`"
        yield Problem("repeat-invalid", message, declaration.location("repeat"), hint="write `kind: repeatable`")
    if repeat is not None and repeat.rule is RepeatRule.CONDITION and not (repeat.condition or "").strip():
        message = f"{declaration.subject} has an empty condition"
        hint = "write a query that returns true when it is due, or `repeat: checksum`"
        yield Problem("repeat-invalid", message, declaration.location("repeat"), hint=hint)


def _of_replaces(declaration: Declaration, replaces: Versions) -> Iterator[Problem]:
    """Yield what is wrong with a squash by itself."""
    subject, version, place = declaration.subject, declaration.version, declaration.location("replaces")
    if declaration.effective_kind is Kind.REPEATABLE or declaration.batch is not None:
        what = "is repeatable" if declaration.batch is None else "runs in rounds"
        message = f"{subject} has `replaces`, but {what}"
        yield Problem("replaces-invalid", message, place, hint="remove the line, or the one that makes it so")
    elif not replaces.ranges:
        message = f"{subject} lists versions in `replaces` that are not in ascending order"
        yield Problem("replaces-invalid", message, place, hint="write them in order, each once, such as `1..4, 6`")
    elif version is not None and version != replaces.last:
        message = f"{subject} has version {version}, but the last that it replaces is {replaces.last}"
        yield Problem("replaces-invalid", message, place, hint=f"write `version: {replaces.last}`")


def _conflicting(declarations: tuple[Declaration, ...]) -> Iterator[Problem]:
    """Yield the squashes that replace a part of another, or what runs again and so is never replaced."""
    squashes = [(one, one.replaces) for one in declarations if one.replaces is not None and one.replaces.ranges]
    for number, (second, replaces) in enumerate(squashes):
        for first, others in squashes[:number]:
            if replaces.meets(others) and not replaces.covers(others) and not others.covers(replaces):
                message = f"{second.subject} replaces a part of what `{first.name}` replaces"
                facts = (f"`{first.name}` replaces {others}",)
                hint = "let one of the two replace all that the other one does"
                yield Problem("replaces-invalid", message, second.location("replaces"), facts=facts, hint=hint)
        for one in declarations:
            if one is not second and one.effective_kind is Kind.REPEATABLE and one.version in replaces:
                message = f"{second.subject} replaces version {one.version}, `{one.name}`, which is a repeatable"
                hint = f"leave version {one.version} out of `replaces`"
                yield Problem("replaces-invalid", message, second.location("replaces"), hint=hint)


def _of_verify(declaration: Declaration, verify: VerifyQuery) -> Iterator[Problem]:
    place, hint = declaration.location("verify"), "write a query that returns true once the migration has done its work"
    if verify.query is not None and not verify.query.strip():
        yield Problem("verify-invalid", f"{declaration.subject} has an empty verify query", place, hint=hint)
    elif verify.file is not None and verify.file.suffix.lower() != ".sql":
        message = f"{declaration.subject} has a verify file that is not SQL: `{declaration.text('verify')}`"
        yield Problem("verify-invalid", message, place, hint="name a file that ends in `.sql`")


def repeated(declarations: Iterable[Declaration]) -> Iterator[Problem]:
    """Yield the versions, names and files that more than one entry has, over all the manifests of a project."""
    declarations = tuple(declarations)
    yield from _repeated_files(declarations)
    yield from _conflicting(declarations)
    taken = {declaration.version for declaration in declarations}
    versions: dict[tuple[int, bool], Declaration] = {}
    names: dict[str, Declaration] = {}
    for second in declarations:
        version, name = second.version, second.name
        # A squash has the version of the last one that it replaces, whose entry may be there still.
        if (
            version is not None
            and (first := versions.setdefault((version, second.replaces is None), second)) is not second
        ):
            # The next one that is free, or else the one before.
            near = chain(range(version, LARGEST_VERSION + 1), range(version - 1, 0, -1))
            free = next(number for number in near if number not in taken)
            taken.add(free)
            message = f"{second.subject} repeats version {version}"
            facts = (f"first declared at {first.location('version')}, by `{first.name}`",)
            hint = f"write `version: {free}`"
            yield Problem("version-repeated", message, second.location("version"), facts=facts, hint=hint)
        if name is not None and (first := names.setdefault(name, second)) is not second:
            message = f"{second.subject} repeats the name of version {first.version}"
            facts = (f"first declared at {first.location(first.name_key)}",)
            hint = f"give it another name: `name: {name}_{second.version or 2}`"
            yield Problem("name-repeated", message, second.location(second.name_key), facts=facts, hint=hint)


def _repeated_files(declarations: tuple[Declaration, ...]) -> Iterator[Problem]:
    """Yield the entries whose file another one names, too: both would run it."""
    is_one_manifest = len({id(declaration.document) for declaration in declarations}) == 1
    files: dict[str, Declaration] = {}
    for second in declarations:
        if second.file is None:
            continue
        path = second.file
        if not is_one_manifest:  # paths are relative to the folder of their manifest
            folder = os.path.dirname(second.document.source.label)  # noqa: PTH120
            path = os.path.normpath(os.path.join(folder, path))  # noqa: PTH118
        if (first := files.setdefault(path, second)) is not second and first.name != second.name:
            message = f"{second.subject} names the file of `{first.name}`: `{second.text('file')}`"
            facts = (f"first declared at {first.location('file')}", "both would run it")
            hint = "name a file of its own, or remove one of the two entries"
            yield Problem("file-repeated", message, second.location("file"), facts=facts, hint=hint)
