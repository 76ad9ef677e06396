"""How manifests and comments name rules of `zmig lint`: one by its name, some with `*`, or a group of them.

`squawk/renaming-table` is one rule, `squawk/renaming-*` are three, and `group/security` are all of that group.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

_GROUP = "group/"


def means(name: str, rule: str, group: str) -> bool:
    """Whether a name means a rule of a group."""
    if "*" in name:
        return fnmatchcase(f"{_GROUP}{group}" if name.startswith(_GROUP) else rule, name)
    return name in (rule, f"{_GROUP}{group}")


def exactness(name: str) -> tuple[bool, bool, int]:
    """Return what is greater the fewer rules a name means: a group, a pattern by its length, one rule."""
    is_group, is_pattern = name.startswith(_GROUP), "*" in name
    return not (is_group or is_pattern), not is_group, len(name)
