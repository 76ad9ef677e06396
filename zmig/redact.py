"""Keeps secrets out of every text: passwords in connection strings, and values known to be secret."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import quote, unquote

MASK = "***"

_SHORTEST_SECRET = 3
"""A shorter value would mask ordinary text wherever it happens to occur."""


@lru_cache(maxsize=1)
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    return (
        re.compile(r"(postgres(?:ql)?://[^\s:/?#@]*):[^\s/?#]*@", re.IGNORECASE),
        re.compile(r"([?&](?:password|sslpassword)=)[^&\s]*", re.IGNORECASE),
        re.compile(r"(\b(?:password|sslpassword)\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s'&]+)", re.IGNORECASE),
    )


def redact(text: str) -> str:
    """Return `text` with every password of a connection string in it masked, in URL and keyword form."""
    url, parameter, keyword = _patterns()
    text = url.sub(rf"\1:{MASK}@", text)
    text = parameter.sub(rf"\1{MASK}", text)
    return keyword.sub(rf"\1{MASK}", text)


class Redactor:
    """Masks connection-string passwords and a set of known secret values in any text."""

    def __init__(self, *secrets: str | None) -> None:
        spellings = {
            spelling
            for secret in secrets
            if secret is not None and len(secret) >= _SHORTEST_SECRET
            for spelling in (secret, quote(secret, safe=""), unquote(secret))
        }
        self._secrets = sorted(spellings, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return `text` without any secret."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return redact(text)
