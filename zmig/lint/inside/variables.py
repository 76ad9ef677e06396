"""Variables of PL/pgSQL whose values are known before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zmig.lint.inside import constants
from zmig.sql.lexer import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.sql.lexer import Token

_MOST_TEXTS = 8
"""Of an expression that may be more, the rest is not looked at."""
_CHANGES_WHAT_IT_NAMES = frozenset({"call", "fetch", "for", "foreach", "get", "move"})


class Text(NamedTuple):
    """A text that an expression may be."""

    value: str
    literal: Token | None
    """The constant that is all of it, where it is one."""
    is_certain: bool = True
    """Whether it can be nothing else."""


class _Value(NamedTuple):
    text: str | None
    """None where it is not known."""
    literal: Token | None
    branch: tuple[int, ...]
    """Where it was assigned."""
    assignment: int
    """By which assignment of all, which may give one of several values."""


class Variables:
    """The variables of a body so far, as it is read from its first statement to its last."""

    def __init__(self) -> None:
        self._values: dict[str, list[_Value]] = {}
        """By name, what may have been assigned last, in the order in which it is written."""
        self._assignments = 0

    def declared(self, tokens: Sequence[Token], branch: tuple[int, ...]) -> None:
        """Take note of a declaration."""
        if tokens and tokens[0].kind is Kind.WORD:
            begin = _after_assignment(tokens)
            self._assign(tokens[0].text, tokens[begin:] if begin else (), branch)

    def changed(self, tokens: Sequence[Token], branch: tuple[int, ...]) -> None:
        """Take note of a statement: what it assigns, or gives another value that is not known."""
        words = [token.text for token in tokens]
        if words[1:2] == ["="] or words[1:3] == [":", "="]:
            self._assign(words[0], tokens[2 if words[1] == "=" else 3 :], branch)
            return
        if words[1:2] == ["["]:
            self._assign(words[0], (), branch)
        elif words and words[0] in _CHANGES_WHAT_IT_NAMES:
            self._forget(words, branch)
        elif "into" in words:
            self._forget(words[words.index("into") :], branch)

    def texts(self, tokens: Sequence[Token], branch: tuple[int, ...]) -> Iterator[Text]:
        """Yield what an expression may be, where it is asked for; nothing where none of it is known."""
        if len(tokens) == 1 and tokens[0].kind is Kind.STRING:
            plain = constants.value(tokens)
            yield from () if plain is None else (Text(plain, tokens[0]),)
            return
        named = next((token.text for token in tokens if self._is_variable(token)), None)
        if named is None:
            plain = constants.value(tokens)
            yield from () if plain is None else (Text(plain, None),)
            return
        reaching = self._reaching(named, branch)
        if len(tokens) == 1:
            for one in reaching:
                if one.text is not None:
                    yield Text(one.text, one.literal, len(reaching) == 1)
            return
        yield from self._put_together(tokens, branch)

    def _put_together(self, tokens: Sequence[Token], branch: tuple[int, ...]) -> Iterator[Text]:
        names = [*dict.fromkeys(token.text for token in tokens if self._is_variable(token))]
        choices: list[dict[str, str]] = [{}]
        is_certain = True
        for name in names:
            reaching = self._reaching(name, branch)
            is_certain &= len(reaching) == 1
            known = [one.text for one in reaching if one.text is not None]
            choices = [{**chosen, name: text} for chosen in choices for text in known][:_MOST_TEXTS]
        for chosen in choices:
            text = constants.value(tokens, chosen)
            if text is not None:
                yield Text(text, None, is_certain and len(choices) == 1)

    def _is_variable(self, token: Token) -> bool:
        return token.kind is Kind.WORD and token.text in self._values

    def _reaching(self, name: str, branch: tuple[int, ...]) -> list[_Value]:
        """Return what a variable may be in a branch: what was assigned since the last time that certainly happened."""
        found = self._values[name]
        certain = (one.assignment for one in reversed(found) if one.branch == branch[: len(one.branch)])
        last = next(certain, 0)
        return [one for one in found if one.assignment >= last]

    def _assign(self, name: str, tokens: Sequence[Token], branch: tuple[int, ...]) -> None:
        self._assignments += 1
        texts = [*self.texts(tokens, branch)] if tokens else []
        values = [_Value(one.value, one.literal, branch, self._assignments) for one in texts]
        if not values or not all(one.is_certain for one in texts):
            values.append(_Value(None, None, branch, self._assignments))
        kept = [one for one in self._values.get(name, ()) if one.branch[: len(branch)] != branch]
        self._values[name] = [*kept, *values]

    def _forget(self, words: Sequence[str], branch: tuple[int, ...]) -> None:
        for name in self._values.keys() & {*words}:
            self._assign(name, (), branch)


def _after_assignment(tokens: Sequence[Token]) -> int:
    """Return where the value of a declaration begins; 0 where there is none."""
    depth = 0
    for place, token in enumerate(tokens):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.text in ("=", "default"):
            return place + 1
    return 0
