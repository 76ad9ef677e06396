"""The shape of a statement that reads or writes rows: its brackets, its queries, their clauses. Pure, and no grammar.

It reads what PostgreSQL accepts. Of what it does not know it says nothing, so that nothing is refused by mistake.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.sql.lexer import Kind
from zmig.sql.token_reader import Reader
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from dataclasses import KW_ONLY

    from zmig.sql.lexer import Token
    from zmig.sql.statement import Statement

CURSOR, SIZE = ":cursor", ":size"


@valueclass
class Node:
    """A token, an operator, a placeholder, or a pair of brackets with what is in it."""

    text: str
    """Words in lower case, operators and placeholders whole; `(` or `[` for a pair of brackets."""
    start: int
    end: int
    _: KW_ONLY
    name: str | None = None
    """What a word or a quoted name stands for."""
    inside: tuple[Node, ...] | None = None
    """What is between a pair of brackets."""


Nodes = tuple[Node, ...]


@valueclass
class Cte:
    """A query that is named in a WITH clause."""

    name: str
    _: KW_ONLY
    start: int
    """Where its name is written."""
    end: int
    """Where the brackets around its query end."""
    query: Query
    columns: tuple[str, ...] = ()
    """What its first columns are called."""


@valueclass
class Query:
    """A query or a statement that writes, without those in its brackets."""

    start: int
    end: int
    _: KW_ONLY
    ctes: tuple[Cte, ...]
    is_recursive: bool
    clauses: dict[str, Nodes]
    """By the word they begin with, which is left out; a table that is written is under `target`."""
    nodes: Nodes
    """All of it after its WITH clause."""

    @property
    def command(self) -> str:
        """Its first word."""
        return self.nodes[0].text if self.nodes else ""

    def clause(self, word: str) -> Nodes:
        """Return a clause; none where there is no such clause."""
        return self.clauses.get(word, ())

    @property
    def writes(self) -> bool:
        """Whether it changes rows."""
        return self.command in ("insert", "update", "delete", "merge")

    @property
    def is_compound(self) -> bool:
        """Whether it is made of several by UNION and the like."""
        return any(word in self.clauses for word in ("union", "intersect", "except"))


def read(statement: Statement) -> Query:
    """Return the query that a statement is."""
    return _query(parse(statement))


def parse(statement: Statement) -> Nodes:
    """Return what is in a statement."""
    stack: list[tuple[Node, list[Node]]] = []
    current: list[Node] = []
    for node in _joined(list(statement.tokens)):
        if node.text in ("(", "["):
            stack.append((node, current))
            current = []
        elif node.text in (")", "]") and stack:
            opened, outer = stack.pop()
            outer.append(Node(opened.text, opened.start, node.end, name=None, inside=tuple(current)))
            current = outer
        else:
            current.append(node)
    while stack:
        opened, outer = stack.pop()
        current = [*outer, opened, *current]
    return tuple(_with_operators(current))


_OPERATOR = frozenset("+-*/<>=~!@#%^&|`?")
_ENDS_IN_SIGN = frozenset("~!@#%^&|`?")


def _joined(tokens: list[Token]) -> Iterator[Node]:
    """Yield tokens with the characters of operators, casts and placeholders put together."""
    place = 0
    while place < len(tokens):
        token = tokens[place]
        end = place + 1
        if token.kind is Kind.SYMBOL and token.text in _OPERATOR:
            while end < len(tokens) and _follows(tokens, end) and tokens[end].text in _OPERATOR:
                end += 1
            # An operator ends in a sign only if it has one of these in it, as the server's lexer has it: `>-1` compares
            # with a negative number.
            while (
                end - place > 1
                and tokens[end - 1].text in "+-"
                and _ENDS_IN_SIGN.isdisjoint(one.text for one in tokens[place:end])
            ):
                end -= 1
            yield Node("".join(one.text for one in tokens[place:end]), token.start, tokens[end - 1].end)
        elif token.text == ":" and end < len(tokens) and _follows(tokens, end):
            end += 1
            yield Node(f":{tokens[place + 1].text}", token.start, tokens[place + 1].end)
        else:
            name = token.text if token.kind is Kind.WORD else None
            if token.kind is Kind.QUOTED:
                name = Reader(token.text).identifier()
            yield Node(token.text, token.start, token.end, name=name)
        place = end


def _follows(tokens: list[Token], place: int) -> bool:
    """Whether a token is directly after the one before it."""
    return tokens[place].start == tokens[place - 1].end


def _with_operators(nodes: Sequence[Node]) -> Iterator[Node]:
    """Yield nodes with `operator(schema.>)` as the operator it names."""
    place = 0
    while place < len(nodes):
        node, following = nodes[place], nodes[place + 1] if place + 1 < len(nodes) else None
        if node.text == "operator" and following is not None and following.text == "(" and following.inside:
            yield Node(following.inside[-1].text, node.start, following.end)
            place += 2
            continue
        if node.inside is not None:
            node = Node(node.text, node.start, node.end, name=None, inside=tuple(_with_operators(node.inside)))
        yield node
        place += 1


def is_query(node: Node) -> bool:
    """Whether a query is in a pair of brackets."""
    if node.text != "(" or not node.inside:
        return False
    first, *others = node.inside
    return first.text in _COMMANDS or (not others and is_query(first))


_COMMANDS = frozenset({"select", "with", "insert", "update", "delete", "merge", "values", "table"})


def in_brackets(node: Node) -> Query:
    """Return the query in a pair of brackets."""
    return _query(node.inside or ())


def _query(nodes: Nodes) -> Query:
    if len(nodes) == 1 and is_query(nodes[0]):
        return in_brackets(nodes[0])
    start, end = (nodes[0].start, nodes[-1].end) if nodes else (0, 0)
    ctes, is_recursive, main = _split_with(nodes)
    return Query(start, end, ctes=ctes, is_recursive=is_recursive, clauses=_clauses(main), nodes=main)


def _split_with(nodes: Nodes) -> tuple[tuple[Cte, ...], bool, Nodes]:
    """Return the named queries in front of a statement, whether they may be recursive, and the statement."""
    if not nodes or nodes[0].text != "with":
        return (), False, nodes
    place = 1
    is_recursive = nodes[1].text == "recursive" if len(nodes) > 1 else False
    place += is_recursive
    ctes: list[Cte] = []
    while place < len(nodes) and (name := nodes[place].name) is not None and nodes[place].text not in _MAIN:
        start, columns = nodes[place].start, ()
        while place < len(nodes) and not is_query(nodes[place]):
            columns = tuple(node.name or "" for node in nodes[place].inside or () if node.text != ",") or columns
            place += 1
        if place < len(nodes):
            ctes.append(Cte(name, start=start, end=nodes[place].end, query=in_brackets(nodes[place]), columns=columns))
        place += 1
        # After it may be how a recursion searches. The statement itself may be in brackets.
        while place < len(nodes) and nodes[place].text not in (",", *_MAIN):
            if place == len(nodes) - 1 and is_query(nodes[place]):
                break
            place += 1
        if place < len(nodes) and nodes[place].text == ",":
            place += 1
        else:
            break
    return tuple(ctes), is_recursive, nodes[place:]


_MAIN = _COMMANDS - {"with", "table"}


_CLAUSES = frozenset(
    {
        *("select", "from", "where", "group", "having", "window", "order", "limit", "offset", "fetch", "for"),
        *("union", "intersect", "except"),
    }
)
_OF_COMMAND = {
    "select": _CLAUSES,
    "update": frozenset({"set", "from", "where", "returning"}),
    "delete": frozenset({"from", "using", "where", "returning"}),
    "insert": frozenset({"on", "returning"}),
    "merge": frozenset({"using", "returning"}),
}


def _clauses(nodes: Nodes) -> dict[str, Nodes]:
    """Split a query where the words are that begin its clauses."""
    if not nodes:
        return {}
    command = nodes[0].text
    words = _OF_COMMAND.get(command, frozenset[str]())
    parts: dict[str, list[Node]] = {}
    current = parts.setdefault("select" if command == "select" else "target", [])
    for place in range(1, len(nodes)):
        node = nodes[place]
        if node.text in words and _begins_clause(nodes, place, command):
            # What is in a query after UNION and the like is not this query's own.
            current = parts.setdefault(node.text, [])
            if node.text in ("union", "intersect", "except"):
                words = words & {"order", "limit", "offset", "fetch", "for"}
        else:
            current.append(node)
    clauses = {word: tuple(inside) for word, inside in parts.items()}
    for word in ("order", "group"):
        if word in clauses:
            clauses[word] = clauses[word][1:]  # without `by`
    return clauses


def _begins_clause(nodes: Nodes, place: int, command: str) -> bool:
    """Whether a word begins a clause: not as a column's name, nor in IS DISTINCT FROM, DELETE FROM or a window."""
    before, word = nodes[place - 1].text, nodes[place].text
    following = nodes[place + 1].text if place + 1 < len(nodes) else ""
    if before in (".", "as"):
        return False
    if word == "from":
        is_comparison = before == "distinct" and place > 1 and nodes[place - 2].text in ("is", "not")
        return not is_comparison and not (command == "delete" and place == 1)
    if word in ("order", "group"):
        return following == "by"
    if word == "on":
        return following == "conflict"
    return True


def chooser_of_insert(query: Query) -> Query | None:
    """Return the query whose rows an INSERT inserts."""
    target = query.clause("target")
    for place, node in enumerate(target):
        if node.text in ("select", "with"):
            return _query(target[place:])
        if is_query(node):
            return in_brackets(node)
    return None


def nested(nodes: Nodes) -> Iterator[Query]:
    """Yield the queries that are directly in brackets among these, at any depth of other brackets."""
    for node in nodes:
        if is_query(node):
            yield in_brackets(node)
        elif node.inside is not None:
            yield from nested(node.inside)


def holds(nodes: Nodes, text: str, *, deep: bool = True) -> bool:
    """Whether a word or placeholder is among these; unless `deep`, that in queries in brackets does not count."""
    return any(
        node.text == text
        or (node.inside is not None and (deep or not is_query(node)) and holds(node.inside, text, deep=deep))
        for node in nodes
    )


def split(nodes: Nodes, separator: str = ",") -> list[Nodes]:
    """Split at a word or a symbol that is outside of brackets."""
    parts: list[list[Node]] = [[]]
    for node in nodes:
        if node.text == separator:
            parts.append([])
        else:
            parts[-1].append(node)
    return [tuple(part) for part in parts]


def bare(nodes: Nodes) -> Nodes:
    """Return these without brackets around all of them."""
    while len(nodes) == 1 and nodes[0].text == "(" and nodes[0].inside and not is_query(nodes[0]):
        nodes = nodes[0].inside
    return nodes


def column(nodes: Nodes) -> tuple[str | None, str] | None:
    """Return the table's and the column's name where these are a column and nothing else."""
    nodes = bare(nodes)
    names = [node.name for node in nodes[::2]]
    if not nodes or len(nodes) % 2 == 0 or None in names or any(node.text != "." for node in nodes[1::2]):
        return None
    last = names[-1]
    assert last is not None
    return (names[-2] if len(names) > 1 else None), last


def words(nodes: Nodes) -> Iterator[str]:
    """Yield what is written, word for word."""
    for node in nodes:
        if node.inside is None:
            yield node.text
        else:
            yield from (node.text, *words(node.inside), ")" if node.text == "(" else "]")


def normal(nodes: Nodes) -> tuple[object, ...]:
    """Return a form that is equal for what is written alike."""
    return tuple(
        normal(node.inside) if node.inside is not None else node.name if node.name is not None else node.text
        for node in bare(nodes)
    )
