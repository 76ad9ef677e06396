"""JSON5 as configuration files have it, read as JSON: comments, single quotes, bare keys, commas before a bracket."""

from __future__ import annotations

import json
import re
from typing import cast

_TOKEN = re.compile(
    r"(?P<double>\"(?:[^\"\\]|\\.)*+\")|'(?P<single>(?:[^'\\]|\\.)*+)'|(?P<comment>//[^\n]*+|/\*.*?\*/)"
    r"|(?P<unclosed>(?:[\"']|/\*).*+)"
    r"|(?P<comma>,(?=(?:\s|//[^\n]*+|(?>/\*.*?\*/))*+[\]}]))|(?P<key>(?<![\w$])[A-Za-z_$][\w$]*+(?=\s*+:))",
    re.DOTALL,
)


def loads(text: str) -> dict[str, object]:
    """Return the object in a text. Raises ValueError where there is none that can be read so."""
    value = json.loads(_TOKEN.sub(_as_json, text), strict=False)
    if not isinstance(value, dict):
        raise ValueError("no object")
    return cast("dict[str, object]", value)


def _as_json(token: re.Match[str]) -> str:
    if token["unclosed"] is not None:
        raise ValueError("a string or a comment that is not closed")
    if token["comment"] is not None or token["comma"] is not None:
        return " "
    if token["double"] is not None:
        return re.sub(r"\\\n", "", token[0])
    if token["key"] is not None:
        return f'"{token[0]}"'
    return '"' + re.sub(r"\\\n", "", token["single"]).replace("\\'", "'").replace('"', '\\"') + '"'
