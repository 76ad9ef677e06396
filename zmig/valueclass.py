"""What zmig's values are made with: classes that are equal by their fields, and not changed once they exist.

They are written as dataclasses are, and type checkers take them for frozen ones. At run time nothing freezes them,
because it would cost what values are made for: an object would take nearly five times as long to make, of which a
long manifest needs tens of thousands. Nor are they made by `dataclasses`: importing that, and having it write and
compile five methods for each of the fifty classes that every start of zmig defines, is a fifth of a start that has
nothing to do. Here a class compiles one, when its first object is made. What `dataclasses` has for its own, such as
`fields`, `replace` and `asdict`, takes values all the same.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Class = TypeVar("Class")
Value = TypeVar("Value")


class _Missing:
    """Stands for a default that is not there, or is made anew for each object."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<factory>"


_MISSING: Any = _Missing()
_FUNCTION_OF: dict[type, Callable[[Any], Any]] = {
    (lambda: None).__class__: lambda function: function,
    property: attrgetter("fget"),
    classmethod: attrgetter("__func__"),
    staticmethod: attrgetter("__func__"),
}
"""How the function is found in what a class has instead of it."""
_NOT_A_FIELD = ("ClassVar", "typing.ClassVar", "t.ClassVar")


class Field:
    """What is said of one field: its name, its type as it is written, and what `field` takes."""

    __slots__ = ("compare", "default", "default_factory", "init", "kw_only", "name", "repr", "type")

    def __init__(self, *, default: Any, default_factory: Any, init: bool, repr: bool, compare: bool) -> None:
        self.name = self.type = ""
        self.kw_only = False
        self.default = default
        self.default_factory = default_factory
        self.init = init
        self.repr = repr
        self.compare = compare


def field(
    *,
    default: Any = _MISSING,
    default_factory: Callable[[], Any] = _MISSING,
    init: bool = True,
    repr: bool = True,
    compare: bool = True,
) -> Any:
    """Say of a field what `dataclasses.field` says: its default, and whether it is given, shown and compared."""
    return Field(default=default, default_factory=default_factory, init=init, repr=repr, compare=compare)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def valueclass(cls: type[Class]) -> type[Class]:
    """Make a class one of values: with slots, equal and hashed by its fields, and shown with them.

    The fields after `_: KW_ONLY` are given by name; what is a `ClassVar` is no field.

    Raises:
        TypeError: the class says what a dataclass can do and this cannot, or what no dataclass can.
    """
    made, fields = _slotted(cls)
    if "__eq__" not in vars(cls):
        _compare_by(made, [one.name for one in fields if one.compare])
    return made


@dataclass_transform(eq_default=False, field_specifiers=(field,))
def slotted(cls: type[Class]) -> type[Class]:
    """Make a class with slots and fields like a `valueclass`, whose objects may change and equal only themselves.

    Raises:
        TypeError: as for a `valueclass`.
    """
    return _slotted(cls)[0]


def fields(value: object) -> tuple[Field, ...]:
    """Return the fields of a value, or of its class, in order."""
    found: tuple[Field, ...] = getattr(value, "__value_fields__")  # noqa: B009 - no type checker knows of it
    return found


def replace(value: Value, /, **changes: Any) -> Value:
    """Return a value of the same class with other values of some fields.

    Raises:
        TypeError: it has no such field, or none that is given when it is made.
    """
    kind = type(value)
    known = _GIVEN.get(kind)
    if known is None:
        known = _GIVEN[kind] = _given(fields(value))
    return kind(**{**known(value), **changes})


_GIVEN: dict[type, Callable[[Any], dict[str, Any]]] = {}
"""By class: what returns the fields of a value that are given when one is made."""


def _given(fields: Iterable[Field]) -> Callable[[Any], dict[str, Any]]:
    """Return a function that returns the fields that are given, as quick as one written by hand."""
    pairs = ",".join(f"{one.name!r}:value.{one.name}" for one in fields if one.init)
    namespace: dict[str, Any] = {}
    exec(f"def given(value):\n return {{{pairs}}}", namespace)
    return namespace["given"]


def _slotted(cls: type[Class]) -> tuple[type[Class], tuple[Field, ...]]:
    """Return a class like this one that has slots, which a class cannot be given later, and its fields."""
    own = _own_fields(cls)
    inherited: tuple[Field, ...] = getattr(cls, "__value_fields__", ())
    fields = tuple(({one.name: one for one in inherited} | own).values())
    _check(cls, fields)
    slots = own.keys() - {one.name for one in inherited}
    left_out = {"__dict__", "__weakref__", *own}
    namespace = {name: value for name, value in vars(cls).items() if name not in left_out}
    namespace |= {
        "__slots__": tuple(name for name in own if name in slots),
        "__value_fields__": fields,
        "__match_args__": tuple(one.name for one in fields if one.init and not one.kw_only),
        "__init__": _Init(fields),
        "__replace__": replace,
        "__dataclass_fields__": _DataclassAttribute("__dataclass_fields__"),
        "__dataclass_params__": _DataclassAttribute("__dataclass_params__"),
    }
    namespace.setdefault("__repr__", _repr)
    made: type[Class] = type(cls)(cls.__name__, cls.__bases__, namespace)
    made.__qualname__ = cls.__qualname__
    _let_super_find(made, cls)
    return made, fields


def _check(cls: type, fields: Iterable[Field]) -> None:
    """Refuse what would go wrong later, at the first object, or never be noticed; every start asks it of each class."""
    if "__post_init__" in vars(cls) or "__init__" in vars(cls):
        raise TypeError(f"{cls.__qualname__}: what it does of its own when an object is made would never be done")
    before: Field | None = None
    for one in fields:
        if one.default is not _MISSING:
            if one.default.__class__.__hash__ is None:
                raise TypeError(f"{cls.__qualname__}.{one.name}: all objects would share this default; use a factory")
        elif one.default_factory is _MISSING:
            if not one.init:
                raise TypeError(f"{cls.__qualname__}.{one.name}: a field that is not given needs a default")
            if before is not None and not one.kw_only:
                raise TypeError(
                    f"{cls.__qualname__}.{one.name}: it needs a default, as `{before.name}` before it has one"
                )
            continue
        if one.init and not one.kw_only:
            before = one


def _let_super_find(made: type, cls: type) -> None:
    """Let `super()` in the methods of a class, which looks for that in a cell they share, find what is made of it."""
    for value in vars(cls).values():
        function_of = _FUNCTION_OF.get(value.__class__)
        if function_of is None:
            continue
        function = function_of(value)
        code = getattr(function, "__code__", None)
        if code is not None and "__class__" in code.co_freevars:
            function.__closure__[code.co_freevars.index("__class__")].cell_contents = made


def _own_fields(cls: type) -> dict[str, Field]:
    found: dict[str, Field] = {}
    kw_only = False
    for name, annotation in cls.__annotations__.items():
        if annotation == "KW_ONLY":
            kw_only = True
            continue
        if not isinstance(annotation, str):
            raise TypeError(f"{cls.__qualname__}: its module needs `from __future__ import annotations`")
        if annotation.startswith(_NOT_A_FIELD):
            continue
        if name == "self":
            raise TypeError(f"{cls.__qualname__}: no field can be called `self`")
        one = vars(cls).get(name, _MISSING)
        if not isinstance(one, Field):
            one = Field(default=one, default_factory=_MISSING, init=True, repr=True, compare=True)
        one.name, one.type, one.kw_only = name, annotation, kw_only
        found[name] = one
    return found


class _Init:
    """A class's `__init__` until it is first asked for, when it becomes the function that is compiled for the fields.

    Such a function is as quick as one written by hand, and most classes that are defined have no object in a start.
    """

    def __init__(self, fields: tuple[Field, ...]) -> None:
        self._fields = fields
        self._owner: type

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner = owner

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        function: Any = _init(self._fields)
        function.__qualname__ = f"{self._owner.__qualname__}.__init__"
        function.__annotations__ = {one.name: one.type for one in self._fields if one.init} | {"return": None}
        self._owner.__init__ = function
        return function if instance is None else function.__get__(instance, owner)


def _init(fields: Iterable[Field]) -> Callable[..., None]:
    """Return the function that sets the fields; it sees defaults and what makes them under names of their own."""
    namespace: dict[str, Any] = {"_MISSING": _MISSING}
    parameters, given_by_name, lines = ["self"], list[str](), list[str]()
    for one in fields:
        value, default = one.name, ""
        if one.default_factory is not _MISSING:
            namespace[f"_make_{one.name}"] = one.default_factory
            default, made = "=_MISSING", f"_make_{one.name}()"
            value = f"{made} if {one.name} is _MISSING else {one.name}" if one.init else made
        elif one.default is not _MISSING:
            namespace[f"_default_{one.name}"] = one.default
            default = f"=_default_{one.name}"
            value = one.name if one.init else f"_default_{one.name}"
        if one.init:
            (given_by_name if one.kw_only else parameters).append(one.name + default)
        lines.append(f" self.{one.name}={value}")
    if given_by_name:
        parameters += ["*", *given_by_name]
    exec(f"def __init__({','.join(parameters)}):\n" + ("\n".join(lines) or " pass"), namespace)
    return namespace["__init__"]


def _repr(self: object) -> str:
    shown = ", ".join(f"{one.name}={getattr(self, one.name)!r}" for one in fields(self) if one.repr)
    return f"{type(self).__qualname__}({shown})"


def _compare_by(cls: Any, names: list[str]) -> None:
    """Let objects be compared, and hashed, by these fields."""
    key: Callable[[object], object] = attrgetter(*names) if names else lambda _: None

    def equal(self: object, other: object) -> Any:
        return key(self) == key(other) if type(self) is type(other) else NotImplemented

    def hashed(self: object) -> int:
        return hash(key(self))

    cls.__eq__, cls.__hash__ = equal, hashed


class _DataclassAttribute:
    """What `dataclasses` knows a dataclass by, until it is first asked for: then it comes from a dataclass like it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> Any:
        import dataclasses

        def like(one: Field) -> Any:
            given = {"default": one.default, "default_factory": one.default_factory}
            known = {name: value for name, value in given.items() if value is not _MISSING}
            return dataclasses.field(init=one.init, repr=one.repr, compare=one.compare, kw_only=one.kw_only, **known)

        equivalent = dataclasses.make_dataclass(
            owner.__name__, [(one.name, one.type, like(one)) for one in fields(owner)], unsafe_hash=True
        )
        found = getattr(equivalent, self._name)
        setattr(owner, self._name, found)
        return found
