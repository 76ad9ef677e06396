"""The official JSON Schema of SARIF 2.1.0, which is not ours to keep here.

The source package of `sarif-pydantic` on PyPI carries it as OASIS publishes it. It is fetched once, and its digest
checked.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

_VERSION = "0.6.2"
_DIGEST = "634df2784533fcac8e86f0c60a0e45ead1d35452dc2331d32596275595906e7f"
_MEMBER = f"sarif_pydantic-{_VERSION}/sarif-schema-2.1.0.json"
_UNREACHABLE = ("connection broken", "Failed to connect", "Failed to resolve", "timed out")


def schema() -> dict[str, Any]:
    """Return the schema; skip the test where the registry cannot be reached."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zmig" / "sarif"
    kept = cache / f"{_DIGEST[:12]}.json"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=cache) as folder:
            fetched = Path(folder) / "schema.json"
            fetched.write_bytes(_fetch(Path(folder)))
            fetched.replace(kept)
    return json.loads(kept.read_bytes())


def _fetch(folder: Path) -> bytes:
    wanted = folder / "wanted.txt"
    wanted.write_text(f"sarif-pydantic=={_VERSION} --hash=sha256:{_DIGEST}\n")
    # An environment that uv made has no pip of its own.
    pip = [sys.executable, "-m", "pip"] if importlib.util.find_spec("pip") else ["uvx", "pip"]
    options = ["--no-deps", "--no-binary=sarif-pydantic", "--retries=1", "--dest", str(folder)]
    command = [*pip, "download", "--quiet", *options, "-r", str(wanted)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode and any(sign in ended.stderr for sign in _UNREACHABLE):
        pytest.skip("SARIF's schema was not checked: PyPI cannot be reached")
    assert ended.returncode == 0, ended.stderr
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        member = opened.extractfile(_MEMBER)
        assert member is not None
        return member.read()
