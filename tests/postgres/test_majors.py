"""The same SQL makes the same schema on every major version, apart from what only one of the servers knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.proof.majors import findings, made, snapshot_of
from tests.proof.mutations import binaries_of

if TYPE_CHECKING:
    import psycopg

OLDEST = 13


@pytest.mark.skipif(not binaries_of(OLDEST).is_dir(), reason=f"needs `tests/matrix/fetch {OLDEST}`")
def test_the_oldest_version_has_the_same_schema(admin: psycopg.Connection) -> None:
    assert findings(admin, made(admin), snapshot_of(OLDEST)) == []
