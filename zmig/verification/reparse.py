"""Which differences are only of spelling: a server that is given both definitions writes them the same.

PostgreSQL keeps expressions as trees and writes them anew each time. What it writes of `x in ('a', 'b')` is another one
after a dump and its restoration, and other major versions write other texts. But each of them, read again, becomes one
that no longer changes. So both definitions are given to a scratch database that has the schema, until they are the same
or do not change any more. Each is undone at once, and nothing is committed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg

from zmig.catalog.difference import Change
from zmig.catalog.objects import Kind
from zmig.sql.quoting import literal
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from zmig.catalog.difference import Difference
    from zmig.database.types import Connection

_ROUNDS = 4
"""The second text is already the last one, as far as is known."""

_PARTS = re.compile(r'"(?:[^"]|"")*"|[^".]+')
_PLACE = re.compile(r":(?:location|stmt_location|stmt_len|funcformat|coerceformat|relabelformat|convertformat) -?\d+")
_NEXT_OF_COLUMN = r"(?=\n(?:generated |not null|statistics |options |foreign |defined here, too)|\Z)"
_EXPRESSIONS: Mapping[Kind, re.Pattern[str]] = {
    Kind.COLUMN: re.compile(
        rf"^(?P<what>default |generated always as )(?P<text>.*?)(?P<stored> stored| virtual)?{_NEXT_OF_COLUMN}",
        re.MULTILINE | re.DOTALL,
    ),
    Kind.DOMAIN: re.compile(r"^default (?P<text>.*?)(?=\nnot null|\Z)", re.MULTILINE | re.DOTALL),
    Kind.POLICY: re.compile(r"^(?:using|with check) \(.*\Z", re.MULTILINE | re.DOTALL),
    Kind.TABLE: re.compile(r"^partition (?:by|of) [^\n]*", re.MULTILINE),
    Kind.PUBLICATION: re.compile(r"^table [^\n]* where (?P<text>.*?)$", re.MULTILINE),
    Kind.VIEW: re.compile(r"^ .*\Z", re.MULTILINE | re.DOTALL),
    Kind.MATERIALIZED_VIEW: re.compile(r"^ .*\Z", re.MULTILINE | re.DOTALL),
    Kind.ROUTINE: re.compile(r".*", re.DOTALL),
    Kind.RULE: re.compile(r"\A.*?(?=\n(?:disabled|enabled )|\Z)", re.DOTALL),
    Kind.TRIGGER: re.compile(r"\A.*?(?=\n(?:disabled|enabled )|\Z)", re.DOTALL),
    Kind.STATISTICS: re.compile(r"\A.*?(?=\nstatistics \d+\Z|\Z)", re.DOTALL),
    Kind.INDEX: re.compile(r"\A.*?(?=\n(?:invalid|not ready|partition of |statistics of column )|\Z)", re.DOTALL),
    Kind.CONSTRAINT: re.compile(
        r"\A.*?(?=\n(?:invalid|not ready|with |partition of |statistics of column |triggers )|\Z)", re.DOTALL
    ),
}
"""Where in a definition the text is that the server writes from a tree; what is around it has to be the same."""


@valueclass
class _Form:
    """A definition that the server has read."""

    text: str
    """How it writes it."""
    tree: str = ""
    """What it keeps of it, without places and without which of two equal ways it was written.

    It is empty where it would not be all of the definition.
    """


class _NotReadable(Exception):
    """A definition that cannot be given to the server by itself."""


def mark_respelled(connection: Connection, differences: Iterable[Difference]) -> list[Difference]:
    """Return the differences, with those marked that are only of spelling.

    The connection is to a scratch database that has the expected schema, or the found one, and is in no transaction.
    """
    found = list(differences)
    if not any(map(_may_be_spelling, found)):
        return found
    reading = _Reading(connection)
    with connection.transaction(force_rollback=True):
        connection.execute(
            b"select pg_catalog.set_config('search_path', 'pg_catalog', true), "
            b"pg_catalog.set_config('check_function_bodies', 'off', true), "
            b"pg_catalog.set_config('standard_conforming_strings', 'on', true)"
        )
        return [
            replace(one, is_respelled=True) if _may_be_spelling(one) and reading.are_same(one) else one for one in found
        ]


def _may_be_spelling(difference: Difference) -> bool:
    return difference.change is Change.CHANGED and difference.kind in _EXPRESSIONS


def _around(kind: Kind, definition: str) -> str:
    """Return what of a definition is not written from a tree."""

    def without(match: re.Match[str]) -> str:
        first, last = match.span("text") if "text" in match.re.groupindex else match.span()
        return f"{match.string[match.start() : first]}\0{match.string[last : match.end()]}"

    return _EXPRESSIONS[kind].sub(without, definition)


class _Reading:
    """What gives definitions to the server and reads them back, in the transaction that is open."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ways: Mapping[Kind, Callable[[str, str], _Form]] = {
            Kind.COLUMN: self._column,
            Kind.DOMAIN: self._domain,
            Kind.POLICY: self._policy,
            Kind.TABLE: self._table,
            Kind.PUBLICATION: self._publication,
            Kind.VIEW: self._view,
            Kind.MATERIALIZED_VIEW: self._view,
            Kind.ROUTINE: self._routine,
            Kind.RULE: self._rule,
            Kind.TRIGGER: self._trigger,
            Kind.STATISTICS: self._statistics,
            Kind.INDEX: self._index,
            Kind.CONSTRAINT: self._constraint,
        }

    def are_same(self, one: Difference) -> bool:
        """Whether the definitions of a difference are two spellings of the same."""
        assert one.expected is not None
        assert one.found is not None
        if _around(one.kind, one.expected) != _around(one.kind, one.found):
            return False
        try:
            before, after = (list(self._forms(one, text)) for text in (one.expected, one.found))
        except _NotReadable:
            return False
        texts, trees = ({form.text for form in forms} for forms in (before, after)), (before[-1].tree, after[-1].tree)
        first, second = texts
        return not first.isdisjoint(second) or (trees[0] == trees[1] != "")

    def _forms(self, one: Difference, text: str) -> Iterator[_Form]:
        """Yield what becomes of a definition each time that the server reads it, until it stays as it is."""
        for _ in range(_ROUNDS):
            form = self._form(one, text)
            yield form
            if form.text == text:
                return
            text = form.text

    def _form(self, one: Difference, text: str) -> _Form:
        try:
            with self._connection.transaction(force_rollback=True):
                return self._ways[one.kind](one.identity, text)
        except (psycopg.Error, _NotReadable) as error:
            raise _NotReadable from error

    def _run(self, statement: str) -> None:
        self._connection.execute(statement.encode(), prepare=False)

    def _read(self, text: str, tree: str, source: str, *, own: bool = False) -> _Form:
        """Read a text and a tree by SQL; in the tree, the object's own number is left out if it is in column `own`."""
        query = f"select {text}, {tree}, {'own' if own else '0'} from {source}"
        row = self._connection.execute(query.encode()).fetchone()
        if row is None or row[0] is None:
            raise _NotReadable
        shown, kept, number = row
        bare = _PLACE.sub("", str(kept or ""))
        return _Form(str(shown), bare.replace(f" {number} ", " 0 ") if own else bare)

    def _column(self, identity: str, text: str) -> _Form:
        """Columns are of the relation that the first names of an identity are of."""
        pattern = _EXPRESSIONS[Kind.COLUMN]
        match = pattern.search(text)
        if match is None:
            raise _NotReadable
        relation, column = _parent(identity)
        if match["what"] == "default ":
            self._run(f"alter table {relation} alter column {column} set default {match['text']}")
            name = _name(column)
        else:
            kind = text.partition("\n")[0]
            name = "zmig_probe"
            generated = f"generated always as {match['text']}{match['stored']}"
            self._run(f"alter table {relation} add column {name} {kind} {generated}")
        form = self._read(
            "pg_get_expr(d.adbin, d.adrelid)",
            "d.adbin::text",
            "pg_attrdef d join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum "
            f"where d.adrelid = {literal(relation)}::regclass and a.attname = {literal(name)}",
        )
        written = form.text if match["what"] == "default " else f"({form.text}){match['stored']}"
        return _Form(text[: match.start()] + match["what"] + written + text[match.end() :], form.tree)

    def _domain(self, identity: str, text: str) -> _Form:
        match = _EXPRESSIONS[Kind.DOMAIN].search(text)
        if match is None:
            raise _NotReadable
        self._run(f"alter domain {identity} set default {match['text']}")
        form = self._read(
            "pg_get_expr(typdefaultbin, 0)", "typdefaultbin::text", f"pg_type where oid = {literal(identity)}::regtype"
        )
        return _Form(f"{text[: match.start()]}default {form.text}{text[match.end() :]}", form.tree)

    def _policy(self, identity: str, text: str) -> _Form:
        match = _EXPRESSIONS[Kind.POLICY].search(text)
        if match is None:
            raise _NotReadable
        relation, _ = _parent(identity)
        command = next((line for line in text.split("\n") if line.startswith("for ")), "for all")
        self._run(f"create policy zmig_probe on {relation} {command} {match[0]}")
        form = self._read(
            "concat_ws(e'\\n', 'using (' || pg_get_expr(polqual, polrelid) || ')', "
            "'with check (' || pg_get_expr(polwithcheck, polrelid) || ')')",
            "concat_ws(' check ', coalesce(polqual::text, 'none'), polwithcheck::text)",
            f"pg_policy where polrelid = {literal(relation)}::regclass and polname = 'zmig_probe'",
        )
        return _Form(text[: match.start()] + form.text, form.tree)

    def _table(self, identity: str, text: str) -> _Form:
        """Give the server the key of a partitioned table, or the bounds of a partition."""
        match = _EXPRESSIONS[Kind.TABLE].search(text)
        if match is None or text.count("\npartition ") + text.startswith("partition ") != 1:
            raise _NotReadable
        self._run("create schema zmig_probe")
        if match[0].startswith("partition by "):
            self._run(f"create table zmig_probe.probe (like {identity}) {match[0]}")
            read = "'partition by ' || pg_get_partkeydef(oid)"
        else:
            parent, _, bounds = match[0].removeprefix("partition of ").partition(" FOR VALUES ")
            bounds = f"for values {bounds}" if bounds else "default"
            parent = parent.removesuffix(" DEFAULT")
            self._run(f"alter table {parent} detach partition {identity}")
            self._run(f"create table zmig_probe.probe partition of {parent} {bounds}")
            read = f"'partition of ' || {literal(parent)} || ' ' || pg_get_expr(relpartbound, oid)"
        form = self._read(read, "null::text", "pg_class where oid = 'zmig_probe.probe'::regclass")
        return _Form(text[: match.start()] + form.text + text[match.end() :])

    def _publication(self, identity: str, text: str) -> _Form:
        """Give the server the conditions of a publication's tables, one after the other."""
        trees: list[str] = []

        def read(match: re.Match[str]) -> str:
            with self._connection.transaction(force_rollback=True):
                self._run(f"create publication zmig_probe for {match[0]}")
                form = self._read(
                    "pg_get_expr(r.prqual, r.prrelid)",
                    "r.prqual::text",
                    "pg_publication_rel r join pg_publication b on b.oid = r.prpubid where b.pubname = 'zmig_probe'",
                )
            trees.append(form.tree)
            return match[0].removesuffix(match["text"]) + form.text

        return _Form(_EXPRESSIONS[Kind.PUBLICATION].sub(read, text), "".join(trees))

    def _view(self, identity: str, text: str) -> _Form:
        match = _EXPRESSIONS[Kind.VIEW].search(text)
        if match is None:
            raise _NotReadable
        self._run("create schema zmig_probe")
        self._run(f"create view zmig_probe.probe as {match[0]}")
        form = self._read(
            "pg_get_viewdef(own)",
            "(select ev_action::text from pg_rewrite where ev_class = own)",
            "(select 'zmig_probe.probe'::regclass::oid) as p (own)",
            own=True,
        )
        return _Form(text[: match.start()] + form.text, form.tree)

    def _routine(self, identity: str, text: str) -> _Form:
        self._run(text)
        return self._read(
            "pg_get_functiondef(p.oid)",
            "null::text",
            "pg_proc p join pg_namespace n on n.oid = p.pronamespace where quote_ident(n.nspname) || '.' || "
            f"quote_ident(p.proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')' = {literal(identity)}",
        )

    def _rule(self, identity: str, text: str) -> _Form:
        relation, name = _parent(identity)
        self._run(f"alter rule {name} on {relation} rename to zmig_probe")
        return self._again(
            Kind.RULE,
            text,
            "pg_get_ruledef(oid)",
            f"pg_rewrite where ev_class = {literal(relation)}::regclass and rulename = {literal(_name(name))}",
        )

    def _trigger(self, identity: str, text: str) -> _Form:
        relation, name = _parent(identity)
        self._run(f"alter trigger {name} on {relation} rename to zmig_probe")
        return self._again(
            Kind.TRIGGER,
            text,
            "pg_get_triggerdef(oid)",
            f"pg_trigger where tgrelid = {literal(relation)}::regclass and tgname = {literal(_name(name))}",
        )

    def _statistics(self, identity: str, text: str) -> _Form:
        self._run(f"alter statistics {identity} rename to zmig_probe")
        schema, name = _parent(identity)
        return self._again(
            Kind.STATISTICS,
            text,
            "pg_get_statisticsobjdef(x.oid)",
            "pg_statistic_ext x join pg_namespace n on n.oid = x.stxnamespace "
            f"where n.nspname = {literal(_name(schema))} and x.stxname = {literal(_name(name))}",
        )

    def _index(self, identity: str, text: str) -> _Form:
        self._run(f"alter index {identity} rename to zmig_probe")
        return self._again(
            Kind.INDEX,
            text,
            "pg_get_indexdef(indexrelid)",
            f"pg_index where indexrelid = {literal(identity)}::regclass",
        )

    def _constraint(self, identity: str, text: str) -> _Form:
        match = _EXPRESSIONS[Kind.CONSTRAINT].search(text)
        if match is None or not match[0].startswith(("CHECK ", "EXCLUDE ")):
            raise _NotReadable
        parent, _ = _parent(identity)
        row = self._connection.execute(f"select to_regclass({literal(parent)})".encode()).fetchone()
        is_domain = row is None or row[0] is None
        self._run(f"alter {'domain' if is_domain else 'table'} {parent} add constraint zmig_probe {match[0]}")
        owner = f"contypid = {literal(parent)}::regtype" if is_domain else f"conrelid = {literal(parent)}::regclass"
        form = self._read(
            "pg_get_constraintdef(oid)",
            "conbin::text || substring(pg_get_constraintdef(oid) from '[^)]*\\Z')",
            f"pg_constraint where {owner} and conname = 'zmig_probe'",
        )
        return _Form(form.text + text[match.end() :], "" if match[0].startswith("EXCLUDE ") else form.tree)

    def _again(self, kind: Kind, text: str, read: str, source: str) -> _Form:
        """Run the statement that a definition begins with, once nothing has its name any more, and read it back."""
        match = _EXPRESSIONS[kind].search(text)
        if match is None:
            raise _NotReadable
        self._run(match[0])
        return _Form(self._read(read, "null::text", source).text + text[match.end() :])


def _parent(identity: str) -> tuple[str, str]:
    """Return the name of what an object belongs to, and its own, both quoted."""
    *parents, own = _PARTS.findall(identity)
    return ".".join(parents), own


def _name(quoted: str) -> str:
    """Return a name without its quotes."""
    return quoted[1:-1].replace('""', '"') if quoted.startswith('"') else quoted
