"""What a catalog holds, as values that are never changed.

Names are as the server has them: with their schema, unquoted and folded. The session's own tables are in `pg_temp`.
What is not known is None, or left out where the object says that it is not whole.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, NamedTuple

from zmig.sql.token_reader import Name
from zmig.valueclass import field, valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from dataclasses import KW_ONLY

TEMPORARY = "pg_temp"
"""The schema of temporary tables, which comes before all others."""
BUILT_IN = "pg_catalog"
UNKNOWN = "\0"
"""The schema of a type or function of which nobody knows where it comes from."""


class ObjectKind(StrEnum):
    """What messages call an object."""

    TABLE = "table"
    FOREIGN_TABLE = "foreign table"
    VIEW = "view"
    MATERIALIZED_VIEW = "materialized view"
    INDEX = "index"
    SEQUENCE = "sequence"
    COLUMN = "column"
    DEFAULT = "default"
    CONSTRAINT = "constraint"
    TRIGGER = "trigger"
    POLICY = "policy"
    RULE = "rule"
    TYPE = "type"
    DOMAIN = "domain"
    FUNCTION = "function"
    SCHEMA = "schema"
    EXTENSION = "extension"
    ROLE = "role"
    PUBLICATION = "publication"
    STATISTICS = "statistics object"


class Ref(NamedTuple):
    """Which object is meant; `part` is the column, constraint, trigger or policy of it."""

    kind: ObjectKind
    name: Name
    part: str | None = None

    @property
    def shown(self) -> str:
        """What messages call it, such as `the column `a.b``."""
        name = self.name.name if self.part is None else f"{self.name.name}.{self.part}"
        return f"the {self.kind} `{name}`"


class Space(StrEnum):
    """Where a name is unique: PostgreSQL has one namespace for each of these."""

    RELATION = "relation"
    TYPE = "type"
    FUNCTION = "function"


class Node(NamedTuple):
    """An object, as others depend on it."""

    space: Space
    name: Name


class LockMode(IntEnum):
    """The locks on a table, the weakest first."""

    ACCESS_SHARE = 1
    ROW_SHARE = 2
    ROW_EXCLUSIVE = 3
    SHARE_UPDATE_EXCLUSIVE = 4
    SHARE = 5
    SHARE_ROW_EXCLUSIVE = 6
    EXCLUSIVE = 7
    ACCESS_EXCLUSIVE = 8

    @property
    def shown(self) -> str:
        """Its name in SQL."""
        return self.name.replace("_", " ")

    @property
    def stops_writes(self) -> bool:
        """Whether nobody can write the table meanwhile."""
        return self >= LockMode.SHARE

    @property
    def stops_reads(self) -> bool:
        """Whether nobody can read it either."""
        return self is LockMode.ACCESS_EXCLUSIVE


@valueclass
class Type:
    """A type as a column has it."""

    name: Name
    """In `pg_catalog` with the server's own name, such as `int4`; in `\\0` where nobody knows where it is from."""
    modifiers: tuple[int, ...] = ()
    """The numbers in brackets after it."""
    is_array: bool = False

    @property
    def is_built_in(self) -> bool:
        """Whether it is one of the server's own."""
        return self.name.schema == BUILT_IN


class Comparison(NamedTuple):
    """What a condition says of one column: `column operator constant`."""

    column: str
    operator: str
    constants: tuple[str, ...]
    """As they are written; several of `in (...)` and, after `<>`, of `not in (...)`."""


class Expression:
    """An expression of a default, a check, an index or a generated column; read no further than it is asked for."""

    __slots__ = ("_read_as", "read", "renamed")

    def __init__(self, read: Callable[[], ReadExpression], renamed: tuple[tuple[str, str], ...] = ()) -> None:
        self.read = read
        self._read_as: ReadExpression | None = None
        self.renamed = renamed
        """What its columns are called by now: each name before, and after."""

    @property
    def _known(self) -> ReadExpression:
        if self._read_as is None:
            self._read_as = self.read()
        return self._read_as

    def _now(self, column: str) -> str:
        for before, after in self.renamed:
            column = after if column == before else column
        return column

    @property
    def columns(self) -> frozenset[str]:
        """The columns it names."""
        return frozenset(map(self._now, self._known.columns))

    @property
    def functions(self) -> tuple[Name, ...]:
        """The functions it calls, as they are written."""
        return tuple([called for called, _ in self._known.calls])

    @property
    def calls(self) -> tuple[tuple[Name, int], ...]:
        """The same, each with how many arguments it is given."""
        return self._known.calls

    @property
    def text(self) -> str:
        """It as the server would write it, with the names that its columns had when it was made."""
        return self._known.text()

    @property
    def never_null(self) -> frozenset[str]:
        """The columns that cannot be null where it holds as a check."""
        return frozenset(map(self._now, self._known.never_null))

    @property
    def comparisons(self) -> frozenset[Comparison]:
        """What it says of single columns, all of which holds where it holds."""
        return frozenset(one._replace(column=self._now(one.column)) for one in self._known.comparisons)

    @property
    def alternatives(self) -> frozenset[Comparison]:
        """What it says of single columns, one of which holds where it holds: it is nothing but an OR of these.

        `is null` is an operator here.
        """
        return frozenset(one._replace(column=self._now(one.column)) for one in self._known.alternatives)

    @property
    def is_constant(self) -> bool:
        """Whether it is one value for all rows of a statement, as far as its own form shows: nothing is called."""
        return self._known.is_constant

    @property
    def has_query(self) -> bool:
        """Whether there is a query in it, so that its columns may be those of other tables."""
        return self._known.has_query

    @property
    def is_null(self) -> bool:
        """Whether it is NULL, which is no default at all."""
        return self._known.is_null

    @property
    def sequences(self) -> tuple[str, ...]:
        """The names of sequences in calls of `nextval`, as they are written."""
        return self._known.sequences

    def with_renamed(self, before: str, after: str) -> Expression:
        """Return it after a column was renamed."""
        made = Expression(self.read, (*self.renamed, (before, after)))
        made._read_as = self._read_as
        return made


class Definition:
    """What a view, a function or a trigger is, as the text of a statement that makes it; written when it is asked for.

    Neither its own name nor how the statement was laid out is part of it.
    """

    __slots__ = ("_text", "read")

    def __init__(self, read: Callable[[], str]) -> None:
        self.read = read
        self._text: str | None = None

    @property
    def text(self) -> str:
        """Its text."""
        if self._text is None:
            self._text = self.read()
        return self._text


class ReadExpression(NamedTuple):
    """What was read out of an expression."""

    columns: frozenset[str]
    calls: tuple[tuple[Name, int], ...]
    never_null: frozenset[str]
    comparisons: frozenset[Comparison]
    alternatives: frozenset[Comparison]
    is_constant: bool
    has_query: bool
    is_null: bool
    sequences: tuple[str, ...]
    text: Callable[[], str]


class Generated(StrEnum):
    """How a generated column is kept."""

    STORED = "stored"
    VIRTUAL = "virtual"


@valueclass
class Column:
    """A column of a table."""

    name: str
    type: Type | None
    """None where nobody knows it."""
    _: KW_ONLY
    is_not_null: bool = False
    default: Expression | None = None
    """Also what a generated column is computed by."""
    generated: Generated | None = None
    identity: str | None = None
    """`always` or `by default`."""
    collation: str | None = None
    """Where it is said; None for that of its type."""
    storage: str | None = None
    """How long values are stored, where it is said."""
    compression: str | None = None
    is_inherited: bool = False
    is_own: bool = False
    """Whether it was there before it was inherited, and stays when what it is inherited from loses it."""


class ConstraintKind(StrEnum):
    """The kinds of constraints."""

    CHECK = "check"
    NOT_NULL = "not null"
    PRIMARY_KEY = "primary key"
    UNIQUE = "unique"
    FOREIGN_KEY = "foreign key"
    EXCLUDE = "exclude"

    @property
    def has_index(self) -> bool:
        """Whether an index enforces it."""
        return self in (ConstraintKind.PRIMARY_KEY, ConstraintKind.UNIQUE, ConstraintKind.EXCLUDE)


@valueclass
class Constraint:
    """A constraint of a table or a domain."""

    name: str
    kind: ConstraintKind
    columns: tuple[str, ...] = ()
    _: KW_ONLY
    is_valid: bool = True
    """Whether all rows are known to fulfil it; False after NOT VALID until it is validated."""
    is_enforced: bool = True
    expression: Expression | None = None
    references: Name | None = None
    referenced_columns: tuple[str, ...] = ()
    """Empty for the primary key of the table that it references."""
    index: Name | None = None
    on_delete: str = "no action"
    is_deferrable: bool = False
    is_inherited: bool = False
    is_own: bool = False
    """As of a column."""
    made_by: int | None = None
    """The generation of the catalog in which it was made."""

    @property
    def is_only_not_null(self) -> bool:
        """Whether it is a check of nothing but that one column is never null."""
        says = self.expression if self.kind is ConstraintKind.CHECK else None
        return (
            says is not None and len(says.never_null) == 1 and says.columns == says.never_null and not says.comparisons
        )


class Event(StrEnum):
    """What fires a trigger."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    TRUNCATE = "truncate"


@valueclass
class Trigger:
    """A trigger of a table or a view."""

    name: str
    function: Name
    columns: frozenset[str] = frozenset()
    """Those of `update of`, and those in its condition."""
    _: KW_ONLY
    is_enabled: bool = True
    timing: str = "after"
    is_for_rows: bool = False
    events: frozenset[Event] = frozenset()
    condition: Expression | None = None
    definition: Definition | None = None


@valueclass
class Policy:
    """A row security policy."""

    name: str
    command: str
    is_permissive: bool
    _: KW_ONLY
    using: Expression | None = None
    check: Expression | None = None
    roles: tuple[str, ...] = ()


class TableKind(StrEnum):
    """What is stored of a table's rows, and where."""

    TABLE = "table"
    PARTITIONED = "partitioned table"
    FOREIGN = "foreign table"


class Persistence(StrEnum):
    """How long rows last."""

    PERMANENT = "permanent"
    UNLOGGED = "unlogged"
    TEMPORARY = "temporary"


@valueclass
class Bound:
    """Which rows are in a partition."""

    is_default: bool = False
    values: frozenset[str] = frozenset()
    """Of a list."""
    lower: tuple[str, ...] = ()
    """Of a range, as constants are written; `minvalue` and `maxvalue` for no limit."""
    upper: tuple[str, ...] = ()
    is_hash: bool = False


@valueclass
class Table:
    """A table, with what belongs to it alone."""

    name: Name
    kind: TableKind = TableKind.TABLE
    _: KW_ONLY
    columns: Mapping[str, Column] = field(default_factory=dict[str, Column])
    constraints: Mapping[str, Constraint] = field(default_factory=dict[str, Constraint])
    triggers: Mapping[str, Trigger] = field(default_factory=dict[str, Trigger])
    policies: Mapping[str, Policy] = field(default_factory=dict[str, Policy])
    rules: frozenset[str] = frozenset()
    parents: tuple[Name, ...] = ()
    """What it inherits from; of a partition, the table that it is part of."""
    bound: Bound | None = None
    """Of a partition."""
    of_type: Name | None = None
    """The composite type that says which columns it has."""
    partition_strategy: str | None = None
    """`list`, `range` or `hash`."""
    partition_key: tuple[str | None, ...] = ()
    """The columns by which rows are parted; None for an expression."""
    persistence: Persistence = Persistence.PERMANENT
    is_whole: bool = True
    """Whether all its columns and constraints are known."""
    missing: frozenset[str] = frozenset()
    """Columns that it certainly has no longer, where it is not whole."""
    missing_constraints: frozenset[str] = frozenset()
    empty_since: int | None = None
    """The generation in which it was made, or emptied, and nothing was written to it since by a statement."""
    has_row_security: bool = False
    forces_row_security: bool = False
    replica_identity: str = "default"
    owner: str | None = None
    made_by: int | None = None
    """The generation in which it was made; None for one that was there before, or may have been."""

    @property
    def ref(self) -> Ref:
        """Which object it is."""
        return Ref(ObjectKind.FOREIGN_TABLE if self.kind is TableKind.FOREIGN else ObjectKind.TABLE, self.name)

    @property
    def is_partition(self) -> bool:
        """Whether it is part of a partitioned table."""
        return self.bound is not None

    @property
    def is_temporary(self) -> bool:
        """Whether only the session that made it sees it."""
        return self.persistence is Persistence.TEMPORARY

    def column(self, name: str) -> Column | None:
        """Return one of its columns; None where it is not known."""
        return self.columns.get(name)

    def certainly_lacks(self, column: str) -> bool:
        """Whether it has no such column, for certain."""
        if column in self.columns or column in _SYSTEM_COLUMNS:
            return False
        return self.is_whole or column in self.missing

    def is_never_null(self, column: str) -> bool:
        """Whether a column is known never to be null: it is declared so, or a validated constraint says it."""
        known = self.columns.get(column)
        return (known is not None and known.is_not_null) or column in self.proved_not_null

    @property
    def proved_not_null(self) -> frozenset[str]:
        """The columns of which a validated check says that they are not null."""
        found: set[str] = set()
        for one in self.constraints.values():
            if not (one.is_valid and one.is_enforced):
                continue
            if one.kind is ConstraintKind.NOT_NULL:
                found.update(one.columns)
            elif one.kind is ConstraintKind.CHECK and one.expression is not None:
                found |= one.expression.never_null
        return frozenset(found)

    @property
    def primary_key(self) -> Constraint | None:
        """Its primary key, where it is known."""
        kinds = (one for one in self.constraints.values() if one.kind is ConstraintKind.PRIMARY_KEY)
        return next(kinds, None)

    def columns_referenced_by(self, key: Constraint) -> tuple[str, ...]:
        """Return the columns of it that a foreign key references; empty where its primary key is not known."""
        primary_key = self.primary_key
        return key.referenced_columns or (primary_key.columns if primary_key is not None else ())

    @property
    def foreign_keys(self) -> tuple[Constraint, ...]:
        """The foreign keys that it has."""
        return tuple(one for one in self.constraints.values() if one.kind is ConstraintKind.FOREIGN_KEY)


_SYSTEM_COLUMNS = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid", "oid"})


@valueclass
class Index:
    """An index of a table or a materialized view."""

    name: Name
    table: Name
    _: KW_ONLY
    columns: tuple[str | None, ...] = ()
    """Its key; None for an expression."""
    expressions: tuple[Expression, ...] = ()
    """Those, in order."""
    included: tuple[str, ...] = ()
    predicate: Expression | None = None
    is_unique: bool = False
    is_valid: bool = True
    method: str = "btree"
    opclasses: tuple[str | None, ...] = ()
    orders: tuple[str, ...] = ()
    """How each of its key is sorted, such as `desc nulls last`; empty for what is usual."""
    collations: tuple[str | None, ...] = ()
    options: tuple[str, ...] = ()
    """Its storage parameters, in order, such as `fillfactor=70`."""
    constraint: str | None = None
    """The constraint that it enforces."""
    parent: Name | None = None
    """The index of the partitioned table that it is part of."""
    is_on_only: bool = False
    """Whether it is of a partitioned table without the partitions."""
    attributes: tuple[str, ...] = ()
    """What its own columns are called, which a rename of a table's column leaves: copies of it are named by them."""
    number: int = 0
    """Greater than those of the indexes before it."""
    made_by: int | None = None

    @property
    def ref(self) -> Ref:
        """Which object it is."""
        return Ref(ObjectKind.INDEX, self.name)

    @property
    def all_columns(self) -> frozenset[str]:
        """The columns that it is lost with."""
        named = {one for one in self.columns if one is not None} | set(self.included)
        computed = [*self.expressions, *([self.predicate] if self.predicate is not None else [])]
        return frozenset(named.union(*(one.columns for one in computed)))


@valueclass
class View:
    """A view, or a materialized one."""

    name: Name
    _: KW_ONLY
    columns: tuple[str, ...] | None = None
    """None where not all are known."""
    uses: Mapping[Name, frozenset[str]] = field(default_factory=dict[Name, frozenset[str]])
    """The tables and views that it reads, each with the columns that it certainly uses."""
    is_materialized: bool = False
    triggers: Mapping[str, Trigger] = field(default_factory=dict[str, Trigger])
    definition: Definition | None = None
    types: Mapping[str, Type] = field(default_factory=dict[str, Type])
    """Those of its columns that are known."""
    calls: Expression | None = None
    """Its query, for the functions that it calls."""
    is_invokers: bool = False
    """Whether its tables are read with the rights of whoever reads it: `security_invoker`."""
    made_by: int | None = None

    @property
    def ref(self) -> Ref:
        """Which object it is."""
        return Ref(ObjectKind.MATERIALIZED_VIEW if self.is_materialized else ObjectKind.VIEW, self.name)


@valueclass
class Sequence:
    """A sequence."""

    name: Name
    owner: tuple[Name, str] | None = None
    """The table and the column that it is dropped with."""
    is_identity: bool = False
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    """How it counts, where that is said."""
    made_by: int | None = None

    @property
    def ref(self) -> Ref:
        """Which object it is."""
        return Ref(ObjectKind.SEQUENCE, self.name)


Relation = Table | Index | View | Sequence


@valueclass
class Domain:
    """A domain."""

    name: Name
    base: Type | None
    _: KW_ONLY
    constraints: Mapping[str, Constraint] = field(default_factory=dict[str, Constraint])
    is_not_null: bool = False
    made_by: int | None = None

    @property
    def ref(self) -> Ref:
        """Which object it is."""
        return Ref(ObjectKind.DOMAIN, self.name)

    @property
    def is_constrained(self) -> bool:
        """Whether values are checked when they become of it."""
        return self.is_not_null or any(one.is_enforced for one in self.constraints.values())


@valueclass
class Enum:
    """An enum type."""

    name: Name
    values: tuple[str, ...]
    made_by: int | None = None

    @property
    def ref(self) -> Ref:
        """Which object it is."""
        return Ref(ObjectKind.TYPE, self.name)


@valueclass
class Composite:
    """A composite type."""

    name: Name
    attributes: Mapping[str, Type]
    made_by: int | None = None

    @property
    def ref(self) -> Ref:
        """Which object it is."""
        return Ref(ObjectKind.TYPE, self.name)


@valueclass
class OtherType:
    """A range type, a base type, or one of which only the name is known."""

    name: Name
    made_by: int | None = None

    @property
    def ref(self) -> Ref:
        """Which object it is."""
        return Ref(ObjectKind.TYPE, self.name)


UserType = Domain | Enum | Composite | OtherType


class Volatility(StrEnum):
    """Whether a function may return something else for each row."""

    IMMUTABLE = "immutable"
    STABLE = "stable"
    VOLATILE = "volatile"


@valueclass
class Function:
    """A function or procedure."""

    name: Name
    arguments: tuple[Type, ...]
    """Those by which it is another than others of its name."""
    _: KW_ONLY
    language: str = ""
    volatility: Volatility = Volatility.VOLATILE
    is_security_definer: bool = False
    settings: frozenset[str] = frozenset()
    """The settings that it has of its own, such as `search_path`."""
    is_procedure: bool = False
    body: str | None = None
    returns: Type | None = None
    returns_set: bool = False
    argument_names: tuple[str, ...] = ()
    """Of those by which it is called; an empty one for an argument that has none."""
    results: tuple[tuple[str, Type | None], ...] = ()
    """What is OUT, or a column of the table that it returns."""
    defaults: int = 0
    """How many of its arguments have a default."""
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    """What else is said of how it runs, such as `strict`, `cost` or `parallel`."""
    definition: Definition | None = None
    """Without how it runs."""
    made_by: int | None = None

    @property
    def ref(self) -> Ref:
        """Which object it is."""
        return Ref(ObjectKind.FUNCTION, self.name)


@valueclass
class OtherObject:
    """A role, an extension, a publication or a statistics object."""

    kind: ObjectKind
    name: Name
    _: KW_ONLY
    tables: frozenset[Name] = frozenset()
    """Those that it publishes, or is about."""
    columns: frozenset[str] = frozenset()
    """Those of its table that it is about."""
    options: frozenset[str] = frozenset()
    """What else it publishes, and how."""
    is_whole: bool = True
    """Whether all of this is known."""
    is_gone: bool = False
    """Whether it was dropped, and all that is known is that there is none."""
    made_by: int | None = None

    @property
    def ref(self) -> Ref:
        """Which object it is."""
        return Ref(self.kind, self.name)


class Privilege(NamedTuple):
    """What a role may do with an object."""

    kind: str
    """What kind of object it is, such as `table`, in the words of GRANT."""
    name: Name
    role: str
    what: str
    """Such as `select`, or `select (a, b)` of columns; `all` for all that there are."""


@valueclass
class Schema:
    """A schema."""

    name: str
    is_whole: bool = True
    """Whether everything in it was made by a statement that was replayed."""
    made_by: int | None = None
    known_since: int | None = None
    """The generation of the first table that was made in it, where no statement made the schema."""
