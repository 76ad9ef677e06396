"""What one pass over a script finds out."""

from __future__ import annotations

import pytest
from hypothesis import assume, given

from tests.support.scripts import cut, scripts
from zmig.errors import ManifestError
from zmig.sql.prescan import Prescan, scan
from zmig.sql.statement import Statement

SCRIPT = """select 1;
copy t from stdin;
vacuum;
\\.
insert into t values ('vacuum;');
do $$ begin commit; end $$;
commit;
call p();
vacuum t;
rollback;
reindex system;
"""


def test_the_first_statement_of_each_sort_is_remembered() -> None:
    assert scan([SCRIPT[:60], SCRIPT[60:]], path="a.sql") == Prescan(
        statements=9,
        controlling=Statement(5, "commit", 102, 7, 1),
        refusing=Statement(7, "vacuum t", 120, 9, 1),
    )


@given(scripts)
def test_every_statement_is_counted(text: str) -> None:
    whole = cut([text])
    assume(whole.problem is None)
    assert scan(list(text), path="a.sql").statements == len(whole.statements)


def test_a_problem_after_plain_statements_is_found() -> None:
    with pytest.raises(ManifestError, match="never ends"):
        scan(["select 1;" * 100, "insert into t values ('"], path="a.sql")
