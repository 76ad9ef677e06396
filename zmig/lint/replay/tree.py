"""PostgreSQL's syntax trees, as postgast gives them, and how values are read out of their nodes.

Only the replay sees nodes; rules get values. A node's place is an offset in octets of the UTF-8 of its statement.
"""

from __future__ import annotations

import re
from operator import attrgetter
from typing import TYPE_CHECKING

import postgast
from postgast import pg_query_pb2 as pg

from zmig.lint.replay.objects import Comparison, Definition, Expression, ObjectKind, ReadExpression
from zmig.sql.token_reader import Name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from google.protobuf.message import Message

SET_OPERATIONS = frozenset({pg.SETOP_UNION, pg.SETOP_INTERSECT, pg.SETOP_EXCEPT})
PARTS_OF_TABLES: dict[int, ObjectKind] = {
    pg.OBJECT_TRIGGER: ObjectKind.TRIGGER,
    pg.OBJECT_POLICY: ObjectKind.POLICY,
    pg.OBJECT_RULE: ObjectKind.RULE,
}
_COMPARES = frozenset({"=", "<>", "<", "<=", ">", ">="})
_SWAPPED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def parse(text: str) -> pg.Node:
    """Return the tree of one statement.

    Raises:
        postgast.PgQueryError: it is none.
        ValueError: it is nested deeper than trees can be read.
    """
    statements = postgast.parse(text).stmts
    return statements[0].stmt if statements else pg.Node()


def kind_of(node: pg.Node) -> str:
    """Return the name of the field that holds what a node is; empty for no node."""
    return node.WhichOneof("node") or ""


def inner(node: pg.Node) -> Message | None:
    """Return what a node is."""
    kind = node.WhichOneof("node")
    return getattr(node, kind) if kind else None


def defined(statement: pg.AlterTableCmd | pg.AlterDomainStmt) -> pg.Node:
    """Return what an action defines: its field `def`, which is a keyword here."""
    node: pg.Node = getattr(statement, "def")
    return node


def strings(nodes: Iterable[pg.Node]) -> list[str]:
    """Return the texts of nodes that are strings."""
    return [node.string.sval for node in nodes if node.HasField("string")]


def name(parts: Iterable[pg.Node]) -> Name:
    """Return the name that a list of strings spells; of a longer path the last two parts count."""
    return name_of(strings(parts))


def name_of(texts: list[str]) -> Name:
    """Return the name that a path of texts spells, as `name` does."""
    if not texts:
        return Name(None, "")
    return Name(texts[-2] if len(texts) > 1 else None, texts[-1])


def written_name(text: str) -> Name:
    """Return the name that a string spells, as one that is cast to `regclass`."""
    parts = [quoted or plain.lower() for quoted, plain in _WRITTEN.findall(text)]
    return name_of(parts)


_WRITTEN = re.compile(r'"([^"]+)"|([^".]+)')


def relation_name(relation: pg.RangeVar) -> Name:
    """Return the name of a table or the like as it is written."""
    return Name(relation.schemaname or None, relation.relname)


def object_name(node: pg.Node) -> Name:
    """Return the name of what a DROP, RENAME or COMMENT names."""
    if node.HasField("list"):
        return name(node.list.items)
    if node.HasField("string"):
        return Name(None, node.string.sval)
    if node.HasField("type_name"):
        return name(node.type_name.names)
    if node.HasField("object_with_args"):
        return name(node.object_with_args.objname)
    return Name(None, "")


def role(spec: pg.RoleSpec) -> str:
    """Return the name of a role; `public` for everybody, `current_user` and the like for whom it is then."""
    kinds = {
        pg.ROLESPEC_PUBLIC: "public",
        pg.ROLESPEC_CURRENT_USER: "current_user",
        pg.ROLESPEC_SESSION_USER: "session_user",
        pg.ROLESPEC_CURRENT_ROLE: "current_role",
    }
    return kinds.get(spec.roletype, spec.rolename)


def is_true(option: pg.DefElem) -> bool:
    """Return what an option means where the server expects a boolean; one without a value is true."""
    value = option_text(option)
    return value is None or value.lower() not in ("false", "off", "0", "no")


def option_text(option: pg.DefElem) -> str | None:
    """Return the value of an option as text; None where it has none."""
    arg = option.arg
    match kind_of(arg):
        case "string":
            return arg.string.sval
        case "integer":
            return str(arg.integer.ival)
        case "boolean":
            return "true" if arg.boolean.boolval else "false"
        case "type_name":
            return name(arg.type_name.names).name
        case "list":
            return ".".join(strings(arg.list.items))
        case _:
            return None


def options(nodes: Iterable[pg.Node]) -> dict[str, pg.DefElem]:
    """Return the options of a list, by name."""
    return {node.def_elem.defname: node.def_elem for node in nodes if node.HasField("def_elem")}


def text_of(given: Mapping[str, pg.DefElem], name: str) -> str | None:
    """Return the value of one of the options as text; None where it is not given, or has none."""
    return option_text(given[name]) if name in given else None


def is_on(given: Mapping[str, pg.DefElem], name: str) -> bool:
    """Whether one of the options is given, and true."""
    return name in given and is_true(given[name])


def walk(message: Message, *, leaves: tuple[type[Message], ...] = ()) -> Iterator[Message]:
    """Yield a message and all within it, without the wrappers around nodes; of `leaves` nothing but themselves."""
    waiting: list[Message] = [message]
    while waiting:
        one = waiting.pop()
        if isinstance(one, pg.Node):
            name = one.WhichOneof("node")
            if name is not None:
                waiting.append(getattr(one, name))
            continue
        yield one
        kind = type(one)
        if kind in leaves:
            continue
        parts = _PARTS.get(kind)
        if parts is None:
            parts = _PARTS[kind] = _parts(kind)
        for name, is_repeated in parts:
            if is_repeated:
                waiting += getattr(one, name)[::-1]
            elif one.HasField(name):
                waiting.append(getattr(one, name))


_PARTS: dict[type[Message], tuple[tuple[str, bool], ...]] = {}
"""The fields of each kind of message that hold messages, in the order of their numbers, and whether they hold several.

To have a message list the fields that it has takes several times as long as to ask it for these.
"""


def _parts(kind: type[Message]) -> tuple[tuple[str, bool], ...]:
    fields = sorted(kind.DESCRIPTOR.fields, key=attrgetter("number"))
    return tuple((one.name, not one.has_presence) for one in fields if one.message_type is not None)


def expression(node: pg.Node) -> Expression | None:
    """Return the expression that a node is; None for no node."""
    return Expression(ExpressionTree(node)) if kind_of(node) else None


class _Tree:
    """A node, or the octets of one, which are made a node when it is asked for."""

    __slots__ = ("_node",)

    def __init__(self, node: pg.Node | bytes) -> None:
        self._node = node

    @property
    def node(self) -> pg.Node:
        """The node."""
        if isinstance(self._node, bytes):
            self._node = pg.Node.FromString(self._node)
        return self._node

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Tree) and type(self) is type(other) and self.node == other.node

    def __hash__(self) -> int:
        return hash(self.octets)

    @property
    def octets(self) -> bytes:
        """It as octets."""
        return self._node if isinstance(self._node, bytes) else self._node.SerializeToString(deterministic=True)


class ExpressionTree(_Tree):
    """The tree of an expression, and how it is read."""

    def __call__(self) -> ReadExpression:
        """Read it."""
        return _read(self.node)


class DefinitionTree(_Tree):
    """The tree of a statement that makes something, and how its text is made."""

    def __call__(self) -> str:
        """Return its text."""
        return _definition(self.node)


_CONDITIONS = frozenset({"a_expr", "bool_expr", "null_test"})
"""The only kinds of expressions that say something of single columns."""


def _read(node: pg.Node) -> ReadExpression:
    columns: set[str] = set()
    calls: list[tuple[Name, int]] = []
    sequences: list[str] = []
    is_constant, has_query = True, False
    for one in walk(node):
        if isinstance(one, pg.ColumnRef):
            is_constant = False
            parts = strings(one.fields)
            if len(parts) == len(one.fields):
                columns.add(parts[-1])
        elif isinstance(one, pg.FuncCall):
            is_constant = False
            called = name(one.funcname)
            calls.append((called, len(one.args)))
            if called.name == "nextval" and one.args and (shown := constant(one.args[0])) is not None:
                sequences.append(shown)
        elif isinstance(one, pg.SQLValueFunction):
            is_constant = False
        elif isinstance(one, pg.SubLink):
            is_constant, has_query = False, True
    is_condition = kind_of(node) in _CONDITIONS
    return ReadExpression(
        frozenset(columns),
        tuple(calls),
        _never_null(node) if is_condition else frozenset(),
        frozenset(_comparisons(node)) if is_condition else frozenset(),
        frozenset(_alternatives(node) or ()) if is_condition else frozenset(),
        is_constant,
        has_query,
        _is_null(node),
        tuple(sequences),
        lambda: text(node),
    )


def text(node: pg.Node) -> str:
    """Return an expression as SQL."""
    target = pg.Node(res_target=pg.ResTarget(val=node))
    select = pg.Node(
        select_stmt=pg.SelectStmt(target_list=[target], limit_option=pg.LIMIT_OPTION_DEFAULT, op=pg.SETOP_NONE)
    )
    tree = pg.ParseResult(stmts=[pg.RawStmt(stmt=select)])
    return postgast.deparse(tree).removeprefix("SELECT").strip()


def definition(node: pg.Node) -> Definition:
    """Return what a statement makes, without its name."""
    return Definition(DefinitionTree(node))


_ITSELF = "it"
FUNCTION_OPTIONS = frozenset({"cost", "leakproof", "parallel", "rows", "strict", "support"})
"""What ALTER FUNCTION changes beside its volatility, its rights and its settings."""
_HOW_IT_RUNS = FUNCTION_OPTIONS | {"security", "volatility"}


def _definition(node: pg.Node) -> str:
    made = pg.Node()
    made.CopyFrom(node)
    match kind_of(made):
        case "view_stmt":
            made.view_stmt.replace = False
            _unname(made.view_stmt.view)
        case "create_table_as_stmt":
            _unname(made.create_table_as_stmt.into.rel)
            made.create_table_as_stmt.if_not_exists = made.create_table_as_stmt.into.skip_data = False
        case "create_function_stmt":
            made.create_function_stmt.replace = False
            made.create_function_stmt.options.sort(key=lambda option: option.def_elem.defname)
            for option in [*made.create_function_stmt.options]:
                if option.def_elem.defname in _HOW_IT_RUNS:
                    made.create_function_stmt.options.remove(option)
            del made.create_function_stmt.funcname[:]
            made.create_function_stmt.funcname.add().string.sval = _ITSELF
        case "create_trig_stmt":
            made.create_trig_stmt.replace = False
            made.create_trig_stmt.trigname = _ITSELF
            _unname(made.create_trig_stmt.relation)
        case _:
            pass
    return postgast.deparse(pg.ParseResult(stmts=[pg.RawStmt(stmt=made)])).replace("public.", "")


def _unname(relation: pg.RangeVar) -> None:
    relation.schemaname, relation.relname = "", _ITSELF


def _is_null(node: pg.Node) -> bool:
    while node.HasField("type_cast"):
        node = node.type_cast.arg
    return node.HasField("a_const") and node.a_const.isnull


def constant(node: pg.Node) -> str | None:
    """Return a constant as it is written, without its quotes or cast; None for anything else."""
    if node.HasField("type_cast"):
        return constant(node.type_cast.arg)
    if node.HasField("a_expr") and not kind_of(node.a_expr.lexpr) and strings(node.a_expr.name) == ["-"]:
        positive = constant(node.a_expr.rexpr)
        return None if positive is None else f"-{positive}"
    if not node.HasField("a_const"):
        return None
    one = node.a_const
    match one.WhichOneof("val"):
        case "ival":
            return str(one.ival.ival)
        case "fval":
            return one.fval.fval
        case "boolval":
            return "true" if one.boolval.boolval else "false"
        case "sval":
            return one.sval.sval
        case "bsval":
            return one.bsval.bsval
        case _:
            return None


def integers(nodes: Iterable[pg.Node]) -> tuple[int, ...]:
    """Return the numbers that nodes are; what is none is left out."""
    shown = (constant(node) for node in nodes)
    return tuple(int(one) for one in shown if one is not None and one.lstrip("-").isdigit())


def column(node: pg.Node) -> str | None:
    """Return the column that an expression is; None for anything else."""
    if not node.HasField("column_ref"):
        return None
    parts = strings(node.column_ref.fields)
    return parts[-1] if parts and len(parts) == len(node.column_ref.fields) else None


def _never_null(node: pg.Node) -> frozenset[str]:
    if node.HasField("null_test"):
        test = node.null_test
        named = column(test.arg)
        return frozenset({named}) if named and test.nulltesttype == pg.IS_NOT_NULL else frozenset()
    if not node.HasField("bool_expr"):
        return frozenset()
    parts = node.bool_expr.args
    if node.bool_expr.boolop == pg.AND_EXPR:
        return frozenset[str]().union(*map(_never_null, parts))
    if node.bool_expr.boolop == pg.OR_EXPR:
        first, *others = map(_never_null, parts)
        return first.intersection(*others)
    test = parts[0].null_test
    named = column(test.arg) if parts[0].HasField("null_test") and test.nulltesttype == pg.IS_NULL else None
    return frozenset({named}) if named else frozenset()


def comparisons(node: pg.Node) -> tuple[Comparison, ...]:
    """Return what a condition says of single columns, all of which holds where it holds."""
    return (*_comparisons(node),)


def _comparisons(node: pg.Node) -> Iterator[Comparison]:
    if node.HasField("bool_expr") and node.bool_expr.boolop == pg.AND_EXPR:
        for part in node.bool_expr.args:
            yield from _comparisons(part)
        return
    if not node.HasField("a_expr"):
        return
    one = node.a_expr
    operator = "".join(strings(one.name)[-1:])
    if one.kind == pg.AEXPR_OP and operator in _COMPARES:
        yield from _comparison(one.lexpr, operator, one.rexpr)
        yield from _comparison(one.rexpr, _SWAPPED[operator], one.lexpr)
    elif one.kind == pg.AEXPR_BETWEEN and one.rexpr.HasField("list"):
        low, high = one.rexpr.list.items
        yield from _comparison(one.lexpr, ">=", low)
        yield from _comparison(one.lexpr, "<=", high)
    elif one.kind == pg.AEXPR_IN and one.rexpr.HasField("list"):
        yield from _membership(one.lexpr, operator, one.rexpr.list.items)
    elif one.kind == pg.AEXPR_OP_ANY and operator == "=" and one.rexpr.HasField("a_array_expr"):
        yield from _membership(one.lexpr, operator, one.rexpr.a_array_expr.elements)


_NEGATED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "=": "<>", "<>": "="}


def _alternatives(node: pg.Node) -> list[Comparison] | None:
    """Return what an OR of comparisons says; None for anything else."""
    if node.HasField("null_test") and node.null_test.nulltesttype == pg.IS_NULL:
        named = column(node.null_test.arg)
        return None if named is None else [Comparison(named, "is null", ())]
    if not node.HasField("bool_expr"):
        found = [*_comparisons(node)]
        return found if len(found) == 1 else None
    parts, operator = node.bool_expr.args, node.bool_expr.boolop
    if operator == pg.OR_EXPR:
        alternatives = [_alternatives(part) for part in parts]
        return None if None in alternatives else [one for some in alternatives for one in some or ()]
    if operator == pg.NOT_EXPR and not parts[0].HasField("bool_expr"):
        only = _negated(parts[0])
        return None if only is None else [only]
    if operator == pg.NOT_EXPR:
        arms = parts[0].bool_expr.args if parts[0].bool_expr.boolop == pg.AND_EXPR else ()
        negated = [_negated(arm) for arm in arms]
        return None if not negated or None in negated else [one for one in negated if one is not None]
    return None


def _negated(node: pg.Node) -> Comparison | None:
    if node.HasField("null_test") and node.null_test.nulltesttype == pg.IS_NOT_NULL:
        named = column(node.null_test.arg)
        return None if named is None else Comparison(named, "is null", ())
    found = [*_comparisons(node)]
    if len(found) != 1 or found[0].operator not in _NEGATED:
        return None
    return found[0]._replace(operator=_NEGATED[found[0].operator])


def _comparison(left: pg.Node, operator: str, right: pg.Node) -> Iterator[Comparison]:
    named, value = column(left), constant(right)
    if named is not None and value is not None:
        yield Comparison(named, operator, (value,))


def _membership(left: pg.Node, operator: str, values: Iterable[pg.Node]) -> Iterator[Comparison]:
    named, shown = column(left), [constant(one) for one in values]
    if named is not None and None not in shown:
        yield Comparison(named, operator, tuple(one for one in shown if one is not None))
