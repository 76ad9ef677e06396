"""Every regular expression of the program, and texts on which each would take longest.

What you may rely on: a pattern that is written anywhere in the packages is found, or it is said that it cannot be.
"""

from __future__ import annotations

import ast
import importlib
import itertools
import pkgutil
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from types import ModuleType

codes: Any = importlib.import_module("re._constants")
parser: Any = importlib.import_module("re._parser")
compiler: Any = re
"""Parts of `re` that have no types."""

_ANCHORED = frozenset({"match", "fullmatch"})
_USES = _ANCHORED | {"search", "sub", "subn", "split", "findall", "finditer", "scanner"}
_SPEAKS_OF_PATTERNS = re.compile(rf"\bLazyPattern\b|\.\s*(?:{'|'.join(sorted(_USES | {'compile'}))})\b")
"""What stands in every module that makes a pattern or uses one; parsing the others takes most of the time."""
_LONG = 50
"""A repeat that goes on for so long is one that can grow."""


class Found(NamedTuple):
    """One regular expression."""

    place: str
    pattern: re.Pattern[str]
    uses: frozenset[str]
    """How it is used: by `match`, by `fullmatch`, and else by what looks for it at every place of a text."""


class UnknownPatternError(Exception):
    """A regular expression is put together from arguments: the test needs an example of such a call."""


Examples = dict[tuple[str, str], Iterable[Callable[[], object]]]


def collect(packages: Iterable[str], examples: Examples) -> Iterator[Found]:
    """Yield the regular expressions of packages; `examples` calls those functions that make theirs of arguments."""
    modules = [module for package in packages for module in _modules(package)]
    texts = {module: Path(str(module.__file__)).read_text("utf-8") for module in modules}
    trees = {module: ast.parse(text) for module, text in texts.items() if _SPEAKS_OF_PATTERNS.search(text)}
    uses = _uses({module.__name__: tree for module, tree in trees.items()})
    for module, tree in trees.items():
        for function, call in _calls(tree):
            inside = module.__name__ if function is None else f"{module.__name__}.{function.name}"
            place = f"{inside}:{call.lineno}"
            for pattern in _made(module, function, call, examples, place):
                if isinstance(pattern.pattern, str):
                    yield Found(place, pattern, _uses_of(module.__name__, call, function, uses))


def _modules(package: str) -> Iterator[ModuleType]:
    root = importlib.import_module(package)
    yield root
    for one in pkgutil.walk_packages(root.__path__, f"{package}."):
        if not one.name.endswith("__main__"):
            yield importlib.import_module(one.name)


def _calls(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef | None, ast.Call]]:
    """Yield the calls of functions of `re` that take a pattern, with the functions they stand in."""

    def walk(node: ast.AST, function: ast.FunctionDef | None) -> Iterator[tuple[ast.FunctionDef | None, ast.Call]]:
        if isinstance(node, ast.FunctionDef):
            function = function or node
        if isinstance(node, ast.Call) and _is_of_re(node.func):
            yield function, node
        for child in ast.iter_child_nodes(node):
            yield from walk(child, function)

    return walk(tree, None)


def _is_of_re(called: ast.expr) -> bool:
    if _name(called) == "LazyPattern":
        return True
    if not isinstance(called, ast.Attribute) or called.attr not in _USES | {"compile"}:
        return False
    return _name(called.value) == "re"


def _name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Subscript):
        node = node.value
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def _scoped(module: str, name: str) -> str:
    """Return what a name is known by: a private one of another module stands for something else."""
    return f"{module}.{name}" if name.startswith("_") else name


def _uses(trees: Mapping[str, ast.Module]) -> dict[str, set[str]]:
    """Return for each name how what it stands for is used as a pattern, by the trees of modules by their names."""
    uses: dict[str, set[str]] = defaultdict(set)
    assigned: list[tuple[str, str]] = []
    for module, node in ((module, node) for module, tree in trees.items() for node in ast.walk(tree)):
        if isinstance(node, ast.Attribute) and node.attr in _USES and (name := _name(node.value)) is not None:
            uses[_scoped(module, name)].add(node.attr)
            vars(node.value)["used_by"] = node.attr
        if isinstance(node, ast.Assign) and (target := _name(node.targets[0])) is not None:
            if isinstance(node.value, ast.Call):
                vars(node.value)["assigned_to"] = target
            called = [one.func for one in ast.walk(node.value) if isinstance(one, ast.Call)]
            makers = [one.id for one in called if isinstance(one, ast.Name)]
            assigned += [(_scoped(module, maker), _scoped(module, target)) for maker in makers]
    for function, target in assigned:
        uses[function] |= uses.get(target, set())
    return uses


def _uses_of(
    module: str, call: ast.Call, function: ast.FunctionDef | None, uses: Mapping[str, set[str]]
) -> frozenset[str]:
    if (own := _name(call.func)) is not None and own not in ("compile", "LazyPattern"):
        return frozenset({own})
    if used := getattr(call, "used_by", None):
        return frozenset({used})
    name = getattr(call, "assigned_to", None) or (function.name if function is not None else None)
    return frozenset(uses.get(_scoped(module, name or "")) or {"search"})


def _made(
    module: ModuleType, function: ast.FunctionDef | None, call: ast.Call, examples: Examples, place: str
) -> list[re.Pattern[Any]]:
    flags = [keyword.value for keyword in call.keywords if keyword.arg == "flags"]
    known = {"compile": 1, "LazyPattern": 1, "match": 2, "fullmatch": 2, "search": 2, "findall": 2, "finditer": 2}.get(
        _name(call) or ""
    )
    flags += call.args[known : known + 1] if known is not None else []
    try:
        return [re.compile(*(eval(ast.unparse(part), vars(module)) for part in [call.args[0], *flags]))]
    except NameError:
        assert function is not None
    called = getattr(module, function.name, None)
    if (module.__name__, function.name) in examples:
        return _recorded(examples[module.__name__, function.name])
    if called is None or any(default is None for default in function.args.kw_defaults) or function.args.args:
        raise UnknownPatternError(f"{place}: give an example of a call of {function.name}()")
    return _recorded([getattr(called, "__wrapped__", called)])


def _recorded(calls: Iterable[Callable[[], object]]) -> list[re.Pattern[Any]]:
    """Return the patterns that calls make use of."""
    made: list[re.Pattern[Any]] = []
    compiling = compiler._compile

    def record(*arguments: Any) -> re.Pattern[Any]:
        made.append(compiling(*arguments))
        return made[-1]

    compiler._compile = record
    try:
        for call in calls:
            call()
    finally:
        compiler._compile = compiling
    return made


class Attack(NamedTuple):
    """A text that grows by repetition."""

    before: str
    pump: str
    after: str

    def text(self, size: int) -> str:
        """Return the text at about this length."""
        return self.before + self.pump * max(size // len(self.pump), 1) + self.after


_TAILS = ("", "\x00", "\n~", "'")


def attacks(pattern: re.Pattern[str]) -> Iterator[Attack]:
    """Yield what keeps a matcher busy: what a pattern can repeat, behind what leads there, in front of what fails."""
    tree = parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE)
    pumps = list(dict.fromkeys(_pumps(list(tree), "")))
    seen: set[Attack] = set()
    for before, pump in pumps:
        whole = before + pump
        others = (other for _, other in pumps)
        bodies = [(before, pump), ("", pump), ("", whole), ("", before + pump * _LONG), (whole, " "), (whole, "\n")]
        bodies += [(before, pump + other) for other in itertools.islice(others, 12)]
        for start, body in bodies:
            for tail in _TAILS:
                if body and (attack := Attack(start, body, tail)) not in seen:
                    seen.add(attack)
                    yield attack


def _pumps(nodes: list[Any], before: str) -> Iterator[tuple[str, str]]:
    """Yield what can be repeated, each with a text that leads there."""
    for code, value in nodes:
        sample = _sample([(code, value)])
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            _, most, body = value
            if most == codes.MAXREPEAT or most > _LONG:
                yield from ((before, one) for one in _samples(list(body)) if one)
            yield from _pumps(list(body), before)
        elif code is codes.SUBPATTERN:
            yield from _pumps(list(value[3]), before)
        elif code is codes.ATOMIC_GROUP:
            yield from _pumps(list(value), before)
        elif code is codes.BRANCH:
            for branch in value[1]:
                yield from _pumps(list(branch), before)
        elif code in (codes.ASSERT, codes.ASSERT_NOT):
            yield from _pumps(list(value[1]), before)
        if sample:
            yield before, sample
        before += sample


def _sample(nodes: list[Any]) -> str:
    return next(iter(_samples(nodes)), "")


def _samples(nodes: list[Any]) -> list[str]:
    """Return some texts that a sequence matches, as far as it does not look around itself."""
    found = [""]
    for code, value in nodes:
        found = [begun + more for begun, more in itertools.product(found, _of_node(code, value) or [""])][:6]
    return found


def _of_node(code: Any, value: Any) -> list[str]:
    if code is codes.LITERAL:
        return [chr(value)]
    if code is codes.NOT_LITERAL:
        return [one for one in ("a", " ", "\n", "'", "z") if ord(one) != value][:3]
    if code is codes.ANY:
        return ["a", " "]
    if code is codes.IN:
        return _of_set(value)
    if code is codes.BRANCH:
        return [one for branch in value[1] for one in _samples(list(branch))[:2]]
    if code is codes.SUBPATTERN:
        return _samples(list(value[3]))
    if code is codes.ATOMIC_GROUP:
        return _samples(list(value))
    if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
        return [one * max(value[0], 1) for one in _samples(list(value[2]))]
    return []


_TRIED = " \n\ta0'\"\\$-/*:@=.,;()[]{}_&?#x!\r%<>|+ß"


def _of_set(items: list[Any]) -> list[str]:
    """Return some characters of a set: of each kind that it speaks of."""
    compiled = re.compile(_set(items))
    named = [chr(value) for code, value in items if code is codes.LITERAL]
    named += [chr(end) for code, value in items if code is codes.RANGE for end in value]
    return [one for one in dict.fromkeys([*named, *_TRIED]) if compiled.fullmatch(one)][:5]


_CATEGORIES = {
    codes.CATEGORY_SPACE: r"\s",
    codes.CATEGORY_NOT_SPACE: r"\S",
    codes.CATEGORY_DIGIT: r"\d",
    codes.CATEGORY_NOT_DIGIT: r"\D",
    codes.CATEGORY_WORD: r"\w",
    codes.CATEGORY_NOT_WORD: r"\W",
}


def _set(items: list[Any]) -> str:
    parts: list[str] = []
    for code, value in items:
        if code is codes.NEGATE:
            parts.append("^")
        elif code is codes.LITERAL:
            parts.append(re.escape(chr(value)))
        elif code is codes.RANGE:
            parts.append(f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}")
        else:
            parts.append(_CATEGORIES[value])
    return "[" + "".join(parts) + "]"
