"""What one pass over a script finds out."""

from __future__ import annotations

import pytest
from hypothesis import assume, given

from tests.support.scripts import cut, scripts
from zmig.errors import ManifestError
from zmig.sql.prescan import Survey, survey
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
    assert survey([SCRIPT[:60], SCRIPT[60:]], path="a.sql") == Survey(
        statements=9,
        copying=Statement(2, "copy t from stdin", 10, 2, 1),
        committing=Statement(4, "do $$ begin commit; end $$", 74, 6, 1),
        controlling=Statement(5, "commit", 102, 7, 1),
        refusing=Statement(7, "vacuum t", 120, 9, 1),
    )


@given(scripts)
def test_every_statement_is_counted(text: str) -> None:
    whole = cut([text])
    assume(whole.problem is None)
    assert survey(list(text), path="a.sql").statements == len(whole.statements)


def test_a_problem_behind_plain_statements_is_found() -> None:
    with pytest.raises(ManifestError, match="never ends"):
        survey(["select 1;" * 100, "insert into t values ('"], path="a.sql")
