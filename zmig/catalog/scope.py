"""Which of a database's schemas and relations are looked at, and which are left out. Pure."""

from __future__ import annotations

from fnmatch import fnmatchcase

from zmig.valueclass import valueclass


@valueclass
class Scope:
    """What is looked at."""

    tracking_schema: str
    """Where zmig's own tables are, which are left out; so is the schema, if nothing else is in it."""
    schemas: tuple[str, ...] = ("*",)
    """The schemas that are looked at, with `*` and `?` as in file names."""
    ignore: tuple[str, ...] = ()
    """The relations and schemas that are left out, as `schema.name` or `schema`, with `*` and `?`."""

    def has_schema(self, name: str) -> bool:
        """Whether a schema is looked at; of the one that holds zmig's tables the other objects are."""
        is_left_out = any("." not in pattern and fnmatchcase(name, pattern) for pattern in self.ignore)
        return not is_left_out and any(fnmatchcase(name, pattern) for pattern in self.schemas)

    def has_relation(self, schema: str, name: str) -> bool:
        """Whether a table, view or sequence of a schema that is looked at is, too."""
        return not any("." in pattern and fnmatchcase(f"{schema}.{name}", pattern) for pattern in self.ignore)
