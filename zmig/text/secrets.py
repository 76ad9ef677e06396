"""Keeps secrets out of every text: passwords in connection strings, and values known to be secret.

What you may rely on: a text without secrets stays as it is, and masking twice is masking once. Where it cannot be
known where a password ends, more is masked rather than less.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from zmig.text.lazy_pattern import LazyPattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MASK = "***"

_SHORTEST_SECRET = 3
"""A shorter value would mask ordinary text wherever it happens to occur."""

_SECRET_PARAMETERS = r"(?:\w*password|scram_client_key|scram_server_key|oauth_client_secret)"
_QUOTED = r"(?:[^'\\]|''|\\.)+"
_BLANK = r"(?:\s|--[^\n]{0,200}\n|/\*[^*]{0,200}\*/)+"
"""What may be between two words of SQL. Longer comments do not count: many would be searched over and over."""


_JOINS = r"\s*\|\|\s*(?:[\w.]{1,60}\(\s*)?"
"""What joins a constant, or one in a call, to the one before."""
_SECRET_NAME = r"[\w.]{0,60}(?:passw(?:or)?d|secret|token|api_?key)"
"""The name of a setting with a secret, or of a column."""
_NAME_OF_SECRET = re.compile(rf"{_SECRET_NAME}(?:_?key|_?value)?[0-9]*", re.IGNORECASE)
_SETTING = rf"(?:session\s+|local\s+)?\"?{_SECRET_NAME}\"?"
_LOGIN_OPTION = r"(?<![\w-])(?:-u\s*|--user[\s=]\s*|-U\s*|--proxy-user[\s=]\s*)"
"""Of curl, whose logins are written as name, colon and password."""


def names_secret(name: str) -> bool:
    """Whether a setting or a variable of this name likely has a secret as its value."""
    return _NAME_OF_SECRET.fullmatch(name) is not None


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], tuple[re.Pattern[str], ...]], ...]:
    """Return what spells a secret, with groups for what stays before it and after it.

    Beside those of one kind is what is in each text that one of them finds something in, folded; it begins with
    letters of its own, which makes it a tenth of the work. Those of URLs are `_url_patterns`.
    """
    # Connection strings: in the parameters of a URL, by keyword, and by keyword inside of another string, whose quotes
    # are doubled or escaped. A text may be cut off at its end, so what would close a password may be missing there.
    parameter = rf"(?P<before>[?&]{_SECRET_PARAMETERS}=)[^&\s]+(?P<after>)"
    keyword = rf"(?<![?&\w]){_SECRET_PARAMETERS}\s*=\s*"
    nested = rf"(?P<before>{keyword}(?P<mark>''|\\'|\"))(?=[^\s'\"\\),])[^'\"\\]+(?P<after>(?P=mark))"
    nested_cut = rf"(?P<before>{keyword}(?:''|\\'|\"))(?=[^\s'\"\\),])[^'\"\\=]+(?P<after>\Z)"
    # A password that is put together: what is joined to the first constant is a secret, and not only that.
    joined = (
        rf"(?P<before>\b(?:{_SECRET_PARAMETERS}\s*=\s*|password{_BLANK})'{{1,3}}{_JOINS}'){_QUOTED}(?P<after>'|\\?\Z)"
    )
    quoted = rf"(?P<before>{keyword}'(?!{_JOINS})){_QUOTED}(?P<after>'|\\?\Z)"
    bare = rf"(?P<before>{keyword})(?!'|\.\.\.`)(?:[^\s\\]|\\.)+(?P<after>)"
    # An entry of JSON, or of a dictionary of Python's.
    entry = (
        rf"(?P<before>(?P<mark>['\"]){_SECRET_PARAMETERS}(?P=mark)\s*:\s*(?P<quote>['\"]))[^'\"]+(?P<after>(?P=quote))"
    )
    # SQL: `password '...'` of a role, the same in the text of a function or a DO block, and settings with secrets.
    statement = rf"(?P<before>\bpassword\"?{_BLANK}(?:e|u&|n)?'(?!{_JOINS})){_QUOTED}(?P<after>'|\\?\Z)"
    in_string = rf"(?P<before>\bpassword{_BLANK}'')(?=[^\s'),])[^']+(?P<after>''|\Z)"
    setting = rf"(?P<before>\bset\s+{_SETTING}\s*(?:=|to\b)\s*(?:e|u&|n)?'){_QUOTED}(?P<after>'|\\?\Z)"
    bare_setting = rf"(?P<before>\bset\s+{_SETTING}\s+to\s+)(?!(?:default|null|on|off)\b)\w[\w-]*(?P<after>)"
    called = (
        rf"(?P<before>\bset_config\s*\(\s*'{_SECRET_NAME}'(?:::\w+)?\s*,\s*(?:e|u&|n)?'){_QUOTED}(?P<after>'|\\?\Z)"
    )
    # What a program is called with that copies rows from somewhere else.
    login = rf"(?P<before>{_LOGIN_OPTION}(?P<quote>\")?[^\s:'\"/@]{{1,100}}:)(?(quote)[^\"]+|[^\s'\"]+)(?P<after>)"
    header = r"(?P<before>\bauthorization:\s*(?:basic|bearer|token)\s+)[^\s'\"]+(?P<after>)"
    dollars = rf"(?P<before>\bpassword{_BLANK}(?P<tag>\$\w*\$)).+?(?P<after>(?P=tag)|\Z)"
    assigned = r"(?:password|_key|_secret)\s*="
    after_word = r"password\"?(?:\s|--|/\*)"
    set_to = r"set\s+(?:session\s+|local\s+)?\"?[\w.]{0,60}(?:passw|secret|token|key)"
    forms = (
        (assigned, (parameter, nested, nested_cut)),
        (rf"{assigned}|{after_word}", (joined,)),
        (assigned, (quoted, bare)),
        (r"(?:password|_key|_secret)['\"]\s*:", (entry,)),
        (after_word, (in_string, statement)),
        (set_to, (setting, bare_setting)),
        (r"set_conf", (called,)),
        (after_word, (dollars,)),
        (r"-u|--proxy-user", (login,)),
        (r"author", (header,)),
    )
    flags = re.IGNORECASE | re.DOTALL
    return tuple((re.compile(sign), tuple(re.compile(form, flags) for form in some)) for sign, some in forms)


@cache
def _url_patterns() -> tuple[re.Pattern[str], ...]:
    """Return what spells a password in a URL that ends with its last `@`, with the same groups.

    What follows the user's colon and is no port is a password up to the last `@`, since people write `@`, `/` and `?`
    in passwords without encoding them.
    """
    url = r"(?P<before>postgres(?:ql)?(?:\+\w+)?://(?!\[)[^\s:/?#@]*:)(?:(?!\d*(?:[/?#,]|$))\S+|(?:(?!//)[^\s?#])+)(?P<after>@)"
    other_url = r"(?P<before>\b[a-z][\w+.-]{0,40}://[^\s:/?#@]*:)[^\s/?#@]+(?P<after>@)"
    return tuple(re.compile(form, re.IGNORECASE | re.DOTALL) for form in (url, other_url))


_CONTINUED = LazyPattern(rf"'{re.escape(MASK)}'(?:{_BLANK}'{_QUOTED}(?:'|\\?\Z))+", re.DOTALL)
"""A masked constant and those that continue it, each after blanks, which a summary shows on one line."""
_PIECE = LazyPattern(rf"--[^\n]{{0,200}}\n|/\*[^*]{{0,200}}\*/|'{_QUOTED}(?P<after>'|\\?\Z)", re.DOTALL)
"""A constant, or a comment, which may hold quotes."""
_FORMAT = r"(?P<format>\bpassword[\s=:]{1,20}(?:''|\\')?%[\d$-]{0,10}[LsI]?[^']{0,300}')"
_VALUE = r"(?:'[^']*+'|[\w.]++(?:\([^()]{0,200}\))?)"
_FORMATTED = LazyPattern(rf"{_FORMAT}(?P<values>(?:\s*+,\s*+{_VALUE})++(?:\s*+,\s*+'[^']*+\Z)?)", re.IGNORECASE)
"""The format of a text with a password that is yet to be put into it, and the values for it."""
_CONSTANT = LazyPattern(r"'[^']++(?:'|\Z)")
_PROGRAM = LazyPattern(r"\bprogram\s+e?'[^']*+(?:''[^']*+)*+", re.IGNORECASE)
"""The command of a COPY."""
_OPTION = LazyPattern(
    r"(?P<before>--[\w-]{0,20}password\s+[\"']?|\bmysql\w*(?=\s)[^|;]{0,200}?\s-p|\bsshpass\s+-p\s*)[^\s'\"]+"
)
"""The option of a command that holds a password."""
_TO_BE_FORMATTED = LazyPattern(r"password[\s=:]")
"""What is in each text, folded, that `_FORMATTED` finds something in."""
_REST_OF_WORD = LazyPattern(r"\S*+")


def _without_passwords(text: str) -> str:
    """Return a text without the passwords of the URLs in its words."""
    pieces: list[str] = []
    position = 0
    while (end := text.find("://", position)) >= 0:
        start = end
        while start > position and not text[start - 1].isspace():
            start -= 1
        rest = _REST_OF_WORD.match(text, end)
        end = end if rest is None else rest.end()
        pieces += (text[position:start], _without_password(text[start:end]))
        position = end
    return "".join((*pieces, text[position:]))


def _without_password(word: str) -> str:
    """Return a word without the passwords of its URLs. After its last `@` none is looked for, which takes long."""
    end = word.rfind("@") + 1
    text = word[:end]
    if "://" not in text:
        return word
    for pattern in _url_patterns():
        text = pattern.sub(rf"\g<before>{MASK}\g<after>", text)
    return text + word[end:]


_SIGNS = (
    "://",
    "passw",
    "scram_",
    "oauth_",
    "secret",
    "token",
    "api_key",
    "apikey",
    "curl",
    "mysql",
    "sshpass",
    "authorization:",
)
"""One of these is in whatever a pattern finds; to look for them takes a hundredth of the patterns' time."""


def may_be_in(text: str) -> bool:
    """Whether `redact` may change a text, or a part of it. Takes little time."""
    folded = text.casefold()
    return any(sign in folded for sign in _SIGNS)


def redact(text: str) -> str:
    """Return `text` with every password masked: of connection strings in any form, of entries, and of SQL."""
    folded = text.casefold()
    if not any(sign in folded for sign in _SIGNS):
        return text
    # In this order: what follows a masked constant is known by the mask.
    text = _without_passwords(text)
    if _TO_BE_FORMATTED.search(folded) is not None:
        text = _FORMATTED.sub(lambda call: call["format"] + _CONSTANT.sub(f"'{MASK}'", call["values"]), text)
    for sign, patterns in _patterns():
        if sign.search(folded) is not None:
            for pattern in patterns:
                text = pattern.sub(rf"\g<before>{MASK}\g<after>", text)
    text = _CONTINUED.sub(_without_continuation, text)
    if "program" not in folded:
        return text
    return _PROGRAM.sub(lambda command: _OPTION.sub(rf"\g<before>{MASK}", command[0]), text)


def _without_continuation(found: re.Match[str]) -> str:
    """Return constants that continue a masked one masked, with the comments between them."""
    return _PIECE.sub(lambda one: one[0] if one["after"] is None else f"'{MASK}{one['after']}", found[0])


def in_sql(value: str) -> set[str]:
    """Return how SQL may spell a value: as it is, in constants, in quoted names, and in JSON in either."""
    escaped = value.replace("\\", "\\\\")
    in_json = escaped.replace('"', r"\"").replace("\n", r"\n").replace("\t", r"\t")
    forms = {value, escaped, in_json}
    return {*forms, *(form.replace(mark, mark * 2) for form in forms for mark in ("'", '"'))}


class Redactor:
    """Masks passwords, and a set of known secret values, in any text."""

    def __init__(self, *secrets: str | None) -> None:
        self._known = secrets
        spellings = {
            spelling
            for secret in secrets
            if secret
            for spelling in (quote(secret, safe=""), unquote(secret), *in_sql(secret))
            if len(spelling) >= _SHORTEST_SECRET
        }
        longest_first = sorted(spellings, key=lambda spelling: (-len(spelling), spelling))
        self._secrets = re.compile("|".join(map(_word, longest_first))) if spellings else None

    def knowing(self, secrets: Iterable[str]) -> Redactor:
        """Return a redactor that masks these values too."""
        return Redactor(*self._known, *secrets)

    def __call__(self, text: str) -> str:
        """Return `text` without any secret."""
        return redact(text if self._secrets is None else self._secrets.sub(MASK, text))


_SHORTEST_VALUE = 8
_HARMLESS = LazyPattern(
    r"PATH|HOME|PWD|OLDPWD|SHELL|USER|LOGNAME|HOSTNAME|LANG(UAGE)?|LC_\w+|TZ|TERM\w*|COLORTERM|TMPDIR|EDITOR|VISUAL|PAGER"
    r"|VIRTUAL_ENV|PYTHON\w+|XDG_\w+|SHLVL|_|CI|GITHUB_\w+|RUNNER_\w+|ZMIG_\w+"
)
_MAY_BE_SECRET = re.compile(
    r"TOKEN(?!IZ)|SECRET|CREDENTIAL"
    r"|(?<!COM)(?<!BY)PASS(?!AGE|ENGER|IVE|THR)"
    r"|(?<!MON)(?<!TUR)(?<!DON)KEY(?!BOARD|MAP|NOTE|SPACE|WORD)"
)
"""In the name of a variable; but for words that only sound like it, whose values would make errors unreadable."""
_DETAIL = LazyPattern(r"\n[^\S\n]*DETAIL:.*?(?=\n[^\S\n]*(?:HINT|CONTEXT|LINE \d+|QUERY):|\Z)", re.DOTALL)


def secret_values(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the values of environment variables whose names say that they are secret."""
    for name, value in environ.items():
        if len(value) >= _SHORTEST_VALUE and _MAY_BE_SECRET.search(name.upper()) is not None:
            yield value


def of_environment(*environs: Mapping[str, str]) -> Redactor:
    """Return what masks the values of environment variables: of all but those that only say where and how one works.

    A migration's code may change the environment; what was in it before is given beside what is.
    """
    return Redactor(
        *{
            value
            for environ in environs
            for name, value in environ.items()
            if len(value) >= _SHORTEST_VALUE and (not _HARMLESS.fullmatch(name) or _MAY_BE_SECRET.search(name))
        }
    )


def without_detail(text: str) -> str:
    """Return the words of a server's error without its DETAIL, which quotes values of rows."""
    return _DETAIL.sub("", text)


def _word(secret: str) -> str:
    """Match a secret that is not part of a longer word: a password like `app` must not mask `applied`.

    One that is no word of any language is matched wherever it is.
    """
    if len(secret) >= _SHORTEST_VALUE and not secret.isalpha():
        return re.escape(secret)
    before = r"(?<!\w)" if re.match(r"\w", secret[0]) else ""
    after = r"(?!\w)" if re.match(r"\w", secret[-1]) else ""
    return before + re.escape(secret) + after
