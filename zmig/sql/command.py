"""What a statement does, by its keywords as the server's grammar reads them: the one reading of a statement.

What you may rely on: only what the text shows. A `REINDEX` or `CLUSTER` of a partitioned table refuses a transaction
too, which only the server knows.

A run asks a few questions of each of many thousand statements, nearly all of which are answered by the first words;
those are read by one regular expression. What takes more is parsed when it is asked for, once.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from zmig.sql import lexer, octets
from zmig.sql.lexer import NAME_PART, NAME_START, SPACE
from zmig.sql.token_reader import KIND_MODIFIERS, full_kind
from zmig.text.lazy_pattern import LazyPattern

if TYPE_CHECKING:
    from zmig.sql.catalog_effect import CatalogEffect
    from zmig.sql.command_parser import ParsedCommand

_WORD = f"{NAME_START}{NAME_PART}*+"
_MODIFIERS = "|".join(sorted(KIND_MODIFIERS))
_HEAD = re.compile(
    # A comment or a quote between the words ends the match: then the parser finds the kind.
    rf"({_WORD})(?:{SPACE}++((?:(?:or{SPACE}++replace|{_MODIFIERS}){SPACE}++)*+)({_WORD}))?",
    re.IGNORECASE | re.ASCII,
)

_HEAD_OCTETS = 1 << 12
"""In which the first words of a large statement are."""
_CONTROLS = frozenset({"abort", "begin", "commit", "end", "prepare", "rollback", "start"})
_DEFINES = frozenset({"alter", "create", "drop"})
_ALWAYS_READ = frozenset({"cluster", "commit", "discard", "reindex", "rollback", "vacuum"})
_OUTSIDE_OF_TRANSACTIONS = frozenset({"database", "subscription", "system", "tablespace"})
_CONCURRENT = frozenset({"index", "table"})
_SESSION = frozenset({"load", "reset", "select", "set"})
_OR_REPLACE = ((), ("or", "replace"))

_MADE_WITHOUT_CODE = frozenset(
    {
        "cast", "collation", "domain", "function", "operator", "policy", "procedure", "rule", "sequence", "trigger",
        "type", "view",
    }
)  # fmt: skip
_MADE_SHORTLY = _MADE_WITHOUT_CODE | {"aggregate", "schema"}
_KEPT = frozenset({"global", "local", "temp", "temporary", "unlogged"})
_ALTERED = frozenset({"index", "policy", "role", "schema", "sequence", "table", "trigger", "user", "view"})
_CODE_WHEN_DROPPED = frozenset({"database", "event trigger", "extension", "owned", "subscription"})
_STRING_SYNTAX = ("standard_conforming_strings", "backslash_quote", "set_config", "discard", 'u&"')
"""Spell the settings; a name with Unicode escapes may be any."""
_LANGUAGES = frozenset({"plpgsql", "sql"})
"""Those whose validators read a function's text and run nothing of it."""

_COMMITS = LazyPattern(r"\b(?:commit|rollback|call|execute)\b", re.IGNORECASE)
_EVALUATES = LazyPattern(
    r"\(|\b(?:add|type|validate|attach|default|using|check|constraint|generated|identity)\b|\bnot\s+null\b",
    re.IGNORECASE,
)
"""What is evaluated for the rows of a table that is altered."""
_NAME = r'(?:"[^"]++"|[^\s",]++)'
_LENGTH = r"(?:\s*+\(\s*+\d++\s*+(?:,\s*+\d++\s*+)?\))?"
_STRING = r"'(?:[^'\\]|'')*+'"


def _column_of(name: str, types: str, constant: str) -> str:
    """Return a pattern of a column of one of these types, with at most a constant of that kind as its default."""
    default = rf"(?:\s++not\s+null)?\s++default\s*+(?:null|{constant}|{_STRING}(?:::(?P={name}))?)(?:\s*+not\s+null)?"
    return rf"(?P<{name}>{types}){_LENGTH}(?:{default}|\s++null)?+"


_NUMBERS = "bigint|int|integer|smallint|real|numeric|int2|int4|int8|float4|float8|double\\s+precision"
_OTHERS = (
    "text|varchar|uuid|json|jsonb|bytea|date|time|interval|timestamptz|timestamp|inet"
    r"|character\s+varying|time(?:stamp)?\s+with(?:out)?\s+time\s+zone"
)
_NEVER = r"(?!)"
_ADDED_COLUMN = LazyPattern(
    rf"\badd\s++(?:column\s++)?(?:if\s++not\s++exists\s++)?{_NAME}\s++(?:"
    rf"{_column_of('number', _NUMBERS, r'-?[0-9]++(?:[.][0-9]++)?')}"
    rf"|{_column_of('truth', 'boolean|bool', 'true|false')}"
    rf"|{_column_of('other', _OTHERS, _NEVER)})\s*+(?=,|\Z)",
    re.IGNORECASE,
)
"""A new column of a type of the server's own, with at most a constant of such a type as its default.

The constant is not written to the rows that are there (PostgreSQL documentation, "ALTER TABLE", notes), so none is
read. Nor are the table's conditions gone through to see whether they make the column not null. A constant of another
type, such as `true` for a number, may be cast by somebody's function, and a `+` in front be somebody's operator.
"""
_FILLS = LazyPattern(
    r"\bas\s*+(?:\(\s*+)*+(?:select|with|table|values|execute)\b|\bpartition\s+of\b"
    r"|\bgenerated\s+always\s+as\s*+\(|\bpartition\s+by\s+\w++\s*+\([^()]*+\(",
    re.IGNORECASE,
)
"""What fills a new table, works out its bounds, or works out constants in an expression."""
_READS_PARTS = LazyPattern(r"(?:'|\$\w*+\$)\s*+(?:[\[{(](?!\s*[\]})])|\\)")
"""What begins a constant with other values in it: of an array, a composite type, a range, or JSON.

The bracket may be written as an escape.
"""
_LANGUAGE = LazyPattern(r"\blanguage\s+['\"]?(\w+)", re.IGNORECASE)
_LINE_COMMENT = LazyPattern(rf"('[^']*+'|\"[^\"]*+\")|{lexer.LINE_COMMENT}")
"""With the constants and quoted names before it, in which two hyphens are no comment."""
_QUERY = LazyPattern(r"\bas\b\s*+(?:\(\s*+)?(?:select|with|table|values|execute)\b", re.IGNORECASE)
_SELECT = LazyPattern(r"\bselect\b", re.IGNORECASE)
_VALUES = LazyPattern(r"\s*+values", re.IGNORECASE)
_SPELLS_STRING_SYNTAX = LazyPattern(r"standard_conforming_strings|backslash_quote|set_config|\bdiscard\b|\bu&\"")


class Command:
    """One statement's reading; `conforming` is how its strings are read, as in `zmig.sql.lexer`."""

    __slots__ = ("_conforming", "_end", "_kind", "_modifiers", "_parsed", "_source", "verb")

    verb: str
    """Its first word, in lower case; empty where it begins with something else."""

    def __init__(self, text: str | bytes, *, conforming: bool = True) -> None:
        """Read the first words of a statement; a large one, that begins with a verb, may be given in UTF-8."""
        self._source = text
        self._conforming = conforming
        self._parsed: ParsedCommand | None = None
        self._modifiers: tuple[str, ...] = ()
        self._end = 0
        head = _HEAD.match(text if isinstance(text, str) else octets.from_bytes(text[:_HEAD_OCTETS]))
        verb, before, kind = head.groups("") if head is not None else ("", "", "")
        self.verb = verb.lower()
        self._kind = kind.lower()
        if before:
            self._modifiers = tuple(before.lower().split())
            self._kind = full_kind(self._modifiers, self._kind)

    @property
    def _text(self) -> str:
        """The statement; the octets of a large one, whose words are ASCII and whose names nobody asks for."""
        return self._source if isinstance(self._source, str) else octets.from_bytes(self._source)

    @property
    def parsed(self) -> ParsedCommand:
        """What follows the verb."""
        if self._parsed is None:
            from zmig.sql import command_parser

            self._parsed = command_parser.parse(self.verb, self._text, conforming=self._conforming)
        return self._parsed

    @property
    def refuses_transaction(self) -> str | None:
        """The command's name if the server refuses it inside a transaction block, else None."""
        return self.parsed.refuses_transaction if self._may_refuse() else None

    def _may_refuse(self) -> bool:
        if self.verb in _DEFINES:
            if not self._kind or self._kind in _OUTSIDE_OF_TRANSACTIONS:
                return True
            return self._kind in _CONCURRENT and _spells(self._text, "concurrently")
        return self.verb in _ALWAYS_READ or (
            self.verb == "select" and _spells(self._text, "create_distributed_table_concurrently")
        )

    @property
    def controls_transaction(self) -> str | None:
        """The command's name if it begins, ends or prepares a transaction, else None.

        Savepoints do not: they stay inside the transaction.
        """
        return self.parsed.controls_transaction if self.verb in _CONTROLS else None

    @property
    def isolation_level(self) -> str | None:
        """The isolation level that a `SET TRANSACTION ISOLATION LEVEL` asks for; None for any other statement.

        PostgreSQL takes it before the first query of a transaction only, or where the transaction has that level.
        https://www.postgresql.org/docs/current/sql-set-transaction.html
        """
        if self.verb != "set" or self._kind not in ("", "transaction"):
            return None
        return self.parsed.isolation_level

    @property
    def may_commit(self) -> bool:
        """Whether it runs code that may contain a COMMIT or ROLLBACK: a CALL, or a DO that spells one."""
        return self.verb == "call" or (self.verb == "do" and _COMMITS.search(self._text) is not None)

    @property
    def runs_alone(self) -> bool:
        """Whether it runs without a transaction around it and its checkpoint.

        Any REINDEX or CLUSTER does: of a partitioned table it refuses a transaction, which its text does not show.
        """
        return self.verb in ("cluster", "reindex") or self.may_commit or self.refuses_transaction is not None

    @property
    def sets_session(self) -> bool:
        """Whether it only changes the session, so that it is run again when a later run continues after it."""
        return self.verb in _SESSION and self.parsed.sets_session

    @property
    def effect(self) -> CatalogEffect:
        """How the catalog shows whether it took effect outside of a transaction, with the names it has there."""
        from zmig.sql import command_parser

        return self.parsed.effect or command_parser.unknown(self._text, conforming=self._conforming)

    @property
    def is_definition(self) -> bool:
        """Whether it only defines, alters or drops something, and runs nobody's code.

        Such a statement changes nothing of the session and acts on nothing outside of its transaction. What PostgreSQL
        runs beside the command itself was gone through for each kind: defaults and checks, which are evaluated for the
        rows that are there, and those of domains with them; the bounds of partitions; queries that fill a table;
        scripts of extensions; validators of languages; conditions on constants, which are worked out when a column is
        declared to be not null. A constant is read when it is written: an array, a composite value or a range by what
        reads the values in it, which checks them where they are of a domain. An index evaluates its expressions, but
        in an operation restricted for security, in which nothing of the session can be changed for longer
        (`SECURITY_RESTRICTED_OPERATION` in PostgreSQL's sources).

        Event triggers run after every command; whether there are any, only the server knows.
        """
        match self.verb:
            case "comment" | "grant" | "revoke":
                return True
            case "drop":
                kind = self._kind or self.parsed.kind
                return kind != "" and kind not in _CODE_WHEN_DROPPED
            case "alter":
                is_known = not self._modifiers and self._kind in _ALTERED
                return is_known and _EVALUATES.search(_ADDED_COLUMN.sub(" ", self._without_comments())) is None
            case "create":
                return self._creates_without_code()
            case _:
                return False

    def _creates_without_code(self) -> bool:
        kind, modifiers = self._kind, self._modifiers
        if kind == "index":
            return modifiers in ((), ("unique",))
        if (kind == "table" and modifiers in ((), ("unlogged",))) or (kind == "schema" and not modifiers):
            text = self._without_comments()
            return _FILLS.search(text) is None and _READS_PARTS.search(text) is None
        if kind not in _MADE_WITHOUT_CODE or modifiers not in _OR_REPLACE:
            return False
        text = self._without_comments()
        is_known = all(found[1].lower() in _LANGUAGES for found in _LANGUAGE.finditer(text))
        return is_known and _READS_PARTS.search(text) is None

    def _without_comments(self) -> str:
        """Return the statement without what the server reads as blanks; constants stay in it."""
        text = self._text
        if "--" not in text and "/*" not in text:
            return text
        if any(mark in text for mark in ("/*", "\\", "$")):
            return " ".join(token.text for token in lexer.tokens(text, conforming=self._conforming))
        return _LINE_COMMENT.sub(lambda found: found[1] or " ", text)

    @property
    def takes_settings_over(self) -> bool:
        """Whether a function that it makes keeps a setting of the session: `set ... from current`."""
        text = self._text
        if "current" not in text.lower():
            return False
        words = [token.text.lower() for token in lexer.tokens(text, conforming=self._conforming)]
        return ("from", "current") in pairwise(words)

    @property
    def is_short(self) -> bool:
        """Whether it only makes or names things, or inserts the values it lists: it reads no table.

        Nor does it spell a setting by which the server reads text: that holds from the next message on.
        """
        return self._is_short() and not self._spells_string_syntax()

    def _is_short(self) -> bool:
        match self.verb:
            case "comment" | "grant" | "revoke" | "reset" | "set":
                return True
            case "create" if self._kind == "table":
                return _KEPT.issuperset(self._modifiers) and _QUERY.search(self._text, self._end) is None
            case "create":
                return self._kind in _MADE_SHORTLY and self._modifiers in _OR_REPLACE
            case "insert":
                lists_rows = self._kind == "into" and _lists_rows(self._text, self._end)
                return lists_rows and _SELECT.search(self._text, self._end) is None
            case _:
                return False

    @property
    def may_change_string_syntax(self) -> bool:
        """Whether it may change how the server reads a backslash in the constants of the statements after it.

        All may, but those that do nothing else than to change another setting; `set constraints` runs triggers that
        have waited.
        """
        changes_setting = self.verb in ("reset", "set") and self._kind not in ("", "constraints")
        return not changes_setting or self._spells_string_syntax()

    def _spells_string_syntax(self) -> bool:
        if self.verb == "reset" and self._kind not in ("role", "session"):
            return True
        lower = self._text.lower()
        return any(word in lower for word in _STRING_SYNTAX) and _SPELLS_STRING_SYNTAX.search(lower) is not None


_BLOCK = 1 << 20


def _spells(text: str, word: str) -> bool:
    """Whether a text holds a word in whatever case; of a long one, no copy is made as a whole."""
    step = _BLOCK - len(word)
    return any(word in text[start : start + _BLOCK].lower() for start in range(0, len(text), step))


def _lists_rows(text: str, start: int) -> bool:
    """Whether an INSERT, of which the table's name begins at `start`, has VALUES where its query would be."""
    opening = text.find("(", start)
    if opening < 0:
        return text[-6:].lower() == "values"  # DEFAULT VALUES
    if text[start:opening].rstrip().lower().endswith("values"):
        return True
    closing = text.find(")", opening)
    is_list = closing >= 0 and text.find("(", opening + 1, closing) < 0
    return is_list and _VALUES.match(text, closing + 1) is not None
