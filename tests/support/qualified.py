"""Tells of a statement which names in it the search path decides, by PostgreSQL's own parser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import postgast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_QUALIFIABLE = ("AEXPR_OP", "AEXPR_OP_ANY", "AEXPR_OP_ALL")


class Heard:
    """One statement that a client sent."""

    def __init__(self, text: str, raw: Any) -> None:
        self.text = text
        self.node: Any = postgast.unwrap_node(raw.stmt)

    @property
    def kinds(self) -> set[str]:
        """The parser's names for it and what is in it, as `SelectStmt`."""
        return {type(one).__name__ for _, one in postgast.walk(self.node)}

    def unqualified(self) -> set[str]:
        """Return what in it stands for whatever the search path says."""
        nodes: list[Any] = [one for _, one in postgast.walk(self.node)]
        common = {str(one.ctename) for one in nodes if type(one).__name__ == "CommonTableExpr"}
        return {name for one in nodes for name in _names(one, common)}


def statements(message: str) -> Iterator[Heard]:
    """Yield the statements of one message."""
    octets = message.encode()
    for raw in postgast.parse(message).stmts:
        end = raw.stmt_location + raw.stmt_len if raw.stmt_len else len(octets)
        yield Heard(octets[raw.stmt_location : end].decode(), raw)


def _names(node: Any, common: set[str]) -> Iterator[str]:
    match type(node).__name__:
        case "FuncCall":
            yield from _unqualified("function", node.funcname)
        case "TypeName":
            yield from _unqualified("type", node.names)
        case "CollateClause":
            yield from _unqualified("collation", node.collname)
        case "RangeVar" if not node.schemaname and node.relname not in common:
            yield f"relation {node.relname}"
        case _:
            yield from _operators(node)


def _operators(node: Any) -> Iterator[str]:
    match type(node).__name__:
        case "A_Expr":
            kind = node.DESCRIPTOR.fields_by_name["kind"].enum_type.values_by_number[node.kind].name
            if kind in _QUALIFIABLE:
                yield from _unqualified("operator", node.name)
            else:
                yield f"operator {_texts(node.name)[-1]} of {kind}"
        case "SubLink" if node.HasField("testexpr") and len(node.oper_name) < 2:
            yield "operator of a subquery"
        case "CaseExpr" if node.HasField("arg"):
            yield "operator = of CASE"
        case "JoinExpr" if node.using_clause or node.is_natural:
            yield "operator = of USING"
        case "SortBy" if node.use_op:
            yield from _unqualified("operator", node.use_op)
        case _:
            pass


def _unqualified(what: str, name: Iterable[Any]) -> Iterator[str]:
    texts = _texts(name)
    if len(texts) < 2:
        yield f"{what} {texts[0]}"


def _texts(name: Iterable[Any]) -> list[str]:
    return [one.string.sval for one in name]
