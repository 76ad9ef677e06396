"""What comes from a file or a server is read in time that grows with its length, and not with its square.

Each text is so long that anything quadratic would use up a minute of the processor many times over, at which the system
ends the process; how busy the machine is plays no part.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.growth

_READ = """
import resource
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
from zmig.sql import script
from zmig.other_tools import delimiters
from zmig.text import secrets

def read(text):
    (one,) = script.split(text, path="a.sql")
    command = one.command
    command.is_short, command.is_definition, command.may_commit, command.may_change_string_syntax
    command.refuses_transaction, command.effect, command.parsed

N = 200_000
"""

TEXTS = {
    "blanks behind as": "read('create table t (a int, b text default \\'as' + ' ' * N + 'x\\')')",
    "blanks behind many as": "read('create table t (a text default \\'' + ('as' + ' ' * 700) * (N // 700) + 'x\\')')",
    "blanks in an insert": "read('insert into' + ' ' * N + 'x')",
    "blanks behind reset": "read('reset' + ' ' * N + 'x')",
    "words of an insert": "read('insert into ' + 'values ' * (N // 7))",
    "words before a kind of object": "read('create ' + 'temp ' * (N // 5) + '/* c */')",
    "actions of an alter": "read('alter table t ' + 'add a int, ' * (N // 40) + 'add a int')",
    "parentheses behind blanks": "read('insert into t values (1)' + ' ' * N)",
    "names in an insert": "read('insert into t values (' + 'a ' * (N // 2) + ')')",
    "URLs without a password": "secrets.redact('postgres://a:' * (N // 13))",
    "URLs behind an at": "secrets.redact('@' + 'postgres://a:' * (N // 13))",
    "URLs with a port": "secrets.redact('postgres://a:1/' * (N // 15) + '@')",
    "URLs in front of an at": "secrets.redact('postgres://a:b' * (N // 14) + '@')",
    "schemes": "secrets.redact('a.' * (N // 2) + '://x:y@z')",
    "passwords": "secrets.redact('password' * (N // 8))",
    "line ends": "secrets.redact('password' + '\\n' * N + \"'***'\" + '\\n' * N)",
    "comments that are not closed": "delimiters.with_semicolons_for('/*a' * N, '@@')",
    "dollar quotes that are not closed": "delimiters.with_semicolons(' '.join(f'$a{n}$' for n in range(N)), '@@')",
    "passwords with blanks": "secrets.redact('password ' * (N // 9))",
}


@pytest.mark.parametrize("call", TEXTS.values(), ids=TEXTS)
def test_a_long_text_is_read_in_linear_time(call: str) -> None:
    ended = subprocess.run([sys.executable, "-c", _READ + call], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


_SQUASHED = """
import resource
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
from dataclasses import replace
from tests.support.tales import done, entries, once
from zmig.model import Versions
from zmig.planning import up_to_date
from zmig.planning.state import State

N = 20_000
versions = Versions.of((number, number) for number in range(2, 2 * N, 2))
assert Versions.parse(str(versions)) == versions
squash = replace(once(versions.last, checksum="s", name="squashed"), replaces=versions)
told = [done(number) for number, _ in versions.ranges]
parts = [once(number) for number, _ in versions.ranges]
for declared in ([squash], [*parts, squash]):
    assert all(one.state is State.DONE for one in entries(declared, *told))
    lines = [f"{one.version} {one.checksum} {one.name}" for one in parts]
    assert up_to_date.is_same(lines, up_to_date.expected_lines(declared))
    assert len(entries(declared, *told[:-1])) == N - 1
"""


def test_a_long_history_is_squashed_in_linear_time() -> None:
    ended = subprocess.run([sys.executable, "-c", _SQUASHED], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
