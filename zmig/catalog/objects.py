"""Objects of a database as values: what kind each is, its name, its definition, and one fingerprint for all of them.

Pure. A hash is that of kind, identity and definition; the fingerprint is that of all hashes, sorted, so it depends on
nothing but the objects themselves.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING

from zmig.valueclass import field, valueclass

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1
"""The format of definitions. Snapshots of two formats cannot be compared: a change of format is never drift."""


class Kind(StrEnum):
    """What an object is, or which property of one is kept by itself."""

    SCHEMA = "schema"
    EXTENSION = "extension"
    TYPE = "type"
    DOMAIN = "domain"
    SEQUENCE = "sequence"
    TABLE = "table"
    FOREIGN_TABLE = "foreign table"
    COLUMN = "column"
    CONSTRAINT = "constraint"
    INDEX = "index"
    VIEW = "view"
    MATERIALIZED_VIEW = "materialized view"
    ROUTINE = "routine"
    AGGREGATE = "aggregate"
    TRIGGER = "trigger"
    RULE = "rule"
    POLICY = "policy"
    STATISTICS = "statistics"
    EVENT_TRIGGER = "event trigger"
    PUBLICATION = "publication"
    SUBSCRIPTION = "subscription"
    FOREIGN_DATA_WRAPPER = "foreign data wrapper"
    SERVER = "server"
    USER_MAPPING = "user mapping"
    CAST = "cast"
    OPERATOR = "operator"
    OPERATOR_CLASS = "operator class"
    OPERATOR_FAMILY = "operator family"
    COLLATION = "collation"
    CONVERSION = "conversion"
    LANGUAGE = "language"
    TEXT_SEARCH = "text search"
    COMMENT = "comment"
    OWNER = "owner"
    PRIVILEGES = "privileges"
    DEFAULT_PRIVILEGES = "default privileges"
    COLUMN_ORDER = "column order"
    STORAGE = "storage"
    VERSION = "version"

    @property
    def is_note(self) -> bool:
        """Whether a difference in it is a note, and no finding."""
        return self in _NOTES


_NOTES = frozenset({Kind.COLUMN_ORDER, Kind.STORAGE, Kind.VERSION})

Key = tuple[Kind, str]
"""The kind of an object and its identity: its qualified name, with its parent's or the types of its arguments."""


def major(server_version: int) -> int:
    """Return the major version of a server, of which `server_version_num` is given; since PostgreSQL 10."""
    return server_version // 10000


def object_hash(kind: str, identity: str, definition: str) -> str:
    """Return the hash of one object, in hexadecimal."""
    return sha256("\0".join((kind, identity, definition)).encode()).hexdigest()


@valueclass
class SchemaSnapshot:
    """The objects of one database at one moment."""

    server_version: int
    """As in `server_version_num`."""
    objects: Mapping[Key, str]
    """The definition of each."""
    uncovered: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many objects of users there are in catalogs that are not looked at, by the catalog's name."""

    @property
    def major(self) -> int:
        """The major version of its server."""
        return major(self.server_version)

    @property
    def hashes(self) -> dict[Key, str]:
        """The hash of each object."""
        return {key: object_hash(*key, definition) for key, definition in self.objects.items()}

    @property
    def fingerprint(self) -> str:
        """The hash over all objects but those that are notes, in hexadecimal."""
        kept = sorted(hash for (kind, _), hash in self.hashes.items() if not kind.is_note)
        return sha256("".join(kept).encode()).hexdigest()
