"""Flyway's placeholders: found as it finds them, in any case, and with the names that zmig's variables may have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.other_tools import placeholders
from zmig.other_tools.files import location, name_of
from zmig.other_tools.source import Change, Remark

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zmig.errors import Location
    from zmig.other_tools.flyway.configuration import Configuration

_ENVIRONMENT = re.compile(r"\$\{[^{}]*\}")
_COMMENTED = re.compile(r"[^\n]*--[^\n]*\Z")


class Placeholders:
    """The placeholders of a project, and what becomes of them; it grows while scripts are read."""

    def __init__(self, configuration: Configuration) -> None:
        """Take what the project says of them."""
        self._prefix = configuration.text("placeholderprefix", "${")
        self._suffix = configuration.text("placeholdersuffix", "}")
        separator = configuration.text("placeholderseparator", ":")
        self._own = f"flyway{separator}".lower()
        self._pattern = _pattern(self._prefix, self._suffix)
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
        if self._prefix not in text:
            return text, False
        text = self._pattern.sub(lambda found: self._fixed(found, path, remarks), text)

        def variable(found: re.Match[str]) -> str | None:
            if found["open"] is not None:
                message = f"`{self._prefix}` without `{self._suffix}` after it, which Flyway refuses"
                remarks.append(Remark(Change.REFUSED, message, location(path, text, found.start())))
            return self._variable(found["name"]) if found["name"] is not None else None

        rewritten = placeholders.rewrite(text, self._pattern, variable)
        for offset in rewritten.unwritable:
            message = "a `$` right before a placeholder, or `${`, which zmig's variables cannot have as text here"
            remarks.append(Remark(Change.REFUSED, message, location(path, text, offset)))
        return rewritten.text, bool(rewritten.names)

    def _fixed(self, found: re.Match[str], path: str, remarks: list[Remark]) -> str:
        """Return what is put in place of a placeholder that is the same, or of no use, whenever the file runs."""
        name = (found["name"] or "").lower()
        if not name.startswith(self._own):
            return found[0]
        where = location(path, found.string, found.start(), width=len(found[0]))
        match name.removeprefix(self._own):
            case "filename":
                remarks.append(Remark(Change.REWRITTEN, f"`{found[0]}` becomes the file's name", where))
                return name_of(path)
            case "timestamp" if _COMMENTED.search(found.string, 0, found.start()):
                self.repeats_always = True
                remarks.append(Remark(Change.REWRITTEN, f"`{found[0]}` is a word, in a comment", where))
                return "timestamp"
            case "timestamp":
                message = f"`{found[0]}` is another text in each run, for which zmig has no variable"
                remarks.append(Remark(Change.REFUSED, message, where))
                return found[0]
            case _:
                return found[0]

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


def _pattern(prefix: str, suffix: str) -> re.Pattern[str]:
    """Return what matches a placeholder, or what Flyway reads and passes on while it looks for one.

    It reads as many characters as agree with the prefix, and one more; where they turn out to be none, it does not
    look at them again, so that in `$${name}` there is no placeholder.
    """
    passed = [rf"{re.escape(prefix[:length])}(?s:.)" for length in range(len(prefix) - 1, 0, -1)]
    whole = rf"{re.escape(prefix)}(?s:(?P<name>.*?)){re.escape(suffix)}"
    return re.compile("|".join([whole, rf"(?P<open>{re.escape(prefix)})", *passed]))


def unescaped(path: str, text: str) -> Iterator[Remark]:
    """Yield what zmig would take for a variable in a script whose other direction has some, and this one none."""
    for found in re.finditer(r"\$\{", text):
        message = "`${` is text here, and in the other direction of this migration begins a placeholder"
        yield Remark(Change.REFUSED, message, location(path, text, found.start()))
