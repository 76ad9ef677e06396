"""Flyway's placeholders: found as it finds them, in any case, and with the names that zmig's variables may have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.other_tools import placeholders
from zmig.other_tools.files import location, name_of
from zmig.other_tools.source import Change, Remark
from zmig.text.substitution import Part, substitute

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zmig.errors import Location
    from zmig.other_tools.flyway.configuration import Configuration

_ENVIRONMENT = re.compile(r"\$\{[^{}]*\}")


class Placeholders:
    """The placeholders of a project, and what becomes of them; it grows while scripts are read."""

    def __init__(self, configuration: Configuration) -> None:
        """Take what the project says of them."""
        self._prefix = configuration.text("placeholderprefix") or "${"
        self._suffix = configuration.text("placeholdersuffix") or "}"
        separator = configuration.text("placeholderseparator", ":")
        self._own = f"flyway{separator}".lower()
        self._names: dict[str, str] = {}
        self._values: dict[str, str | None] = {}
        self.remarks: list[Remark] = []
        """What is to be known of the values."""
        given = {name.lower(): (name, setting) for name, setting in configuration.placeholders.items()}
        self._given = {key: (name, setting.values[0], setting.location) for key, (name, setting) in given.items()}
        self._known = {
            "defaultschema": configuration.schema or "public",
            "table": configuration.text("table", "flyway_schema_history"),
            "environment": configuration.text("environment", "default"),
        }
        self.repeats_always = False
        """Whether the script that was read last has the time in it, so that it runs each time."""

    @property
    def values(self) -> Mapping[str, str | None]:
        """The variables that scripts refer to, with their values; None where the project does not say."""
        return self._values

    def rewrite(self, path: str, text: str, remarks: list[Remark]) -> tuple[str, bool]:
        """Return a script with zmig's variables, and whether there are any; what cannot be written is refused."""
        self.repeats_always = False
        parts: list[Part] = []
        for start, end in self._found(text):
            if end is None:
                message = f"`{self._prefix}` without `{self._suffix}` after it, which Flyway refuses"
                remarks.append(Remark(Change.REFUSED, message, location(path, text, start)))
                break
            name = text[start + len(self._prefix) : end - len(self._suffix)]
            fixed = self._fixed(name, path, text, start, end, remarks)
            mark = placeholders.MARK
            parts.append(Part(start, end, fixed if fixed is not None else f"{mark}{self._variable(name)}{mark}"))
        marked = substitute(text, parts)
        rewritten = placeholders.rewrite(marked.text, placeholders.MARKED, lambda found: found["name"])
        for offset in rewritten.unwritable:
            message = "a `$` right before a placeholder, or `${`, which zmig's variables cannot have as text here"
            where = location(path, text, marked.source_offset(offset))
            remarks.append(Remark(Change.REFUSED, message, where))
        return rewritten.text, bool(rewritten.names)

    def _found(self, text: str) -> Iterator[tuple[int, int | None]]:
        """Yield where placeholders begin and end; one that does not end is the last.

        Flyway reads as many characters as agree with the prefix, and one more; where they turn out to be none, it does
        not look at them again, so that in `$${name}` there is no placeholder.
        """
        prefix, suffix = self._prefix, self._suffix
        start = text.find(prefix[0])
        while start >= 0:
            length = 1
            while length < len(prefix) and text.startswith(prefix[length], start + length):
                length += 1
            if length < len(prefix):
                start = text.find(prefix[0], start + length + 1)
                continue
            end = text.find(suffix, start + length)
            if end < 0:
                yield start, None
                return
            end += len(suffix)
            yield start, end
            start = text.find(prefix[0], end)

    def _fixed(self, name: str, path: str, text: str, start: int, end: int, remarks: list[Remark]) -> str | None:
        """Return what is put in place of a placeholder that is the same, or of no use, whenever the file runs."""
        written, key = text[start:end], name.lower()
        if not key.startswith(self._own):
            return None
        where = location(path, text, start, width=len(written))
        is_comment = "--" in text[text.rfind("\n", 0, start) + 1 : start]
        match key.removeprefix(self._own):
            case "filename":
                remarks.append(Remark(Change.REWRITTEN, f"`{written}` becomes the file's name", where))
                return name_of(path)
            case "timestamp" if is_comment:
                self.repeats_always = True
                remarks.append(Remark(Change.REWRITTEN, f"`{written}` is a word, in a comment", where))
                return "timestamp"
            case "timestamp":
                message = f"`{written}` is another text in each run, for which zmig has no variable"
                remarks.append(Remark(Change.REFUSED, message, where))
                return written
            case _:
                return None

    def _variable(self, written: str) -> str:
        """Return the variable for a placeholder, the same for all its spellings, and another for each."""
        key = written.lower()
        if key not in self._names:
            spelled, value, place = self._given.get(key, (written, None, None))
            plain = re.sub(r"\W", "_", spelled, flags=re.ASCII)
            plain = plain if placeholders.NAME.fullmatch(plain) else f"_{plain}"
            taken = {name.lower() for name in self._names.values()}
            number = 1
            name = plain
            while name.lower() in taken:
                number += 1
                name = f"{plain}_{number}"
            self._names[key] = name
            self._values[name] = self._value(key, value, place)
        return self._names[key]

    def _value(self, key: str, value: str | None, place: Location | None) -> str | None:
        if value is None:
            return self._known.get(key.removeprefix(self._own)) if key.startswith(self._own) else None
        if place is not None and _ENVIRONMENT.search(value):
            self.remarks.append(Remark(Change.KEPT, "the value comes from the environment", place))
            return None
        if place is not None and "\n" in value:
            self.remarks.append(Remark(Change.REFUSED, "the value of a variable has one line in zmig", place))
        return value


def unescaped(path: str, text: str) -> Iterator[Remark]:
    """Yield what zmig would take for a variable in a script whose other direction has some, and this one none."""
    for found in re.finditer(r"\$\{", text):
        message = "`${` is text here, and in the other direction of this migration begins a placeholder"
        yield Remark(Change.REFUSED, message, location(path, text, found.start()))
