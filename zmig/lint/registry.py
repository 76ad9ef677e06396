"""Every rule `zmig lint` knows, in one place: its code, and how much it matters, which manifests may change."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from zmig.lint.finding import Severity
from zmig.lint.rule import Danger, Group, Needs, Rule
from zmig.lint.squawk.rules import SQUAWK_RULES
from zmig.manifest import rule_names
from zmig.manifest.lint_keys import Level

if TYPE_CHECKING:
    from zmig.manifest.lint_keys import LintSettings

_OFF = None
_NOTE, _WARNING, _ERROR = Severity.NOTE, Severity.WARNING, Severity.ERROR


_BASE, _GRAMMAR, _SERVER = Needs.BASE, Needs.GRAMMAR, Needs.SERVER
_FAILURE, _CERTAIN_FAILURE = (Danger.FAILURE,), (Danger.FAILURE, Danger.CERTAIN_FAILURE)
_UNDONE = (Danger.UNDONE,)

_ALL = (
    # what `zmig apply` refuses too
    Rule("manifest/invalid", _ERROR, "the manifest does not fit its schema"),
    Rule("manifest/syntax", _ERROR, "the manifest is not YAML as zmig reads it"),
    Rule("manifest/missing", _ERROR, "an included manifest does not exist"),
    Rule("manifest/too-large", _ERROR, "the manifest is too large"),
    Rule("manifest/batch-invalid", _ERROR, "a file cannot be run in batches"),
    Rule("manifest/duration-too-long", _ERROR, "a timeout is longer than PostgreSQL can wait"),
    Rule("manifest/empty-invalid", _ERROR, "`empty` is beside what it does not go with"),
    Rule("manifest/include-cycle", _ERROR, "a manifest includes itself"),
    Rule("manifest/kind-mismatch", _ERROR, "an entry's kind does not fit its file"),
    Rule("manifest/name-invalid", _ERROR, "an entry needs a name"),
    Rule("manifest/name-repeated", _ERROR, "two entries have one name"),
    Rule("manifest/name-too-long", _ERROR, "a name is longer than PostgreSQL keeps"),
    Rule("manifest/replaces-invalid", _ERROR, "`replaces` does not fit its entry, or another squash"),
    Rule("manifest/repeat-invalid", _ERROR, "`repeat` is where it means nothing"),
    Rule("manifest/rollback-invalid", _ERROR, "`rollback` does not name an SQL file of its own"),
    Rule("manifest/variable-invalid", _ERROR, "a `${...}` is not written as a variable"),
    Rule("manifest/variable-undefined", _ERROR, "an SQL file uses a variable that the manifest does not have"),
    Rule("manifest/variable-unset", _ERROR, "a variable has no value"),
    Rule("manifest/verify-invalid", _ERROR, "`verify` is not one query"),
    Rule("manifest/version-repeated", _ERROR, "two entries have one version"),
    Rule("file/conflict", _ERROR, "a file holds a conflict that git could not merge"),
    Rule("file/empty", _ERROR, "a file holds no statement"),
    Rule("file/not-empty", _ERROR, "a file holds a statement, and its entry says that it holds none"),
    Rule("file/missing", _ERROR, "a file does not exist"),
    Rule("file/not-text", _ERROR, "a file holds a NUL character"),
    Rule("file/not-utf8", _ERROR, "a file is not UTF-8"),
    Rule("file/repeated", _ERROR, "two entries name one file"),
    Rule("file/unreadable", _ERROR, "a file cannot be read"),
    Rule("python/invalid", _ERROR, "a Python file is not Python, or has no `execute` that can be called"),
    Rule("python/signature", _ERROR, "a function of a Python file does not take what zmig gives it"),
    Rule("sql/other-tool", _ERROR, "a file of another tool holds what undoes it as well"),
    Rule("sql/copy-rows", _ERROR, "the rows of a COPY do not begin on the next line"),
    Rule("sql/psql-command", _ERROR, "a command of psql is in the file"),
    Rule("sql/syntax", _ERROR, "PostgreSQL's grammar refuses a statement", _GRAMMAR, dangers=_FAILURE),
    Rule("sql/unterminated", _ERROR, "a string, a comment or a body never ends"),
    # how a file runs
    Rule("transaction/control", _ERROR, "a file that runs in zmig's transaction begins or ends one itself"),
    Rule(
        "transaction/enum-value", _ERROR, "a new enum value is used in the transaction that adds it", dangers=_FAILURE
    ),
    Rule("transaction/mixed", _WARNING, "a change that could be undone shares a file with one that cannot"),
    Rule("transaction/needed", _WARNING, "a statement needs a transaction around it, and there is none"),
    Rule("transaction/refused", _ERROR, "a statement cannot run inside the transaction around it", dangers=_FAILURE),
    Rule("transaction/undecidable", _WARNING, "if interrupted, nobody can tell whether a statement took effect"),
    Rule("batch/endless", _WARNING, "rounds find the same rows again and again"),
    Rule("batch/unordered", _ERROR, "rounds pass rows over, or take them twice"),
    Rule("index/if-not-exists", _WARNING, "`IF NOT EXISTS` takes an invalid index for a finished one"),
    Rule("index/unnamed", _WARNING, "an index that is built concurrently has no name"),
    Rule("change/mixed", _ERROR, "one transaction changes the schema and many rows", _GRAMMAR, Group.LOCK),
    Rule(
        "change/not-idempotent",
        _OFF,
        "a table is created without `IF NOT EXISTS`",
        harm=Group.TASTE,
        why="zmig runs every file once",
    ),
    Rule("change/skipped", _WARNING, "a table is there already, so nothing is made", _GRAMMAR),
    Rule("lock/released", _ERROR, "a statement gives up the lock that keeps two runs apart"),
    Rule("lock/unlimited", _WARNING, "a migration waits for a lock so long that everybody else waits too", _GRAMMAR),
    Rule(
        "lock/table-rewrite",
        _ERROR,
        "a table is written anew while nobody can use it",
        _GRAMMAR,
        dangers=(Danger.REWRITE,),
    ),
    Rule(
        "lock/table-scan",
        _ERROR,
        "all rows of a table are read while nobody can write it",
        _GRAMMAR,
        dangers=(Danger.SCAN, Danger.BUILD),
    ),
    Rule("lock/several-tables", _WARNING, "one transaction locks one table after another", _GRAMMAR),
    Rule("lock/held", _ERROR, "something takes long while a table is locked", _GRAMMAR),
    Rule("lock/sleep", _WARNING, "a migration waits in the middle", _GRAMMAR),
    Rule("lock/explicit", _WARNING, "`LOCK TABLE` keeps everybody from a table", _GRAMMAR),
    Rule("lock/all-rows", _ERROR, "every row of a table is changed in one transaction", _GRAMMAR),
    Rule("lock/many-rows", _WARNING, "rows that may be many are changed in one transaction", _GRAMMAR),
    Rule("compat/ends-sessions", _WARNING, "sessions of others, or what they do, are ended", _GRAMMAR),
    Rule("compat/no-policy", _WARNING, "row security hides all rows, since no policy shows one", _GRAMMAR),
    # what is lost
    Rule("data/delete-all", _ERROR, "every row of a table is deleted", _GRAMMAR),
    Rule("data/drop-cascade", _ERROR, "`CASCADE` drops what a statement does not name", _GRAMMAR),
    Rule("data/sequence-set", _WARNING, "a sequence goes on from a number that is written down", _GRAMMAR),
    Rule("data/stale-values", _WARNING, "an index or a column holds what a function no longer returns", _GRAMMAR),
    Rule("data/system-catalog", _ERROR, "one of the server's own tables is changed", _GRAMMAR),
    Rule("data/triggers-off", _ERROR, "triggers do not fire, or foreign keys are not checked", _GRAMMAR),
    Rule("data/truncate", _ERROR, "a table is emptied", _GRAMMAR),
    Rule("data/unlogged", _WARNING, "a crash empties a table", _GRAMMAR),
    # what is opened
    Rule("security/password", _ERROR, "a password is written down", _GRAMMAR),
    Rule("security/powers", _ERROR, "a role comes past all privileges", _GRAMMAR),
    Rule("security/public", _ERROR, "everybody gets a privilege", _GRAMMAR),
    Rule("security/row-security", _ERROR, "row security is switched off, dropped or opened", _GRAMMAR),
    Rule("security/search-path", _ERROR, "a `SECURITY DEFINER` function finds what its caller chooses", _GRAMMAR),
    Rule("security/view", _WARNING, "a view shows the rows that row security hides", _GRAMMAR),
    Rule("replication/no-identity", _ERROR, "a table is published whose rows cannot be named", _GRAMMAR),
    Rule("replication/stopped", _WARNING, "a subscriber no longer gets what it got", _GRAMMAR),
    # what is better made another way
    Rule("design/cascade-index", _NOTE, "a foreign key that follows deletes has no index on its columns", _GRAMMAR),
    Rule(
        "design/foreign-key-index",
        _OFF,
        "a foreign key has no index on its columns",
        _GRAMMAR,
        why="many tables never delete what others reference",
    ),
    Rule("design/integer-key", _NOTE, "a primary key can run out of numbers", _GRAMMAR),
    Rule("design/integer-reference", _NOTE, "a foreign key is narrower than what it references", _GRAMMAR),
    Rule("design/json", _NOTE, "a column is of the type `json`", _GRAMMAR),
    Rule("design/money", _NOTE, "a column is of the type `money`", _GRAMMAR),
    Rule("design/no-primary-key", _NOTE, "a table has no primary key", _GRAMMAR),
    Rule("design/redundant-index", _NOTE, "another index does what a new one does", _GRAMMAR),
    Rule("design/wide-index", _NOTE, "an index has more columns than queries use", _GRAMMAR),
    # what the migrations before show to fail
    Rule(
        "fails/missing",
        _ERROR,
        "a statement names what no migration makes, or one has dropped",
        _GRAMMAR,
        dangers=_CERTAIN_FAILURE,
    ),
    Rule("fails/exists", _ERROR, "a statement makes what is there already", _GRAMMAR, dangers=_CERTAIN_FAILURE),
    Rule(
        "fails/in-the-way",
        _ERROR,
        "something depends on what a statement changes or drops",
        _GRAMMAR,
        dangers=_CERTAIN_FAILURE,
    ),
    Rule(
        "fails/partitioned",
        _ERROR,
        "`CONCURRENTLY` is asked for where partitions do not allow it",
        _GRAMMAR,
        dangers=_CERTAIN_FAILURE,
    ),
    Rule(
        "fails/version",
        _ERROR,
        "the oldest server that the migrations are for does not know a statement",
        dangers=_FAILURE,
    ),
    Rule(
        "fails/refused",
        _ERROR,
        "the server refuses a statement, whatever the tables hold",
        _GRAMMAR,
        dangers=_CERTAIN_FAILURE,
    ),
    # what goes with a migration
    Rule("name/undeclared", _WARNING, "a file among the migrations is named by no entry"),
    Rule("name/differs", _WARNING, "a file's name begins with another number than its version"),
    Rule("name/no-number", _NOTE, "a file's name does not begin with its version"),
    Rule("name/no-description", _NOTE, "nothing says what a migration is for"),
    Rule(
        "rollback/incomplete", _WARNING, "a rollback leaves something otherwise than it was", _GRAMMAR, dangers=_UNDONE
    ),
    Rule("rollback/irreversible", _NOTE, "what a migration throws away does not come back", _GRAMMAR),
    Rule("rollback/loses-data", _ERROR, "a rollback throws away what its migration did not bring", _GRAMMAR),
    Rule(
        "rollback/loses-new-data",
        _OFF,
        "a rollback throws away what came into what its migration made",
        _GRAMMAR,
        why="that is what a rollback of a new table or column is for",
    ),
    Rule("rollback/missing", _NOTE, "a migration that could be undone has no rollback"),
    Rule(
        "rollback/needs-empty-table",
        _ERROR,
        "a rollback fails as soon as a table has a row",
        _GRAMMAR,
        dangers=(Danger.SCAN, Danger.FAILURE),
    ),
    Rule(
        "rollback/wrong-order",
        _ERROR,
        "the statements of a rollback are in the wrong order",
        _GRAMMAR,
        dangers=_CERTAIN_FAILURE,
    ),
    # what only a comparison with another revision shows
    Rule("base/changed", _ERROR, "a file was edited that is already on the base", _BASE),
    Rule("base/cosmetic", _NOTE, "a file on the base was edited in comments, white space or case only", _BASE),
    Rule("base/deleted", _ERROR, "an entry was deleted that is already on the base", _BASE),
    Rule("base/kind", _ERROR, "an entry has another kind than on the base", _BASE),
    Rule("base/late", _ERROR, "a new entry comes before one that is already on the base", _BASE),
    Rule("base/renamed", _ERROR, "an entry has another name than on the base", _BASE),
    Rule("base/renumbered", _ERROR, "an entry has another version than on the base", _BASE),
    Rule("base/rollback", _WARNING, "a rollback was removed that is on the base", _BASE),
    Rule("base/taken", _ERROR, "a new entry's version is another migration's on the base", _BASE),
    Rule("base/transaction", _WARNING, "an entry on the base runs in another way than there", _BASE),
    # what a server shows
    Rule("try/fails", _ERROR, "a statement fails on a server", _SERVER, dangers=_FAILURE),
    Rule(
        "try/rewrite",
        _ERROR,
        "a server writes a table anew while nobody can use it",
        _SERVER,
        dangers=(Danger.REWRITE,),
    ),
    Rule(
        "try/scan",
        _ERROR,
        "a server reads all rows of a table while nobody can write it",
        _SERVER,
        dangers=(Danger.SCAN,),
    ),
    Rule(
        "try/index-build",
        _ERROR,
        "a server builds an index while nobody can write its table",
        _SERVER,
        dangers=(Danger.BUILD,),
    ),
    Rule("try/lock", _WARNING, "a table is locked against others, without any work that takes long", _SERVER),
    Rule("verify/left", _ERROR, "a rollback leaves something", _SERVER, dangers=_UNDONE),
    Rule("verify/lost", _ERROR, "a rollback does not bring something back", _SERVER, dangers=_UNDONE),
    Rule("verify/changed", _ERROR, "a rollback leaves something different from what it was", _SERVER, dangers=_UNDONE),
    Rule("verify/loses-data", _ERROR, "a rollback loses rows or values that were there before", _SERVER),
    Rule("verify/leaves-rows", _NOTE, "a rollback leaves rows that were not there before", _SERVER),
    Rule("verify/leaves-uncovered", _NOTE, "a rollback changes how much there is of what is not compared", _SERVER),
    Rule("verify/rollback-failed", _ERROR, "a rollback fails", _SERVER, dangers=_FAILURE),
    Rule("verify/not-again", _ERROR, "a migration cannot be applied again after its rollback", _SERVER),
    Rule("verify/not-repeatable", _ERROR, "a repeatable fails, or changes something, the second time", _SERVER),
    # how people say what rules mean to them
    Rule("ignore/file", _WARNING, "a comment for squawk asks to skip the whole file"),
    Rule("ignore/invalid", _ERROR, "an ignore names no rule, or gives no reason"),
    Rule("ignore/squawk", _WARNING, "a comment for squawk hides a finding without a reason"),
    Rule("ignore/unknown-rule", _ERROR, "an ignore or a severity names a rule that does not exist"),
    Rule("ignore/unused", _WARNING, "an ignore has nothing left to ignore"),
    *SQUAWK_RULES,
)

RULES = {rule.code: rule for rule in _ALL}
"""Every rule, by its code."""

_GROUPS = ("file", "manifest", "python", "sql")


def of_problem(code: str) -> str:
    """Return the rule that a problem with this code is reported under."""
    if code == "statement-too-long":  # no example of a gigabyte can be on a page of its own
        return "file/unreadable"
    if code == "batch-unordered":
        return "batch/unordered"
    group, _, name = code.partition("-")
    return f"{group}/{name}" if group in _GROUPS and name else f"manifest/{code}"


Severities = dict[str, Severity | None]
"""By rule; None for one that is off."""


def severities(own: LintSettings, root: LintSettings) -> Severities:
    """Return how much each rule matters: as a manifest says, and over it the one that zmig was given."""
    chosen: Severities = {code: rule.severity for code, rule in RULES.items()}
    for settings in (own, root) if own is not root else (root,):
        for rule in RULES.values() if settings.severity else ():
            choice = settings.choice(rule.code, rule.group)
            if choice is not None:
                chosen[rule.code] = None if choice.level is Level.OFF else Severity(choice.level.value)
    return chosen


@cache
def named(name: str) -> frozenset[str]:
    """Return the rules that a name means, which is one of a rule or a group, or has `*` in it."""
    return frozenset(code for code, rule in RULES.items() if rule_names.means(name, code, rule.group))


def names() -> list[str]:
    """Return every name of a rule or a group."""
    return [*RULES, *dict.fromkeys(f"group/{rule.group}" for rule in RULES.values())]
