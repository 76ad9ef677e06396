"""What the statements of a file set for those after them, as far as they say: the search path and the time zone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from zmig.sql.token_reader import Reader

if TYPE_CHECKING:
    from zmig.sql.statement import Statement

DEFAULT: tuple[str, ...] = ("public",)
"""Where PostgreSQL's own default, `"$user", public`, leads where no schema is called like the role."""
_MAY_SET = frozenset({"call", "discard", "do", "reset", "select", "set"})
_UTC = frozenset({"utc", "etc/utc", "gmt", "etc/gmt", "uct", "zulu"})

Value = TypeVar("Value")


class _Setting(Generic[Value]):
    """A setting, which a transaction may take back, and LOCAL sets for one alone."""

    def __init__(self, default: Value) -> None:
        self.value = default
        self._default = default
        self._lasting = default
        """What it is when the transaction has ended, in which it was set with LOCAL."""
        self._before = default
        """What it was when the transaction began."""

    def set(self, value: Value, *, is_local: bool) -> None:
        self.value = value
        if not is_local:
            self._lasting = value

    def reset(self) -> None:
        self.value = self._lasting = self._default

    def begin(self) -> None:
        self._before = self.value

    def commit(self) -> None:
        self.value = self._lasting

    def roll_back(self) -> None:
        self.value = self._lasting = self._before


class Session:
    """Follows the statements of one file."""

    def __init__(self, path: str) -> None:
        self._path = _Setting(DEFAULT)
        self._is_utc: _Setting[bool] = _Setting(default=False)
        self._file = path
        self._unknown = 0

    @property
    def path(self) -> tuple[str, ...]:
        """The schemas that names without one are in, in the order in which they are looked for.

        Where that cannot be known, a mark that stands for this stretch of this file alone: names are the same within
        it, and compare with those of no other place.
        """
        return self._path.value

    @property
    def is_utc(self) -> bool:
        """Whether the time zone is known to be UTC."""
        return self._is_utc.value

    def follow(self, statement: Statement) -> None:
        """Take note of a statement, for those after it."""
        controls = statement.command.controls_transaction
        settings = (self._path, self._is_utc)
        if controls in ("BEGIN", "START TRANSACTION"):
            for setting in settings:
                setting.begin()
        elif controls in ("ROLLBACK", "ABORT"):
            for setting in settings:
                setting.roll_back()
        elif controls is not None:
            for setting in settings:
                setting.commit()
        elif statement.command.verb == "rollback":  # to a savepoint
            self._path.set(self._unknown_path(), is_local=False)
            self._is_utc.set(value=False, is_local=False)
        elif statement.command.verb in _MAY_SET:
            self._set(statement)

    def _set(self, statement: Statement) -> None:
        text = statement.text.lower()
        if "search_path" in text or _may_lead_elsewhere(Reader(text)):
            self._set_path(Reader(statement.text))
        if "timezone" in text or "time zone" in text or _resets_all(Reader(text)):
            self._set_time_zone(Reader(statement.text))

    def _set_path(self, reader: Reader) -> None:
        if reader.accept("reset", "search_path") or _resets_all(reader):
            self._path.reset()
            return
        is_local = reader.sees("set", "local")
        path = _named_path(reader) if reader.accept("set") else None
        self._path.set(path or self._unknown_path(), is_local=is_local)

    def _set_time_zone(self, reader: Reader) -> None:
        is_local = reader.sees("set", "local")
        self._is_utc.set(reader.accept("set") and _names_utc(reader), is_local=is_local)

    def _unknown_path(self) -> tuple[str, ...]:
        self._unknown += 1
        return (f"\0{self._file}:{self._unknown}",)


def _resets_all(reader: Reader) -> bool:
    return reader.accept("reset", "all") or reader.accept("discard", "all")


def _may_lead_elsewhere(reader: Reader) -> bool:
    """Whether another statement than one about the search path changes it."""
    if _resets_all(reader):
        return True
    if not reader.accept_any("set", "reset"):
        return False
    reader.accept_any("session", "local")
    # SET SCHEMA is another spelling of it, and of which role the session is decides what `$user` means in it.
    return reader.accept_any("schema", "role", "authorization") is not None


def _named_path(reader: Reader) -> tuple[str, ...] | None:
    """Return the schemas that a SET names; None where they cannot be known."""
    reader.accept_any("session", "local")
    if reader.accept("schema"):
        name = reader.string()
        return None if name is None else (name,)
    if not reader.accept("search_path") or reader.accept_any("to", "=") is None:
        return None
    names: list[str] = []
    while (name := reader.string() or reader.identifier()) is not None:
        names.append(name)
        if not reader.accept(","):
            break
    if names == ["default"]:
        return DEFAULT
    return None if not names or "$" in names[0] else tuple(name for name in names if "$" not in name)


def _names_utc(reader: Reader) -> bool:
    reader.accept_any("session", "local")
    if not reader.accept("time", "zone"):
        reader.accept("timezone")
        reader.accept_any("to", "=")
    name = reader.string() or reader.identifier()
    return name is not None and name.lower() in _UTC
