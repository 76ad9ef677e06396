"""Measures how the code is built: `python docs/measure_structure.py [CHECKOUT ...]` prints a column for each checkout.

`--write` measures this checkout and writes its figures into the last column of the table in docs/architecture.md.
Counting frames takes a server: `--database-url`, or a private one for as long as it takes.
"""

from __future__ import annotations

import argparse
import ast
import configparser
import re
import subprocess
import sys
import tempfile
import tokenize
from collections import Counter, defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- figures: docs/measure_structure.py -->\n", "<!-- end of figures -->"

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Import:
    """One module imported by another."""

    importer: str
    imported: str
    is_for_types: bool
    """Under `if TYPE_CHECKING:`."""


@dataclass(frozen=True)
class Module:
    """One file of the packages."""

    name: str
    path: Path

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.path.read_text("utf-8"))

    @cached_property
    def lines(self) -> int:
        """How many lines it has, empty ones included."""
        return len(self.path.read_text("utf-8").splitlines())

    @cached_property
    def comments(self) -> int:
        """How many comments it has; those that speak to a tool are none."""
        with self.path.open("rb") as file:
            found = [token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT]
        return sum(not re.match(r"#\s*(noqa|type:|pragma|pyright)", comment) for comment in found)


class Structure:
    """The packages of one checkout."""

    def __init__(self, checkout: Path) -> None:
        self.checkout = checkout
        files = [*_files(checkout / "zmig", "zmig"), *_files(checkout / "tui" / "zmig_tui", "zmig_tui")]
        self.modules = {module.name: module for module in files}
        self.imports = [one for module in files for one in self._imports(module.name, module.tree)]

    def figures(self, frames: str) -> dict[str, str]:
        """Return each figure by its name."""
        lines = sum(module.lines for module in self.modules.values())
        private, once = self._private_functions()
        return self.imports_figures() | {
            "files": f"{len(self.modules):,}",
            "lines": f"{lines:,}",
            "lines in the median file": str(_median([module.lines for module in self.modules.values()])),
            "private functions": str(private),
            "of them used in one place": f"{once} ({once / private:.0%})",
            "imports inside of functions": str(
                sum(map(_inner_imports, (module.tree for module in self.modules.values())))
            ),
            "comments per 1,000 lines": f"{1000 * sum(m.comments for m in self.modules.values()) / lines:.1f}",
            "frames from `Migrator.migrate` to the wire": frames,
        }

    def imports_figures(self) -> dict[str, str]:
        """Return the figures of what imports what, which a change of the code seldom changes."""
        circles = list(_circles((one.importer, one.imported) for one in self.imports))
        climbing = sum(one.is_for_types and self._climbs(one) for one in self.imports)
        return {
            "layers of the import contract": str(len(self._layers())),
            "circles of imports, those for types and in functions included": str(len(circles)),
            "modules in the largest circle": str(max(map(len, circles), default=0)),
            "imports for types alone that climb": str(climbing),
        }

    def _layers(self) -> list[set[str]]:
        """Return the names on each layer, from the roof down."""
        config = configparser.ConfigParser()
        config.read(self.checkout / ".importlinter", encoding="utf-8")
        layers = config["importlinter:contract:floors"]["layers"].splitlines()
        return [set(re.findall(r"[\w.]+", line)) for line in layers if line.strip() and not line.startswith("#")]

    @cached_property
    def _depths(self) -> dict[str, int]:
        return {name: depth for depth, names in enumerate(self._layers()) for name in names}

    def _depth(self, module: str) -> int | None:
        while module not in self._depths and "." in module:
            module = module.rpartition(".")[0]
        return self._depths.get(module)

    def _climbs(self, one: Import) -> bool:
        below, above = self._depth(one.importer), self._depth(one.imported)
        return below is not None and above is not None and above < below

    def _imports(self, importer: str, tree: ast.AST) -> Iterator[Import]:
        def visit(node: ast.AST, for_types: bool) -> Iterator[Import]:
            if isinstance(node, ast.ImportFrom | ast.Import):
                yield from (Import(importer, imported, for_types) for imported in self._imported(node))
            for_types |= isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
            for child in ast.iter_child_nodes(node):
                yield from visit(child, for_types)

        yield from visit(tree, False)

    def _imported(self, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in self.modules)
            return
        assert node.module is not None
        modules = {f"{node.module}.{alias.name}" for alias in node.names} & self.modules.keys()
        yield from modules
        if len(modules) < len(node.names) and node.module in self.modules:
            yield node.module

    def _private_functions(self) -> tuple[int, int]:
        """Return how many there are, and how many of them are named in one place of their module besides."""
        private = once = 0
        for module in self.modules.values():
            names = Counter(_names(module.tree))
            for node in ast.walk(module.tree):
                if isinstance(node, _FUNCTIONS) and re.match(r"_[a-z]", node.name):
                    private += 1
                    once += names[node.name] == 1
        return private, once


def _files(folder: Path, package: str) -> Iterator[Module]:
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        yield Module(".".join((package, *(part for part in parts if part != "__init__"))), path)


def _inner_imports(tree: ast.AST) -> int:
    """Return how many statements inside of functions import, from zmig or from elsewhere."""
    functions = [node for node in ast.walk(tree) if isinstance(node, _FUNCTIONS)]
    return len(
        {node for function in functions for node in ast.walk(function) if isinstance(node, ast.Import | ast.ImportFrom)}
    )


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


def _circles(edges: Iterable[tuple[str, str]]) -> Iterator[set[str]]:
    """Yield the modules of each circle: those that reach each other."""
    graph: defaultdict[str, set[str]] = defaultdict(set)
    for importer, imported in edges:
        if importer != imported:
            graph[importer].add(imported)
    done: set[str] = set()
    for module in sorted(_on_circles(graph)):
        if module not in done:
            circle = {other for other in _reached(graph, module) if module in _reached(graph, other)}
            done |= circle
            if circle:
                yield circle


def _on_circles(graph: Mapping[str, set[str]]) -> set[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError:
        return {module for module in graph if module in _reached(graph, module)}
    return set()


def _reached(graph: Mapping[str, set[str]], start: str) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph.get(waiting.pop(), set()) - reached
        reached |= new
        waiting += new
    return reached


def _median(numbers: Sequence[int]) -> int:
    return sorted(numbers)[len(numbers) // 2]


_COUNT_FRAMES = """
import sys, pathlib
checkout, folder, url = sys.argv[1:]
sys.path[:0] = [checkout, checkout + "/tui"]
from zmig import Migrator
folder = pathlib.Path(folder)
(folder / "1.sql").write_text("create table counting_of_frames ()")
(folder / "m.yaml").write_text(
    "manifest: 1\\nname: frames\\nenvironment: test\\ndatabase: {url: unused}\\n"
    "migrations:\\n- {version: 1, name: 001_one, kind: sql, file: 1.sql}\\n"
)

def watch(frame, event, called):
    # the text is an argument of the function that sends it, and of the helper that encodes it
    if event != "call" or not frame.f_code.co_filename.endswith("/zmig/database/wire.py"):
        return
    if not any(isinstance(value, str) and "counting_of_frames" in value for value in frame.f_locals.values()):
        return
    stack = []
    while frame is not None:
        if frame.f_code.co_filename.startswith(checkout):
            stack.append(frame.f_code.co_qualname)
        frame = frame.f_back
    sent.append(stack[: stack.index("Migrator.migrate") + 1][::-1])

sent = []
sys.setprofile(watch)
Migrator(folder / "m.yaml", database_url=url).migrate()
sys.setprofile(None)
print(*min(sent, key=len))
"""


def _frames(checkout: Path, url: str) -> list[str]:
    """Return the functions of zmig between `Migrator.migrate` and libpq, both ends included."""
    import psycopg
    from psycopg.conninfo import make_conninfo

    with tempfile.TemporaryDirectory() as folder, psycopg.connect(url, autocommit=True) as connection:
        connection.execute("drop database if exists zmig_structure")
        connection.execute("create database zmig_structure")
        own = make_conninfo(url, dbname="zmig_structure")
        command = [sys.executable, "-I", "-c", _COUNT_FRAMES, str(checkout.resolve()), folder, own]
        ended = subprocess.run(command, check=False, capture_output=True, text=True)
        connection.execute("drop database if exists zmig_structure with (force)")
    if ended.returncode != 0 or not ended.stdout:
        raise SystemExit(f"no frames were counted in {checkout}:\n{ended.stderr}")
    return ended.stdout.split()


def _table(columns: Mapping[str, Mapping[str, str]]) -> str:
    rows = [["", *columns], ["---", *("---:" for _ in columns)]]
    rows += [[name, *(column[name] for column in columns.values())] for name in next(iter(columns.values()))]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _write(figures: Mapping[str, str]) -> None:
    """Put the figures into the last column of the table in the page."""
    head, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    table, _, tail = rest.partition(END)
    lines = [[cell.strip() for cell in line[1:-1].split("|")] for line in table.splitlines()]
    written = "".join(f"| {' | '.join([*line[:-1], figures.get(line[0], line[-1])])} |\n" for line in lines)
    PAGE.write_text(f"{head}{BEGIN}{written}{END}{tail}", encoding="utf-8")


def _url(given: str | None, closing: ExitStack) -> str:
    if given is not None:
        return given
    from zmig.embedded import EmbeddedServer

    server = EmbeddedServer(Path(closing.enter_context(tempfile.TemporaryDirectory())) / "server")
    closing.callback(server.stop)
    return server.start()


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description="Measures how the code is built.")
    parser.add_argument("checkouts", nargs="*", type=Path, default=[ROOT])
    parser.add_argument("--database-url", help="a server where a database may be created")
    parser.add_argument("--write", action="store_true", help="write this checkout's figures into docs/architecture.md")
    options = parser.parse_args()
    checkouts: list[Path] = [ROOT] if options.write else options.checkouts
    with ExitStack() as closing:
        url = _url(options.database_url, closing)
        stacks = {checkout: _frames(checkout, url) for checkout in checkouts}
    columns = {str(path): Structure(path).figures(str(len(stack))) for path, stack in stacks.items()}
    if options.write:
        _write(next(iter(columns.values())))
    sys.stdout.writelines([_table(columns), *(f"\n{path}: {' > '.join(stack)}\n" for path, stack in stacks.items())])


if __name__ == "__main__":
    main()
