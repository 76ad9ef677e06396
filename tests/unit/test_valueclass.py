"""What zmig's values are made with: as dataclasses are, for whoever uses them, and without `dataclasses`."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

import zmig
from zmig import valueclass
from zmig.valueclass import field, fields, replace, slotted

if TYPE_CHECKING:
    from dataclasses import KW_ONLY


@valueclass.valueclass
class Point:
    """A value with every kind of field."""

    x: int
    y: int = 0
    tags: list[str] = field(default_factory=list[str])
    secret: str = field(default="s", repr=False, compare=False)
    cached: int | None = field(default=None, init=False, repr=False, compare=False)
    _: KW_ONLY
    last: bool = True


@dataclasses.dataclass(slots=True, unsafe_hash=True)
class Twin:
    """The same as a dataclass."""

    x: int
    y: int = 0
    tags: list[str] = dataclasses.field(default_factory=list[str])
    secret: str = dataclasses.field(default="s", repr=False, compare=False)
    cached: int | None = dataclasses.field(default=None, init=False, repr=False, compare=False)
    _: dataclasses.KW_ONLY
    last: bool = True


@valueclass.valueclass
class Named(Point):
    """A value with the fields of another, and one more."""

    name: str = ""


@valueclass.valueclass
class Nothing:
    """A value without fields."""


@valueclass.valueclass
class Pair:
    """A value that can be hashed."""

    left: str
    right: str


@valueclass.valueclass
class Twos:
    """A value with a variable of its class."""

    KNOWN: ClassVar[int] = 5
    x: int
    y: int = 2

    def told(self) -> str:
        """Tell of it."""
        return f"Twos of {self.x}"

    @property
    def shown(self) -> str:
        """The same in short."""
        return "Twos"

    @classmethod
    def named(cls) -> str:
        """Name it."""
        return "Twos"


@valueclass.valueclass
class Above(Twos):
    """A value whose methods call those of the class above."""

    def told(self) -> str:
        """Tell of it."""
        return f"{super().told()}, and more"

    @property
    def shown(self) -> str:
        """The same in short."""
        return f"{super().shown}, shown"

    @classmethod
    def named(cls) -> str:
        """Name it."""
        return f"{super().named()}, named"


@slotted
class Counter:
    """Something that changes."""

    count: int = 0


def test_a_value_is_made_shown_and_compared_as_a_dataclass_is() -> None:
    assert repr(Point(1, tags=["a"])) == repr(Twin(1, tags=["a"])).replace("Twin", "Point")
    assert Point(1, 2) == Point(1, 2, secret="other")
    assert Point(1, 2) != Point(1, 3)
    assert Point(1) != Twin(1)
    assert Point(1) != Named(1)
    assert {Pair("a", "b"), Pair("a", "b"), Pair("b", "a")} == {Pair("b", "a"), Pair("a", "b")}
    assert Nothing() == Nothing()
    assert Point(1).tags is not Point(1).tags
    assert Named(1, name="n") == Named(1, 0, [], "s", "n", last=True)


def test_what_does_not_fit_is_refused_as_it_is_by_a_dataclass() -> None:
    make: Any = Point
    with pytest.raises(TypeError, match=r"Point\.__init__\(\) missing 1 required positional argument: 'x'"):
        make()
    with pytest.raises(TypeError, match="takes from 2 to 5 positional arguments"):
        make(1, 0, [], "s", False)
    with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
        make(1, z=2)
    with pytest.raises(TypeError, match="unexpected keyword argument 'cached'"):
        replace(Point(1), cached=2)
    assert not hasattr(Point(1), "__dict__")


@pytest.mark.parametrize("change", [replace, dataclasses.replace])
def test_a_value_is_copied_with_other_fields(change: Any) -> None:
    assert change(Point(1, 2, ["a"], "t"), y=3) == Point(1, 3, ["a"])
    assert change(Point(1, 2, ["a"], "t"), y=3).secret == "t"
    assert change(Named(1, name="n"), x=2) == Named(2, name="n")
    assert type(change(Named(1, name="n"))) is Named


def test_dataclasses_takes_values_for_its_own() -> None:
    assert dataclasses.is_dataclass(Point)
    assert dataclasses.is_dataclass(Named(1))
    assert dataclasses.asdict(Named(1, tags=["a"], name="n")) == {
        **dataclasses.asdict(Twin(1, tags=["a"])),
        "name": "n",
    }
    described = [
        (one.name, one.type, one.default, one.init, one.repr, one.compare, one.kw_only)
        for one in dataclasses.fields(Twin)
    ]
    found = dataclasses.fields(Point(1))
    assert [
        (one.name, one.type, one.default, one.init, one.repr, one.compare, one.kw_only) for one in found
    ] == described
    assert [one.name for one in dataclasses.fields(Named)] == [one.name for one in fields(Named)]

    derived: Any = dataclasses.make_dataclass("Derived", [("third", str, "c")], bases=(Pair,))
    assert dataclasses.astuple(derived("a", "b")) == ("a", "b", "c")


def test_a_value_is_copied_pickled_and_matched() -> None:
    point = Named(1, 2, ["a"], name="n")
    assert copy.deepcopy(point) == point
    assert pickle.loads(pickle.dumps(point)) == point
    match point:
        case Named(x, y, name="n"):
            assert (x, y) == (1, 2)
        case _:
            pytest.fail("not matched")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("def __post_init__(self): pass", r"Bad: what it does of its own when an object is made would never be done"),
        ("def __init__(self): pass", r"Bad: what it does of its own when an object is made would never be done"),
        ("a: int = field(init=False)", r"Bad\.a: a field that is not given needs a default"),
        ("a: int = 1; b: int", r"Bad\.b: it needs a default, as `a` before it has one"),
        ("a: list[int] = field(default_factory=list); b: int", r"Bad\.b: it needs a default, as `a` before it has one"),
        ("a: list[int] = []", r"Bad\.a: all objects would share this default"),
        ("a: set[int] = field(default=set())", r"Bad\.a: all objects would share this default"),
        ("self: int", r"Bad: no field can be called `self`"),
    ],
)
@pytest.mark.parametrize("decorate", [valueclass.valueclass, slotted])
def test_what_would_go_wrong_later_is_refused_when_the_class_is_defined(decorate: Any, body: str, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        _defined(f"@decorate\nclass Bad:\n {body}", decorate=decorate)


def test_a_default_that_comes_after_those_of_another_value_is_refused_too() -> None:
    with pytest.raises(TypeError, match=r"Bad\.name: it needs a default, as `y` before it has one"):
        _defined("@decorate\nclass Bad(Base):\n name: str", decorate=valueclass.valueclass, Base=Twos)


def test_types_that_are_no_text_are_refused() -> None:
    with pytest.raises(TypeError, match="its module needs `from __future__ import annotations`"):
        exec(
            compile("@decorate\nclass Bad:\n a: int", "bad.py", "exec", dont_inherit=True),
            {"decorate": valueclass.valueclass, "__name__": "bad"},
        )


def _defined(text: str, **names: Any) -> None:
    code = compile(f"from __future__ import annotations\n{text}", "bad.py", "exec")
    exec(code, {"field": field, "__name__": "bad", **names})


def test_a_variable_of_the_class_is_no_field() -> None:
    assert [one.name for one in fields(Twos)] == ["x", "y"]
    assert Twos.KNOWN == 5
    assert Twos(1) == Twos(1, 2)


def test_a_method_finds_those_of_the_class_above() -> None:
    assert Above(1).told() == "Twos of 1, and more"
    assert Above(1).shown == "Twos, shown"
    assert Above.named() == "Twos, named"


def test_its_signature_says_which_fields_there_are() -> None:
    assert str(inspect.signature(Point).parameters["tags"]) == "tags: 'list[str]' = <factory>"
    assert [*inspect.signature(Point).parameters] == ["x", "y", "tags", "secret", "last"]
    assert inspect.signature(Point.__init__).parameters["y"].annotation == "int"


def test_what_may_change_equals_only_itself() -> None:
    counter = Counter()
    counter.count += 1
    assert counter.count == 1
    assert counter != Counter(1)
    assert counter in {counter}


def _value_classes() -> list[type]:
    modules = [module.name for module in pkgutil.walk_packages(zmig.__path__, "zmig.") if "__main__" not in module.name]
    found = {one for name in modules for one in vars(import_module(name)).values() if isinstance(one, type)}
    return sorted((one for one in found if hasattr(one, "__value_fields__")), key=str)


def test_every_value_of_zmig_is_a_dataclass_to_others() -> None:
    classes = _value_classes()
    assert len(classes) > 100
    for one in classes:
        assert not any(isinstance(known.default, dataclasses.Field) for known in fields(one)), one
        names = [known.name for known in fields(one)]
        assert [known.name for known in dataclasses.fields(one)] == names
        given = [known.name for known in fields(one) if known.init]
        assert {*inspect.signature(one.__init__).parameters} == {"self", *given}


_WIDE = {"Chunk", "RoundFinished", "_ComposedStep"}
"""Those whose fields may all be given without their names, though they are many."""


def test_no_value_takes_more_than_five_fields_by_their_places() -> None:
    """Who reads a call of more cannot know which is which: the fields after `_: KW_ONLY` are given by name."""
    wide = {
        one.__name__ for one in _value_classes() if sum(known.init and not known.kw_only for known in fields(one)) > 5
    }
    assert wide == _WIDE
