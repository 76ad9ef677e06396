"""Where the JSON Schemas are: inside an installed zmig, or beside it in a checkout."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any


def folder() -> Path:
    """Return the folder that holds the schemas."""
    package = Path(__file__).parent.parent
    packaged = package / "schemas"
    return packaged if packaged.is_dir() else package.parent / "schemas"


def path(name: str) -> Path:
    """Return the path of a schema, such as `manifest`."""
    return folder() / f"{name}.schema.json"


@cache
def load(name: str) -> dict[str, Any]:
    """Return a schema; it is read once."""
    return json.loads(path(name).read_text(encoding="utf-8"))
