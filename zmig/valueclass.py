"""What zmig's values are made with: dataclasses that are not changed once they exist.

Type checkers see to that. At run time nothing does, because it would cost what values are made for: a class that is
frozen there takes half as long again to define, which every start of zmig pays for, and an object of it nearly five
times as long to make, of which a long manifest needs tens of thousands.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

Class = TypeVar("Class")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def valueclass(cls: type[Class]) -> type[Class]:
    """Make a class a dataclass with slots that is equal, and hashed, by its fields, and counts as frozen."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
