"""What the catalog can show of a statement's effect, with the names it has there.

What you may rely on: names are unquoted, folded and cut as the server does it; what is not known for sure is
`Unknown`, never a guess.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from dataclasses import KW_ONLY

    from zmig.sql.token_reader import Name


class ReindexKind(StrEnum):
    """What a REINDEX names."""

    INDEX = "index"
    TABLE = "table"
    SCHEMA = "schema"
    DATABASE = "database"
    SYSTEM = "system"


class SharedKind(StrEnum):
    """What belongs to the server, in a catalog that its databases share."""

    DATABASE = "database"
    TABLESPACE = "tablespace"
    SUBSCRIPTION = "subscription"


@valueclass
class CreateIndex:
    """The index exists and is valid; it is in its table's schema."""

    name: str | None
    """None where the server chooses it."""
    table: Name
    _: KW_ONLY
    is_unique: bool
    if_not_exists: bool
    concurrently: bool


@valueclass
class DropIndex:
    """None of the indexes exists."""

    names: tuple[Name, ...]
    if_exists: bool
    concurrently: bool


@valueclass
class Reindex:
    """Running it again does no harm, once the invalid `_ccnew` and `_ccold` indexes of a concurrent one are gone."""

    kind: ReindexKind
    name: Name | None
    """None for the current database."""
    concurrently: bool


@valueclass
class CreateShared:
    """The object exists."""

    kind: SharedKind
    name: str


@valueclass
class DropShared:
    """The object does not exist."""

    kind: SharedKind
    name: str
    if_exists: bool


@valueclass
class DetachPartition:
    """The partition is no longer attached to its parent; while it is pending, only FINALIZE ends it."""

    parent: Name
    partition: Name
    concurrently: bool
    finalize: bool


@valueclass
class AddEnumValue:
    """The enum type has the value."""

    type: Name
    value: str
    if_not_exists: bool


@valueclass
class FinishPrepared:
    """The prepared transaction no longer exists; whether it was committed is not to be seen."""

    gid: str
    commits: bool


@valueclass
class Idempotent:
    """Running it again has the effect of running it once."""

    command: str


@valueclass
class Unknown:
    """The catalog does not show it."""

    command: str
    """The statement's first words, for people."""


CatalogEffect = (
    CreateIndex
    | DropIndex
    | Reindex
    | CreateShared
    | DropShared
    | DetachPartition
    | AddEnumValue
    | FinishPrepared
    | Idempotent
    | Unknown
)
