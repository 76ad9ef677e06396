"""Regular expressions that are compiled when they are first used: a start that uses none must not pay for all."""

from __future__ import annotations

import re
from functools import cached_property


class LazyPattern:
    """A regular expression with the methods of `re.Pattern` that zmig uses."""

    def __init__(self, pattern: str, flags: int = 0) -> None:
        self._pattern = pattern
        self._flags = flags

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """The expression itself."""
        return re.compile(self._pattern, self._flags)

    # Each is kept as an attribute once it was asked for, so that it is as quick from then on as one of `re`.

    @cached_property
    def match(self):
        """Like `re.Pattern.match`."""
        return self.compiled.match

    @cached_property
    def fullmatch(self):
        """Like `re.Pattern.fullmatch`."""
        return self.compiled.fullmatch

    @cached_property
    def search(self):
        """Like `re.Pattern.search`."""
        return self.compiled.search

    @cached_property
    def finditer(self):
        """Like `re.Pattern.finditer`."""
        return self.compiled.finditer

    @cached_property
    def sub(self):
        """Like `re.Pattern.sub`."""
        return self.compiled.sub
