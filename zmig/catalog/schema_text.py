"""A schema as text for version control: readable, stable, and the same whichever server it was read from. Pure.

It is close to SQL, and not meant to be run. Every table is a block with all that belongs to it, in the order of names,
so that branches which change different tables change different lines. What depends on the server, and on who made the
database, is left out: versions of extensions, how columns are stored, the right MAINTAIN, and the roles that zmig
works as. So are the options of foreign tables and columns, among which secrets may be.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from zmig.catalog.objects import Kind
from zmig.sql.quoting import bare
from zmig.valueclass import field, slotted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from zmig.catalog.objects import Key, SchemaSnapshot

HEADER = (
    "-- The schema of the database, as `zmig schema` writes it, for people to read.\n"
    "-- It is changed by migrations; whatever is written here by hand is lost.\n"
)

_IDENTIFIER = r'(?:"(?:[^"]|"")*"|[^\s".(),]+)'
_QUALIFIED = rf"{_IDENTIFIER}\.{_IDENTIFIER}"
_PART = re.compile(r'(?:"(?:[^"]|"")*"|[^.("])+')
_INDEXED = re.compile(rf"CREATE (?:UNIQUE )?INDEX {_IDENTIFIER} ON (?:ONLY )?({_QUALIFIED}) ")
_COUNTED = re.compile(rf" FROM ({_QUALIFIED})$", re.MULTILINE)
_SERVED = re.compile(rf"(?:identity of|owned by) ({_QUALIFIED})\.({_IDENTIFIER})\Z")
_DEFAULTS = re.compile(rf"({_IDENTIFIER})( in schema {_IDENTIFIER})? on ([a-zA-Z ]+)\Z")
_ON = re.compile(rf"({_IDENTIFIER}) on ({_QUALIFIED})\Z")
_PARTITION = re.compile(rf"partition of ({_QUALIFIED}) ")

_LARGEST = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}
_USUAL = "the usual one"
"""Who owns the schema `public` where nobody said anything."""

_UNLIKE_ELSEWHERE = re.compile(
    r"\n(?:multirange|subscript) [^\n]*|(?<=\nnot null)((?: not valid)?(?: no inherit)?) constraint "
    r"(?:\"(?:[^\"]|\"\")*\"|[^\s\"]+)"
)
"""What a definition says that other versions of the server do not know."""

_OPEN_TO_ALL = frozenset({"routine", "type"})
"""On what everybody has rights until they are revoked."""

_RELATIONS = frozenset({"table", "view", "materialized view", "foreign table", "sequence"})
_ROUTINES = frozenset({"routine", "function", "procedure", "aggregate"})
_TARGETS = (
    "text search configuration",
    "text search dictionary",
    "materialized view",
    "foreign table",
    "foreign data wrapper",
    "event trigger",
    "operator class",
    "operator family",
    "operator",
    "collation",
    "conversion",
    "language",
    "statistics",
    "table",
    "view",
    "sequence",
    "routine",
    "type",
    "schema",
    "publication",
    "server",
    "column",
)
"""How the identity of an owner, or of rights, begins: with what it is about."""


class _Place(NamedTuple):
    """Where a block is in the text."""

    section: int
    schema: str
    group: int
    name: str


_BEFORE, _SCHEMAS, _AFTER = range(3)
_GROUPS = {
    "schema": 0,
    Kind.TYPE: 1,
    Kind.DOMAIN: 1,
    Kind.SEQUENCE: 2,
    Kind.TABLE: 3,
    Kind.FOREIGN_TABLE: 3,
    Kind.VIEW: 4,
    Kind.MATERIALIZED_VIEW: 4,
    Kind.ROUTINE: 5,
    Kind.AGGREGATE: 5,
}
_OTHERS = 6
_EARLY = (Kind.EXTENSION, Kind.LANGUAGE)
_OF_THE_DATABASE = (
    Kind.CAST,
    Kind.FOREIGN_DATA_WRAPPER,
    Kind.SERVER,
    Kind.USER_MAPPING,
    Kind.EVENT_TRIGGER,
    Kind.PUBLICATION,
    Kind.SUBSCRIPTION,
)
_IN_SCHEMAS = (
    Kind.OPERATOR,
    Kind.OPERATOR_CLASS,
    Kind.OPERATOR_FAMILY,
    Kind.COLLATION,
    Kind.CONVERSION,
    Kind.TEXT_SEARCH,
)


@slotted
class _Block:
    """One object, with what belongs to it."""

    inside: list[str] = field(default_factory=list[str])
    """The lines in its brackets."""
    statements: list[tuple[int, str, str]] = field(default_factory=list[tuple[int, str, str]])
    """A rank, what is sorted by within it, and the text."""


def text(snapshot: SchemaSnapshot, *, usual_owners: Collection[str], keeps_column_order: bool = False) -> str:
    """Return a schema as text.

    What one of `usual_owners` owns has no owner in the text: they are the roles that zmig works as, which have other
    names in other databases. `keeps_column_order` lists columns as they are in the table; else those of the primary
    key come first, and the others by name, since their order says which migration came first and nothing more.
    """
    return _Text(snapshot.objects, usual_owners, keeps_column_order=keeps_column_order).whole()


class _Text:
    """One schema, block by block."""

    def __init__(self, objects: Mapping[Key, str], usual_owners: Collection[str], *, keeps_column_order: bool) -> None:
        self._by_kind: dict[Kind, dict[str, str]] = {}
        for (kind, identity), definition in objects.items():
            self._by_kind.setdefault(kind, {})[identity] = definition
        self._usual_owners = usual_owners
        self._keeps_column_order = keeps_column_order
        self._blocks: dict[_Place, _Block] = {}
        self._places: dict[tuple[str, str], _Place] = {}
        """Where the block of an object is, by what sort it is and by its name."""

    def whole(self) -> str:
        self._name_blocks()
        for kind, add in self._adders().items():
            for identity, definition in sorted(self._of(kind).items()):
                add(identity, definition)
        blocks = (
            "\n".join(statement for _, _, statement in sorted(block.statements))
            for _, block in sorted(self._blocks.items())
            if block.statements
        )
        return "\n\n".join([HEADER.rstrip("\n"), *blocks]) + "\n"

    def _of(self, kind: Kind) -> dict[str, str]:
        return self._by_kind.get(kind, {})

    def _name_blocks(self) -> None:
        """Make the block of everything that others may belong to, so that these find it."""
        for kind in (Kind.TABLE, Kind.FOREIGN_TABLE, Kind.VIEW, Kind.MATERIALIZED_VIEW, Kind.SEQUENCE):
            for identity, definition in self._of(kind).items():
                owner = _SERVED.search(definition) if kind is Kind.SEQUENCE else None
                if owner is None:
                    self._open("relation", identity, kind)
        for identity, definition in self._of(Kind.SEQUENCE).items():
            if (owner := _SERVED.search(definition)) and (place := self._places.get(("relation", owner[1]))):
                self._places["relation", identity] = place
        for identity, definition in self._of(Kind.INDEX).items():
            if (on := _INDEXED.match(definition)) and (place := self._places.get(("relation", on[1]))):
                self._places["relation", identity] = place
        for kind in (Kind.TYPE, Kind.DOMAIN):
            for identity in self._of(kind):
                self._open("type", identity, kind)

    def _open(self, sort: str, identity: str, kind: Kind | str) -> _Place:
        """Return the place of an object's block, which is made where it is not there."""
        place = self._places.get((sort, identity))
        if place is None:
            schema = identity if kind == "schema" else _PART.findall(identity)[0]
            place = _Place(_SCHEMAS, _plain(schema), _GROUPS.get(kind, _OTHERS), _sortable(identity))
            self._places[sort, identity] = place
        self._blocks.setdefault(place, _Block())
        return place

    def _add(self, place: _Place, rank: int, key: str, text: str) -> None:
        self._blocks.setdefault(place, _Block()).statements.append((rank, key, text))

    def _adders(self) -> dict[Kind, Callable[[str, str], None]]:
        """Return what adds the objects of each kind, in the order in which the kinds are added."""
        adders: dict[Kind, Callable[[str, str], None]] = {
            Kind.SCHEMA: self._add_schema,
            Kind.CONSTRAINT: self._add_constraint,
            Kind.TABLE: self._add_table,
            Kind.FOREIGN_TABLE: self._add_foreign_table,
            Kind.VIEW: self._add_view,
            Kind.MATERIALIZED_VIEW: self._add_materialized_view,
            Kind.COLUMN: self._add_view_column,
            Kind.SEQUENCE: self._add_sequence,
            Kind.INDEX: self._add_index,
            Kind.STATISTICS: self._add_statistics,
            Kind.TRIGGER: self._add_part,
            Kind.RULE: self._add_part,
            Kind.POLICY: self._add_policy,
            Kind.TYPE: self._add_type,
            Kind.DOMAIN: self._add_domain,
            Kind.ROUTINE: self._add_routine,
            Kind.AGGREGATE: self._add_aggregate,
            Kind.OWNER: self._add_owner,
            Kind.PRIVILEGES: self._add_privileges,
            Kind.DEFAULT_PRIVILEGES: self._add_default_privileges,
            Kind.COMMENT: self._add_comment,
        }
        for kind in (*_EARLY, *_OF_THE_DATABASE, *_IN_SCHEMAS):
            adders[kind] = self._adder_of(kind)
        return adders

    def _adder_of(self, kind: Kind) -> Callable[[str, str], None]:
        """Return what adds an object that is shown as its properties, a line each."""

        def add(identity: str, definition: str) -> None:
            name, using = identity, ""
            if kind in (Kind.SERVER, Kind.FOREIGN_DATA_WRAPPER):  # what they are given as options may be secret
                definition = f"\n{definition}".partition("\noptions ")[0].removeprefix("\n")
            if kind is Kind.TEXT_SEARCH:
                sort, _, name = identity.partition(" ")
                what = f"{kind} {sort}"
            else:
                what = str(kind)
            if kind in (Kind.OPERATOR_CLASS, Kind.OPERATOR_FAMILY):
                name, _, using = identity.rpartition(" using ")
                using = f" using {using}"
            if kind in _IN_SCHEMAS:
                place = _Place(_SCHEMAS, _plain(_PART.findall(name)[0]), _OTHERS, f"{what} {identity}")
            else:
                section = _BEFORE if kind in _EARLY else _AFTER
                place = _Place(section, "", list(Kind).index(kind), identity)
            self._places[str(kind), identity] = place
            self._add(place, 0, "", _with_lines(f"create {what} {name}{using}", definition))

        return add

    def _add_schema(self, identity: str, definition: str) -> None:
        if identity != "public":
            self._add(self._open("schema", identity, "schema"), 0, "", f"create schema {identity};")

    def _add_constraint(self, identity: str, definition: str) -> None:
        """Keep a constraint for the brackets of its table; that of a domain comes after it."""
        relation, name = _parent_and_name(identity)
        if re.search(rf"\A[^\n]*\npartition of {_QUALIFIED}\.{_IDENTIFIER}\Z", definition):
            return  # it follows from the one it is a part of
        inside = f"constraint {name} {_one_line(definition)}"
        if (place := self._places.get(("relation", relation))) is not None:
            self._blocks[place].inside.append(inside)
        elif (place := self._places.get(("type", relation))) is not None:
            self._add(place, 1, name, f"alter domain {relation} add {inside};")

    def _add_table(self, identity: str, definition: str) -> None:
        lines = definition.split("\n") if definition else []
        unlogged = "unlogged " if "unlogged" in lines else ""
        lines = [line for line in lines if line != "unlogged"]
        self._add_bracketed(identity, f"create {unlogged}table {identity}", lines)

    def _add_foreign_table(self, identity: str, definition: str) -> None:
        lines = definition.partition("\noptions ")[0].split("\n")
        self._add_bracketed(identity, f"create foreign table {identity}", lines)

    def _add_bracketed(self, identity: str, head: str, lines: list[str]) -> None:
        place = self._places["relation", identity]
        inside = [*self._columns(identity, lines), *self._blocks[place].inside]
        brackets = [" (", *(f"    {line}," for line in inside[:-1]), f"    {inside[-1]}", ")"] if inside else []
        if not brackets and not lines:
            brackets = [" ()"]
        first = brackets[0] if brackets else ""
        self._add(place, 0, "", "\n".join([head + first, *brackets[1:], *lines]) + ";")

    def _columns(self, table: str, lines: Iterable[str]) -> Iterator[str]:
        """Yield the columns of a table; of a partition those that are not as in the table it is a part of."""
        own = self._columns_of.get(table, {})
        parent = next((found[1] for line in lines if (found := _PARTITION.match(line))), None)
        parents = self._columns_of.get(parent, {}) if parent is not None else {}
        for name in self._ordered(table, own):
            if own[name] != parents.get(name):
                yield f"{name} {own[name]}"

    @cached_property
    def _columns_of(self) -> dict[str, dict[str, str]]:
        """The columns of every relation."""
        columns: dict[str, dict[str, str]] = {}
        for identity, definition in self._of(Kind.COLUMN).items():
            relation, name = _parent_and_name(identity)
            shown = _shown_in_line(definition.partition("\nforeign options ")[0])
            columns.setdefault(relation, {})[name] = shown
        return columns

    def _ordered(self, table: str, columns: Iterable[str]) -> list[str]:
        if self._keeps_column_order:
            order = re.findall(_IDENTIFIER, self._of(Kind.COLUMN_ORDER).get(table, ""))
        else:
            order = self._keys.get(table, [])
        ranks = {name: rank for rank, name in enumerate(order)}
        return sorted(columns, key=lambda name: (ranks.get(name, len(ranks)), _plain(name)))

    @cached_property
    def _keys(self) -> dict[str, list[str]]:
        """The columns of every primary key."""
        keys: dict[str, list[str]] = {}
        for identity, definition in self._of(Kind.CONSTRAINT).items():
            if found := re.match(r"PRIMARY KEY \((.*?)\)(?: INCLUDE|\n|\Z| )", definition):
                keys[_parent_and_name(identity)[0]] = re.findall(_IDENTIFIER, found[1])
        return keys

    def _add_view(self, identity: str, definition: str) -> None:
        self._add_query("view", identity, definition)

    def _add_materialized_view(self, identity: str, definition: str) -> None:
        self._add_query("materialized view", identity, definition)

    def _add_query(self, what: str, identity: str, definition: str) -> None:
        head = f"create {what} {identity}"
        while definition.startswith(("with ", "toast ", "using ", "cluster on ")):  # the query is in upper case
            option, _, definition = definition.partition("\n")
            head += f" {option}"
        self._add(self._places["relation", identity], 0, "", f"{head} as\n{definition}")

    def _add_view_column(self, identity: str, definition: str) -> None:
        """Add what was set for a column of a view: its type follows from the query."""
        relation, name = _parent_and_name(identity)
        if relation in self._of(Kind.TABLE) or relation in self._of(Kind.FOREIGN_TABLE):
            return
        if (default := re.search(r"\n((?:default|statistics|options) .*)", definition, re.DOTALL)) is not None:
            place = self._places["relation", relation]
            self._add(place, 1, name, f"alter view {relation} alter column {name} set {_one_line(default[1])};")

    def _add_sequence(self, identity: str, definition: str) -> None:
        owned = _SERVED.search(definition)
        options = _sequence_options(definition)
        if owned is None or ("relation", owned[1]) not in self._places:
            place = self._open("relation", identity, Kind.SEQUENCE)
            self._add(place, 0, "", " ".join([f"create sequence {identity}", *options]) + ";")
            return
        is_identity = "\nidentity of " in f"\n{definition}"
        schema, table = _PART.findall(owned[1])[:2]
        usual = f"{schema}.{bare(f'{_plain(table)}_{_plain(owned[2])}_seq')}"
        if is_identity and not options and identity == usual:
            return
        whose = "identity of" if is_identity else "owned by"
        text = " ".join([f"create sequence {identity}", *options, f"{whose} {owned[1]}.{owned[2]}"])
        self._add(self._places["relation", owned[1]], 1, identity, f"{text};")

    def _add_index(self, identity: str, definition: str) -> None:
        """Add an index; that of a partition follows from the one it is a part of."""
        place = self._places.get(("relation", identity))
        is_part = re.search(rf"\npartition of {_QUALIFIED}\Z", definition) is not None
        if place is not None and not is_part:
            self._add(place, 2, identity, f"{definition};")

    def _add_statistics(self, identity: str, definition: str) -> None:
        table = _COUNTED.search(definition)
        place = self._places.get(("relation", table[1])) if table is not None else None
        if place is None:
            place = self._open("statistics", identity, Kind.STATISTICS)
        self._places["statistics", identity] = place
        self._add(place, 3, identity, f"{definition};")

    def _add_part(self, identity: str, definition: str) -> None:
        relation, name = _parent_and_name(identity)
        if definition.startswith("of the parent"):
            definition = f"trigger {name} on {relation} {definition}"
        self._add(self._open("relation", relation, Kind.TABLE), 4, name, f"{definition.removesuffix(';')};")

    def _add_policy(self, identity: str, definition: str) -> None:
        relation, name = _parent_and_name(identity)
        place = self._open("relation", relation, Kind.TABLE)
        self._add(place, 5, name, _with_lines(f"create policy {name} on {relation}", definition))

    def _add_type(self, identity: str, definition: str) -> None:
        form, *lines = _UNLIKE_ELSEWHERE.sub("", definition).split("\n")
        head = f"create type {identity}" + ("" if form == "base" else " as" if form == "composite" else f" as {form}")
        inside = ",\n".join(f"    {line}" for line in lines)
        self._add(self._places["type", identity], 0, "", f"{head} (\n{inside}\n);" if lines else f"{head} ();")

    def _add_domain(self, identity: str, definition: str) -> None:
        self._add(self._places["type", identity], 0, "", f"create domain {identity} as {_shown_in_line(definition)};")

    def _add_routine(self, identity: str, definition: str) -> None:
        self._add(self._open("routine", _called(identity), Kind.ROUTINE), 0, identity, f"{definition.rstrip()};")

    def _add_aggregate(self, identity: str, definition: str) -> None:
        place = self._open("routine", _called(identity), Kind.AGGREGATE)
        self._add(place, 0, identity, _with_lines(f"create aggregate {identity}", definition))

    def _place_of(self, sort: str, name: str) -> _Place:
        """Return where something is said about an object, whose block may be missing: it is out of scope, or odd."""
        if sort.startswith("text search "):
            sort, name = "text search", f"{sort.removeprefix('text search ')} {name}"
        if sort in _RELATIONS or sort == "index":
            return self._open("relation", name, Kind.TABLE)
        if sort in _ROUTINES:
            return self._open("routine", _called(name), Kind.ROUTINE)
        if sort == "schema":
            return self._open("schema", name, "schema")
        if sort == "type" and len(_PART.findall(name)) > 1:
            return self._open("type", name, Kind.TYPE)
        return self._places.get((sort, name)) or _Place(_AFTER, "", len(Kind), f"{sort} {name}")

    def _add_owner(self, identity: str, definition: str) -> None:
        sort, name = _target(identity)
        if definition in self._usual_owners or definition == _USUAL:
            return
        self._add(self._place_of(sort, name), 6, identity, f"alter {identity} owner to {bare(definition)};")

    def _add_privileges(self, identity: str, definition: str) -> None:
        sort, name = _target(identity)
        columns, on = "", identity
        if sort == "column":
            name, column = _parent_and_name(name)
            columns, sort, on = f" ({column})", "table", f"table {name}"
        place = self._place_of(sort, name)
        for number, statement in enumerate(_grants(definition, on, columns, is_open=sort in _OPEN_TO_ALL)):
            self._add(place, 7, f"{identity} {number:04}", statement)

    def _add_default_privileges(self, identity: str, definition: str) -> None:
        found = _DEFAULTS.match(identity)
        assert found is not None, identity
        role, schema, on = found[1], found[2] or "", found[3]
        whose = "" if _plain(role) in self._usual_owners else f" for role {role}"
        place = _Place(_AFTER, "", len(Kind), f"default privileges{whose}{schema} {on}")
        head = f"alter default privileges{whose}{schema}"
        is_open = on in ("routines", "types") and not schema
        for number, grant in enumerate(_grants(definition, "", "", is_open=is_open, plural=on)):
            self._add(place, 0, f"{number:04}", f"{head} {grant}")

    def _add_comment(self, identity: str, definition: str) -> None:
        words = identity.partition('"')[0]
        sort, name = next(
            ((word, identity[len(word) + 1 :]) for word in _COMMENTED if words.startswith(f"{word} ")),
            tuple(identity.partition(" ")[::2]),
        )
        on = _ON.match(name)
        if on is not None:
            place = self._places.get(("relation", on[2])) or self._places.get(("type", on[2]))
        elif sort.endswith(" column"):
            place = self._places.get(("relation", _parent_and_name(name)[0]))
        elif sort in ("extension", "language", *map(str, (*_OF_THE_DATABASE, *_IN_SCHEMAS))):
            place = self._places.get((sort, name))
        else:
            place = self._place_of("statistics" if sort == "statistics object" else sort, name)
        if place is None:
            place = _Place(_AFTER, "", len(Kind), f"{sort} {name}")
        quoted = definition.replace("'", "''")
        rank = 10 if sort.endswith(" column") else 9 if on is not None or sort == "index" else 8
        self._add(place, rank, name, f"comment on {_spoken(sort)} {name} is '{quoted}';")


_COMMENTED = (
    "materialized view column",
    "foreign table column",
    "composite type column",
    "table column",
    "view column",
    "table constraint",
    "domain constraint",
    "materialized view",
    "foreign table",
    "foreign-data wrapper",
    "event trigger",
    "operator class",
    "operator family",
    "statistics object",
    "text search configuration",
    "text search dictionary",
)
"""What the server calls in more than one word what a comment is about."""


def _spoken(sort: str) -> str:
    """Return what SQL calls something that the server calls `table column` or the like."""
    if sort.endswith(" column"):
        return "column"
    if sort.endswith(" constraint"):
        return "constraint"
    return {"statistics object": "statistics", "foreign-data wrapper": "foreign data wrapper"}.get(sort, sort)


def _parent_and_name(identity: str) -> tuple[str, str]:
    """Return the relation of a column, a constraint or the like, and its own name."""
    schema, relation, name = _PART.findall(identity)[:3]
    return f"{schema}.{relation}", name


def _called(identity: str) -> str:
    """Return a routine's name without the types of its arguments."""
    found = re.match(_QUALIFIED, identity)
    return found[0] if found is not None else identity


def _plain(part: str) -> str:
    """Return a name without its quotes."""
    return part[1:-1].replace('""', '"') if part.startswith('"') else part


def _sortable(identity: str) -> str:
    """Return what a qualified name is sorted by: what comes after the schema."""
    parts = _PART.findall(identity)
    return _plain(parts[1]) if len(parts) > 1 else identity


def _target(identity: str) -> tuple[str, str]:
    """Return what an owner, or rights, are about: what it is, and its name."""
    sort = next((word for word in _TARGETS if identity.startswith(f"{word} ")), identity.partition(" ")[0])
    return sort, identity[len(sort) + 1 :]


def _shown_in_line(definition: str) -> str:
    return _one_line(_UNLIKE_ELSEWHERE.sub(r"\1", definition))


def _one_line(definition: str) -> str:
    """Return the lines of a definition as one, but for line breaks within quotes."""
    pieces = re.split(r"('(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")", definition)
    return "".join(piece if number % 2 else piece.replace("\n", " ") for number, piece in enumerate(pieces))


def _with_lines(head: str, definition: str) -> str:
    """Return a statement whose properties are a line each."""
    lines = definition.split("\n") if definition else []
    return "\n".join([head, *(f"    {line}" for line in lines)]) + ";"


def _sequence_options(definition: str) -> list[str]:
    """Return what of a sequence is not as the server makes it without being asked."""
    lines = [line for line in definition.split("\n") if not line.startswith(("identity of ", "owned by "))]
    options = {line.partition(" ")[0]: line.partition(" ")[2] for line in lines}
    type, step = options.get("as", "bigint"), int(options.get("increment", "1"))
    largest = _LARGEST.get(type, _LARGEST["bigint"])
    smallest, highest = (1, largest) if step > 0 else (-largest - 1, -1)
    usual = {
        "as": "bigint",
        "increment": "1",
        "minvalue": str(smallest),
        "maxvalue": str(highest),
        "start": options.get("minvalue" if step > 0 else "maxvalue"),
        "cache": "1",
    }
    return [line for line in lines if usual.get(line.partition(" ")[0]) != line.partition(" ")[2]]


def _grants(definition: str, on: str, columns: str, *, is_open: bool, plural: str = "") -> Iterator[str]:
    """Yield the statements that give these rights, which are a line each: who has it, and what it is."""
    target = on or plural
    rights: dict[tuple[str, bool], list[str]] = {}
    lacking: list[str] = []
    for line in definition.split("\n"):
        grantee, separator, right = line.rpartition(": ")
        has_option = right.endswith(" with grant option")
        right = right.removesuffix(" with grant option")
        if grantee == "owner" and right.startswith("not "):
            lacking += [f"{right.removeprefix('not ')}{columns}"] if right != "not maintain" else []
        elif separator and right != "maintain":
            rights.setdefault((grantee, has_option), []).append(f"{right}{columns}")
    if is_open and not any(grantee == "public" for grantee, _ in rights):
        yield f"revoke all on {target} from public;"
    if lacking:
        yield f"revoke {', '.join(sorted(lacking))} on {target} from owner;"
    for (grantee, has_option), granted in sorted(rights.items()):
        option = " with grant option" if has_option else ""
        yield f"grant {', '.join(sorted(granted))} on {target} to {grantee}{option};"
