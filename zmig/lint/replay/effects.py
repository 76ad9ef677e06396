"""What one statement does to a catalog that is there: the values that rules ask.

An effect says what the server does, whether that hurts or not; whether a table is in use, its catalog knows.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from dataclasses import KW_ONLY

    from zmig.lint.replay.objects import LockMode, Ref, Relation, UserType
    from zmig.sql.token_reader import Name


@valueclass
class Effect:
    """Something that a statement does."""

    _: KW_ONLY
    action: int | None = None
    """Which action of an ALTER TABLE does it, 0-based; None for the statement as a whole."""


@valueclass
class Locks(Effect):
    """It takes a lock on a table, and keeps it until its transaction ends."""

    table: Name
    mode: LockMode


class RewriteCause(StrEnum):
    """Why a table is written anew."""

    ADDED_COLUMN = "added column"
    TYPE = "type"
    GENERATED = "generated"
    PERSISTENCE = "persistence"
    TABLESPACE = "tablespace"
    ACCESS_METHOD = "access method"
    COMMAND = "command"
    """CLUSTER, VACUUM FULL, REFRESH MATERIALIZED VIEW."""


@valueclass
class Rewrites(Effect):
    """It writes all rows of a table anew, with all of its indexes, while nobody can read it."""

    table: Name
    cause: RewriteCause
    reason: str
    """Why, in words that follow `since`."""
    column: str | None = None
    concurrently: bool = False
    """Whether others read meanwhile."""
    _: KW_ONLY
    is_certain: bool = True
    """False where a type is not known from which, or to which, a column changes."""


class ScanCause(StrEnum):
    """What all rows of a table are read for."""

    CHECK = "check"
    NOT_NULL = "not null"
    PRIMARY_KEY = "primary key"
    FOREIGN_KEY = "foreign key"
    PARTITION = "partition"
    DEFAULT_PARTITION = "default partition"
    DOMAIN = "domain"
    RECHECK = "recheck"
    """A constraint on a column whose type changes."""


@valueclass
class Scans(Effect):
    """It reads all rows of a table, under a lock."""

    table: Name
    mode: LockMode
    cause: ScanCause
    reason: str
    """What for, in words that follow `to`."""
    column: str | None = None
    _: KW_ONLY
    constraint: str | None = None
    is_certain: bool = True
    """False where nothing is known of the column, so that it may well be declared not to be null."""


@valueclass
class Builds(Effect):
    """It builds an index of all rows of a table, under a lock."""

    index: Name | None
    """None where the server chooses its name, and it is not known."""
    table: Name
    mode: LockMode
    concurrently: bool = False
    is_rebuilt: bool = False
    """Whether it was there before."""
    _: KW_ONLY
    is_of_nothing: bool = False
    """Whether the table is empty then, as after TRUNCATE."""


@valueclass
class Validates(Effect):
    """It looks up every row of a table in the table that a foreign key references."""

    constraint: str
    table: Name
    references: Name
    mode: LockMode


class Extent(StrEnum):
    """How many rows are written."""

    ALL = "all"
    SOME = "some"
    """Those for which a condition holds."""
    FEW = "few"
    """Those that are listed, or named by their key."""


class RowChange(StrEnum):
    """What is done with rows."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    MERGE = "merge"
    COPY = "copy"
    TRUNCATE = "truncate"


@valueclass
class WritesRows(Effect):
    """It writes or removes rows of a table."""

    table: Name
    change: RowChange
    extent: Extent
    columns: tuple[str, ...] = ()
    """Those that are named."""
    _: KW_ONLY
    overwrites: bool = False
    """Whether rows that it inserts may take the place of others: `on conflict do update`."""
    is_picked: bool = False
    """Whether they are those with a value that is written in the statement, such as a status."""


@valueclass
class Makes(Effect):
    """It makes something."""

    ref: Ref


@valueclass
class Drops(Effect):
    """It drops something, and with it what depends on it."""

    ref: Ref
    cascaded: tuple[Ref, ...] = ()
    """What goes with it that is no part of it: by CASCADE."""
    parts: tuple[Ref, ...] = ()
    """What is part of it: indexes, constraints, owned sequences."""


@valueclass
class Renames(Effect):
    """It gives something another name, or another schema."""

    before: Ref
    after: Ref


@valueclass
class Redefines(Effect):
    """It changes what something is; `before` and `after` are the whole objects, None where they are not known."""

    ref: Ref
    before: Relation | UserType | None = None
    after: Relation | UserType | None = None
    what: str = ""
    """Such as `type`, `default`, `not null`, `row security`."""


@valueclass
class LosesData(Effect):
    """It throws away what was stored in a table, or in one of its columns."""

    ref: Ref


@valueclass
class Grants(Effect):
    """It gives privileges, or takes them."""

    kind: str
    """What kind of object they are for, such as `table`."""
    objects: tuple[Name, ...]
    privileges: tuple[str, ...]
    """Empty for all."""
    grantees: tuple[str, ...]
    """`public` is everybody."""
    is_revoke: bool = False


class FailureCause(StrEnum):
    """Why a statement cannot succeed."""

    MISSING = "missing"
    """A name that does not exist."""
    EXISTS = "exists"
    """A name that is taken."""
    IN_THE_WAY = "in the way"
    """Something depends on what is changed or dropped."""
    PARTITIONED = "partitioned"
    """CONCURRENTLY on a partitioned table."""
    REFUSED = "refused"
    """What the server refuses whatever is in the table."""


@valueclass
class Fails(Effect):
    """It cannot succeed on a database that has what the migrations so far make, so nothing of it is done."""

    cause: FailureCause
    reason: str
    """In words of a whole sentence."""
    advice: str
    blockers: tuple[Ref, ...] = ()
    """What is in the way."""


@valueclass
class FailsIfRows(Effect):
    """It fails as soon as the table has a row."""

    table: Name
    reason: str
    column: str | None = None


@valueclass
class RunsCode(Effect):
    """It runs code, whose effects are of steps of their own where they are known: a DO block, or a function."""

    text: str
    function: Name | None = None


@valueclass
class FiresTrigger(Effect):
    """It fires a trigger, for the statement or for each of its rows."""

    table: Name
    trigger: str
    function: Name


@valueclass
class Sleeps(Effect):
    """It waits, for as long as it says: a call of `pg_sleep`."""


@valueclass
class Reads(Effect):
    """It reads rows of a table that no condition on a key and no limit makes few."""

    table: Name


@valueclass
class Sets(Effect):
    """It gives a setting of the session another value."""

    name: str
    value: str | None
    """As it is written, without quotes; None for one that is not a constant, or that is not written."""
    is_reset: bool = False
    """Whether it is given back the value that it has without a word of the session."""


@valueclass
class Empowers(Effect):
    """It gives a role what goes past privileges, such as `superuser`, or a password that is written down."""

    role: str
    powers: tuple[str, ...] = ()
    has_password: bool = False


@valueclass
class Publishes(Effect):
    """It publishes the changes of tables, or of all."""

    tables: tuple[Name, ...]
    is_every: bool = False


@valueclass
class Skips(Effect):
    """It makes nothing, since something of that name is there, which is not what it says."""

    ref: Ref
    lacking: tuple[str, ...] = ()
    """The columns that a table does not have."""
    types: tuple[str, str] | None = None
    """The type that a column has, and the one that it would be made of."""


@valueclass
class OpensRows(Effect):
    """It lets rows be seen that row security kept from being seen, or may do so."""

    table: Name
    how: str
    """In words that follow the table's name."""
    policy: str | None = None


@valueclass
class StopsTriggers(Effect):
    """It disables triggers of a table; None for all of them."""

    table: Name
    trigger: str | None = None


@valueclass
class StopsReplication(Effect):
    """It takes from a subscriber what it got."""

    what: str
    """In words of a whole sentence."""
    table: Name | None = None
    """Whose changes are meant, where it is one table's."""
    publication: Name | None = None


@valueclass
class SetsSequence(Effect):
    """It lets a sequence go on from a number that is written down, wherever it was."""

    sequence: Name


@valueclass
class EndsSessions(Effect):
    """It ends sessions of others, or what they are doing."""


@valueclass
class LocksRows(Effect):
    """It locks rows that it reads, until its transaction ends: FOR UPDATE and the like."""

    table: Name
    extent: Extent
    _: KW_ONLY
    is_picked: bool = False
    """Whether they are those with a value that is written in the statement."""


@valueclass
class Analyzes(Effect):
    """It reads a sample of a table's rows, as large as the statistics are to be good."""

    table: Name


@valueclass
class ShowsRows(Effect):
    """Through a view, all rows of a table can be seen that row security keeps from others."""

    view: Name
    table: Name


@valueclass
class MakesStale(Effect):
    """It leaves values as they were that a function has computed, which computes others now."""

    function: Name
    holders: tuple[Ref, ...]
    """The indexes and generated columns that hold them."""
