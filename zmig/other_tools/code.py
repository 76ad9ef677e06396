"""Migrations that are code of another language: known by name, and not run."""

from __future__ import annotations

import ast
import json
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, cast

from zmig.errors import Location
from zmig.other_tools.files import name_of
from zmig.other_tools.source import Change, Remark, SourceMigration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zmig.other_tools.files import ProjectFiles


def migration(
    path: str, id: str, language: str, *, after: tuple[str, ...] = (), description: str | None = None
) -> SourceMigration:
    """Return a migration without a script; `language` is what it is written in."""
    remark = Remark(Change.LEFT_OUT, f"{language}, which zmig does not run", Location(path))
    name = name_of(path).rpartition(".")[0]
    return SourceMigration(id, name, None, after=after, description=description, remarks=(remark,))


def in_order(migrations: Sequence[SourceMigration]) -> list[SourceMigration]:
    """Return migrations each after those it comes after, otherwise as they are; those in a circle come last."""
    ranks = {one.id: rank for rank, one in enumerate(migrations)}
    waits = {rank: {ranks[id] for id in one.after if id in ranks} - {rank} for rank, one in enumerate(migrations)}
    following: dict[int, list[int]] = {}
    for rank, needed in waits.items():
        for other in needed:
            following.setdefault(other, []).append(rank)
    ready = [rank for rank, needed in waits.items() if not needed]
    heapify(ready)
    done: list[int] = []
    while ready:
        rank = heappop(ready)
        done.append(rank)
        for other in following.get(rank, ()):
            waits[other].discard(rank)
            if not waits[other]:
                heappush(ready, other)
    circle = [rank for rank in range(len(migrations)) if rank not in set(done)]
    return [migrations[rank] for rank in (*done, *circle)]


def assignments(body: Sequence[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    """Yield what is assigned to single names in a module or a class, with or without a type."""
    for node in body:
        if isinstance(node, ast.Assign):
            yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            yield node.target.id, node.value


def texts(node: ast.expr) -> tuple[str, ...]:
    """Return the texts in a literal: one, or those of a tuple or a list."""
    if isinstance(node, ast.Constant):
        return (node.value,) if isinstance(node.value, str) else ()
    elements = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else ()
    return tuple(text for element in elements for text in texts(element))


def packages(files: ProjectFiles, path: str) -> frozenset[str]:
    """Return the packages that a `package.json` has among its dependencies."""
    try:
        package = json.loads(files.text(path))
    except ValueError:
        return frozenset()
    values: Mapping[str, object] = cast("dict[str, object]", package) if isinstance(package, dict) else {}
    found = [values.get(key) for key in ("dependencies", "devDependencies")]
    return frozenset(name for one in found if isinstance(one, dict) for name in cast("dict[str, object]", one))
