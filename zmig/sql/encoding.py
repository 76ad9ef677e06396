"""Which characters a database can hold: those of its encoding."""

from __future__ import annotations

import codecs

from zmig.valueclass import valueclass

_CODECS = {"SQL_ASCII": "utf-8", "EUC_CN": "gb2312", "ISO_8859_5": "iso8859_5", "KOI8R": "koi8_r", "KOI8U": "koi8_u"}
"""Python's names, where they are not PostgreSQL's own. SQL_ASCII holds any octets."""


@valueclass
class Encoding:
    """The encoding of one database."""

    name: str
    """As PostgreSQL calls it."""

    @property
    def codec(self) -> str:
        """Python's codec for it; ASCII, which all have in common, where Python has none."""
        name = _CODECS.get(self.name) or self.name.replace("WIN", "cp")
        try:
            return codecs.lookup(name).name
        except LookupError:
            return "ascii"

    @property
    def counts_octets(self) -> bool:
        """Whether the server counts octets where it would count characters, because it does not know them."""
        return self.name == "SQL_ASCII"

    def unknown(self, text: str) -> int | None:
        """Return the index of the first character of `text` that it does not have; None where it has all."""
        try:
            text.encode(self.codec)
        except UnicodeEncodeError as error:
            return error.start
        return None

    def fitting(self, text: str) -> str:
        """Return `text` with the characters that it does not have escaped."""
        return text if text.isascii() else text.encode(self.codec, "backslashreplace").decode(self.codec)

    def length(self, text: str) -> int:
        """Return how long the server takes `text` for."""
        return len(text.encode()) if self.counts_octets else len(text)

    def index(self, text: str, position: int) -> int:
        """Return the index of the character at the server's 0-based position."""
        return len(text.encode()[:position].decode(errors="ignore")) if self.counts_octets else position


UTF8 = Encoding("UTF8")
