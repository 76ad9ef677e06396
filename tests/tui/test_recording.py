"""The recording of the documentation can be made again, and shows what it says."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

_SCRIPT = Path(__file__).parents[2] / "docs" / "recording.py"


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec = importlib.util.spec_from_file_location("recording", _SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "recording", module)
    spec.loader.exec_module(module)
    return module


def _text(svg: str) -> str:
    return re.sub(r"<[^>]*>", "", svg).replace("&#160;", " ")


@pytest.mark.slow
async def test_it_shows_an_apply_its_failure_the_mended_file_and_the_retry(
    recording: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    frames: list[Any] = await recording.record(tmp_path)
    texts = [_text(frame.svg) for frame in frames]
    assert "6 pending" in texts[0]
    assert any("005_paid_at" in text and "1 failed" in text and "placed_at" in text for text in texts)
    assert "6 done" in texts[-1]
    assert not any(str(tmp_path) in text for text in texts)
    whole = recording.animated(frames)
    assert whole.count('class="frame"') == len(frames)
    assert "http" not in whole.replace("http://www.w3.org/2000/svg", "").replace("https://www.textualize.io", "")
