"""What the migrations so far say of columns: which have a type, and which a constraint proves to be never null.

Only what is certain is known: a column of a table that no migration makes has no type here, and a CHECK that was
added NOT VALID proves nothing until it is validated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.sql.token_reader import Reader

if TYPE_CHECKING:
    from collections.abc import Collection

    from zmig.lint.sql_file import FileStatement
    from zmig.sql.token_reader import Name

_NO_COLUMN = frozenset({"check", "constraint", "exclude", "foreign", "like", "not", "primary", "unique"})
"""The first words of what is between a table's columns; NOT is of a named NOT NULL constraint."""
_AFTER_TYPE = frozenset(
    {
        "check", "collate", "compression", "constraint", "default", "deferrable", "generated", "initially", "not",
        "null", "primary", "references", "storage", "unique", "using",
    }
)  # fmt: skip
_COMPUTES = frozenset({"check", "exclude", "generated", "index"})
_LENGTH_ONLY = frozenset({"text", "varchar", "character varying"})
"""Types that are stored alike: between them PostgreSQL changes the catalog alone where no limit is set.

https://www.postgresql.org/docs/current/sql-altertable.html, under Notes.
"""


class Columns:
    """What is known of columns after the statements that were learnt."""

    def __init__(self) -> None:
        self._types: dict[Name, dict[str, str]] = {}
        self._checks: dict[Name, dict[str, _Check]] = {}
        """By table and constraint: those that say of one column that it is not null."""
        self._computed: dict[Name, set[str]] = {}
        """By table: every word of its checks, generated columns and index expressions."""

    def copy(self) -> Columns:
        """Return another one that learns separately."""
        copied = Columns()
        copied._types = {table: dict(types) for table, types in self._types.items()}
        copied._checks = {table: dict(checks) for table, checks in self._checks.items()}
        copied._computed = {table: set(words) for table, words in self._computed.items()}
        return copied

    def is_never_null(self, table: Name, column: str) -> bool:
        """Whether a validated constraint says so, so that `SET NOT NULL` need not read the table."""
        return any(check.column == column and check.is_valid for check in self._checks.get(table, {}).values())

    def is_null_check(self, table: Name, constraint: str) -> bool:
        """Whether a constraint is known to say of one column that it is not null, and nothing else."""
        return constraint in self._checks.get(table, {})

    def keeps_storage(self, table: Name, column: str, new: str) -> bool:
        """Whether a column is known to have a type from which PostgreSQL changes to `new` in the catalog alone.

        What is computed from the column is checked or built again, whatever the types are.
        """
        known = self._types.get(table, {}).get(column)
        if known is None or column in self._computed.get(table, ()):
            return False
        return known.partition("(")[0] in _LENGTH_ONLY and new in _LENGTH_ONLY

    def learn(self, statement: FileStatement) -> None:
        """Take note of what a statement makes, changes and drops."""
        if statement.verb == "create" and (indexed := _indexed(statement)) is not None:
            self._compute(statement.full(indexed), _words(statement.text))
        elif statement.verb == "create":
            self._create(statement)
        elif statement.verb == "drop":
            for name in statement.parsed.changes:
                self._forget(statement.full(name))
        elif statement.verb == "alter" and statement.parsed.renames is not None:
            self._rename(*map(statement.full, statement.parsed.renames))
        elif statement.verb == "alter" and statement.parsed.changes:
            table = statement.full(statement.parsed.changes[0])
            for action in statement.actions:
                self._compute(table, _words(action.text))
                self._alter(table, action.reader)

    def _create(self, statement: FileStatement) -> None:
        table = next((statement.full(made.name) for made in statement.parsed.creates if made.kind == "table"), None)
        if table is None or statement.parsed.is_guarded:  # with IF NOT EXISTS it may be another table
            return
        self._forget(table)
        reader = Reader(statement.text)
        if not reader.skip_to("("):
            return
        reader.take()
        while (token := reader.peek()) and token.text != ")":
            name = None if token.text in _NO_COLUMN else reader.identifier()
            if name is not None:
                self._types.setdefault(table, {})[name] = _type(reader)
            self._compute(table, [name or "", *_item(reader)])

    def _compute(self, table: Name, words: Collection[str]) -> None:
        """Take note of the words of a definition, if it computes anything."""
        if not _COMPUTES.isdisjoint(words) and "identity" not in words:
            self._computed.setdefault(table, set()).update(words)

    def _alter(self, table: Name, reader: Reader) -> None:
        match reader.accept_any("add", "alter", "drop", "rename", "validate"):
            case "add":
                self._add(table, reader)
            case "alter":
                reader.accept("column")
                column = reader.identifier()
                reader.accept("set", "data")
                if column is not None and reader.accept("type"):
                    self._types.setdefault(table, {})[column] = _type(reader)
            case "drop":
                self._drop(table, reader)
            case "rename":
                self._rename_part(table, reader)
            case "validate" if reader.accept("constraint") and (name := reader.identifier()):
                if check := self._checks.get(table, {}).get(name):
                    self._checks[table][name] = _Check(check.column, is_valid=True)
            case _:
                pass

    def _add(self, table: Name, reader: Reader) -> None:
        name = reader.identifier() if reader.accept("constraint") else None
        if reader.accept("check", "("):
            self._add_check(table, name, reader)
            return
        if name is not None or ((token := reader.peek()) and token.text in _NO_COLUMN):
            return
        reader.accept("column")
        is_guarded = reader.accept("if", "not", "exists")
        column = reader.identifier()
        if column is not None and not is_guarded:
            self._types.setdefault(table, {})[column] = _type(reader)

    def _add_check(self, table: Name, name: str | None, reader: Reader) -> None:
        """Take note of `check (column is not null)`, in any number of brackets; another check proves nothing."""
        depth = 1
        while reader.accept("("):
            depth += 1
        column = reader.identifier()
        if column is None or not reader.accept("is", "not", "null", *[")"] * depth):
            return
        is_valid = not reader.accept("not", "valid")
        # Where it is given no name, this is the one that PostgreSQL chooses.
        self._checks.setdefault(table, {})[name or f"{table.name}_{column}_check"] = _Check(column, is_valid=is_valid)

    def _drop(self, table: Name, reader: Reader) -> None:
        is_constraint = reader.accept("constraint")
        reader.accept("column")
        reader.accept("if", "exists")
        name = reader.identifier() or ""
        checks = self._checks.get(table, {})
        if is_constraint:
            checks.pop(name, None)
            return
        self._types.get(table, {}).pop(name, None)
        for constraint in [key for key, check in checks.items() if check.column == name]:
            del checks[constraint]

    def _rename_part(self, table: Name, reader: Reader) -> None:
        is_constraint = reader.accept("constraint")
        reader.accept("column")
        before = reader.identifier() or ""
        after = reader.identifier() if reader.accept("to") else None
        if after is None:
            return
        checks, types = self._checks.get(table, {}), self._types.get(table, {})
        if is_constraint and before in checks:
            checks[after] = checks.pop(before)
        elif not is_constraint:
            if before in types:
                types[after] = types.pop(before)
            if before in (computed := self._computed.get(table, set())):
                computed.add(after)
            for constraint, check in checks.items():
                if check.column == before:
                    checks[constraint] = _Check(after, is_valid=check.is_valid)

    def _rename(self, before: Name, after: Name) -> None:
        self._forget(after)
        if before in self._types:
            self._types[after] = self._types[before]
        if before in self._checks:
            self._checks[after] = self._checks[before]
        if before in self._computed:
            self._computed[after] = self._computed[before]
        self._forget(before)

    def _forget(self, name: Name) -> None:
        self._types.pop(name, None)
        self._checks.pop(name, None)
        self._computed.pop(name, None)


class _Check:
    """A constraint that says of a column that it is not null."""

    def __init__(self, column: str, *, is_valid: bool) -> None:
        self.column = column
        self.is_valid = is_valid


def _type(reader: Reader) -> str:
    """Take a type and return it in lower case with single blanks, such as `character varying(20)` or `numeric[]`."""
    words: list[str] = []
    depth = 0
    while token := reader.peek():
        if depth == 0 and (token.text in _AFTER_TYPE or token.text in {",", ")"}):
            break
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        words.append(token.text)
        reader.take()
    return " ".join(words).replace(" (", "(").replace("( ", "(").replace(" )", ")").replace(" [ ]", "[]")


def _item(reader: Reader) -> list[str]:
    """Take the rest of a column or constraint, with the comma after it, and return its words."""
    depth = 0
    words: list[str] = []
    while token := reader.peek():
        if depth == 0 and token.text == ")":
            break
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.text, 0)
        if (word := reader.identifier()) is not None:
            words.append(word)
            continue
        reader.take()
        if depth == 0 and token.text == ",":
            break
    return words


def _indexed(statement: FileStatement) -> Name | None:
    """Return the table of an index that computes something: of an expression, or of some rows only."""
    table = statement.parsed.changes[0] if statement.parsed.changes else None
    if table is None or statement.parsed.kind != "index":
        return None
    reader = Reader(statement.text)
    reader.skip_to("on")
    reader.skip_to("(")
    reader.take()
    return table if reader.skip_to("(") or "where" in _words(statement.text) else None


def _words(text: str) -> set[str]:
    """Return every word and every quoted name in SQL."""
    reader = Reader(text)
    words: set[str] = set()
    while reader.peek() is not None:
        if (word := reader.identifier()) is not None:
            words.add(word)
        else:
            reader.take()
    return words


def new_type(statement: FileStatement, start: int, end: int) -> tuple[str, str] | None:
    """Return the column whose type is changed at a place in the file, and the type alone.

    None where anything else is said with it: USING runs code for each row, and COLLATE rebuilds indexes.
    """
    for action in statement.actions:
        if not action.start <= start < end <= action.end:
            continue
        reader = action.reader
        reader.accept("alter")
        reader.accept("column")
        column = reader.identifier()
        reader.accept("set", "data")
        if column is None or not reader.accept("type"):
            return None
        kind = _type(reader)
        return (column, kind) if reader.peek() is None else None
    return None
