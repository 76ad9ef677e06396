"""The trials of the tools that the development environment brings; `python -m tests.takeover` has all of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support import database as databases
from tests.support.proxy import Proxy
from tests.takeover.tools import Dbmate, Installation, Tool, Yoyo
from tests.takeover.trial import Trial


@pytest.mark.parametrize("kind", [Dbmate, Yoyo], ids=lambda kind: kind.name)
def test_zmig_goes_on_where_the_tool_has_stopped(
    kind: type[Tool], tmp_path: Path, server: str, worker_name: str
) -> None:
    tool = kind(Installation(None, [Path(sys.executable).parent]))
    with (
        databases.temporary(server, f"{worker_name}_half") as url,
        databases.temporary(server, f"{worker_name}_whole") as whole_url,
        Proxy(url) as half,
        Proxy(whole_url) as whole,
    ):
        Trial(tool, tmp_path / "shop", url=half.url, whole_url=whole.url, scratch_url=server).run()
