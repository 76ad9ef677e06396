"""YAML and JSON of other tools as nodes with places, of which nothing is carried out."""

from __future__ import annotations

from typing import Any

import yaml

_FAST: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The loader by libyaml, where that is there."""


def composed(path: str, text: str) -> Any:
    """Return the root of a file; None for an empty one. Raises yaml.YAMLError, and RecursionError for what is too deep.

    YAML has all of JSON, but for a tab that indents a line.
    """
    plain = text.replace("\t", " ") if path.lower().endswith(".json") else text
    try:
        return yaml.compose(plain, _FAST)
    except yaml.YAMLError:  # libyaml does not take letters in two halves, and has other words for what is wrong
        return yaml.compose(plain, yaml.SafeLoader)


def text_of(scalar: yaml.ScalarNode) -> str:
    """Return a plain value: nothing for null. Raises UnicodeDecodeError for one that is no text.

    JSON writes some letters as two halves, which are put together here.
    """
    if scalar.tag.endswith(":null"):
        return ""
    return str(scalar.value).encode("utf-16", "surrogatepass").decode("utf-16")


def line_of(scalar: yaml.ScalarNode) -> int:
    """Return the line in which a value begins: below its mark, where that is `|` or `>`; 1-based."""
    return scalar.start_mark.line + (2 if scalar.style in ("|", ">") else 1)
