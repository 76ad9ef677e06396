"""Every rule `zmig lint` knows, in one place: its code, how much it matters unless the manifest says otherwise."""

from __future__ import annotations

from enum import StrEnum

from zmig.frozen import frozen
from zmig.lint.finding import Severity

_OFF = None
_NOTE, _WARNING, _ERROR = Severity.NOTE, Severity.WARNING, Severity.ERROR


class Needs(StrEnum):
    """What a rule needs besides the manifest and its files."""

    NOTHING = "nothing"
    GRAMMAR = "grammar"
    """PostgreSQL's own parser, from the package postgast."""
    SQUAWK = "squawk"
    """The program squawk."""
    BASE = "base"
    """A revision to compare with: `--base`."""


@frozen
class Rule:
    """One rule."""

    code: str
    severity: Severity | None
    """None for a rule that is off."""
    summary: str
    needs: Needs = Needs.NOTHING

    @property
    def page(self) -> str:
        """The page that explains it, from the root of the repository."""
        return f"docs/rules/{self.code}.md"


_BASE, _GRAMMAR, _SQUAWK = Needs.BASE, Needs.GRAMMAR, Needs.SQUAWK

_ALL = (
    # what `zmig apply` refuses too
    Rule("manifest/invalid", _ERROR, "the manifest does not fit its schema"),
    Rule("manifest/syntax", _ERROR, "the manifest is not YAML as zmig reads it"),
    Rule("manifest/missing", _ERROR, "an included manifest does not exist"),
    Rule("manifest/too-large", _ERROR, "the manifest is too large"),
    Rule("manifest/batch-invalid", _ERROR, "a file cannot be run in batches"),
    Rule("manifest/duration-too-long", _ERROR, "a timeout is longer than PostgreSQL can wait"),
    Rule("manifest/include-cycle", _ERROR, "a manifest includes itself"),
    Rule("manifest/kind-mismatch", _ERROR, "an entry's kind does not fit its file"),
    Rule("manifest/name-invalid", _ERROR, "an entry needs a name"),
    Rule("manifest/name-repeated", _ERROR, "two entries have one name"),
    Rule("manifest/repeat-invalid", _ERROR, "`repeat` stands where it means nothing"),
    Rule("manifest/rollback-invalid", _ERROR, "`rollback` does not name an SQL file of its own"),
    Rule("manifest/variable-invalid", _ERROR, "a `${...}` is not written as a variable"),
    Rule("manifest/variable-undefined", _ERROR, "an SQL file uses a variable that the manifest does not have"),
    Rule("manifest/variable-unset", _ERROR, "a variable has no value"),
    Rule("manifest/version-repeated", _ERROR, "two entries have one version"),
    Rule("file/empty", _ERROR, "a file holds no statement"),
    Rule("file/missing", _ERROR, "a file does not exist"),
    Rule("file/not-text", _ERROR, "a file holds a NUL character"),
    Rule("file/not-utf8", _ERROR, "a file is not UTF-8"),
    Rule("file/unreadable", _ERROR, "a file cannot be read"),
    Rule("python/invalid", _ERROR, "a Python file is not Python, or has no `execute` that can be called"),
    Rule("python/signature", _ERROR, "a function of a Python file does not take what zmig gives it"),
    Rule("sql/copy-rows", _ERROR, "the rows of a COPY do not begin on the next line"),
    Rule("sql/psql-command", _ERROR, "a command of psql stands in the file"),
    Rule("sql/syntax", _ERROR, "PostgreSQL's grammar refuses a statement", _GRAMMAR),
    Rule("sql/unterminated", _ERROR, "a string, a comment or a body never ends"),
    # how a file runs
    Rule("transaction/control", _ERROR, "a file that runs in zmig's transaction begins or ends one itself"),
    Rule("transaction/enum-value", _ERROR, "a new enum value is used in the transaction that adds it"),
    Rule("transaction/mixed", _WARNING, "a change that could be undone shares a file with one that cannot"),
    Rule("transaction/needed", _WARNING, "a statement needs a transaction around it, and there is none"),
    Rule("transaction/refused", _ERROR, "a statement cannot run inside the transaction that the entry asks for"),
    Rule("transaction/undecidable", _WARNING, "if interrupted, nobody can tell whether a statement took effect"),
    Rule("batch/endless", _WARNING, "rounds find the same rows again and again"),
    Rule("batch/unordered", _WARNING, "rounds pass rows over"),
    Rule("index/if-not-exists", _WARNING, "`IF NOT EXISTS` takes an invalid index for a finished one"),
    Rule("index/unnamed", _WARNING, "an index that is built concurrently has no name"),
    Rule("change/mixed", _WARNING, "one transaction changes the schema and many rows"),
    Rule("change/not-idempotent", _OFF, "a table is created without `IF NOT EXISTS`"),
    Rule("lock/released", _ERROR, "a statement gives up the lock that keeps two runs apart"),
    Rule("lock/unlimited", _WARNING, "a migration waits for a lock so long that everybody else waits too"),
    Rule("lock/table-rewrite", _WARNING, "a command rewrites a table while nobody can use it"),
    # what goes with a migration
    Rule("name/differs", _WARNING, "a file's name begins with another number than its version"),
    Rule("name/no-number", _WARNING, "a file's name does not begin with its version"),
    Rule("name/no-description", _NOTE, "nothing says what a migration is for"),
    Rule("rollback/incomplete", _WARNING, "a rollback does not mention something that the migration makes"),
    Rule("rollback/missing", _NOTE, "a migration that makes something has no rollback"),
    # what only a comparison with another revision shows
    Rule("base/changed", _ERROR, "a file was edited that is already on the base", _BASE),
    Rule("base/deleted", _ERROR, "an entry was deleted that is already on the base", _BASE),
    Rule("base/late", _ERROR, "a new entry comes before one that is already on the base", _BASE),
    Rule("base/renamed", _ERROR, "an entry has another name than on the base", _BASE),
    Rule("base/renumbered", _ERROR, "an entry has another version than on the base", _BASE),
    Rule("base/taken", _ERROR, "a new entry's version is another migration's on the base", _BASE),
    # how the rules are told what to do
    Rule("ignore/invalid", _ERROR, "an ignore names no rule, or gives no reason"),
    Rule("ignore/unknown-rule", _ERROR, "an ignore or a severity names a rule that does not exist"),
    Rule("ignore/unused", _WARNING, "an ignore has nothing left to ignore"),
    # locks and downtime, as squawk sees them
    Rule("squawk/adding-field-with-default", _WARNING, "a new column rewrites its table", _SQUAWK),
    Rule("squawk/adding-foreign-key-constraint", _WARNING, "a new foreign key is checked under a lock", _SQUAWK),
    Rule("squawk/adding-not-nullable-field", _WARNING, "`SET NOT NULL` reads the table under a lock", _SQUAWK),
    Rule("squawk/adding-required-field", _WARNING, "a new column that must not be null has no default", _SQUAWK),
    Rule("squawk/adding-serial-primary-key-field", _WARNING, "a new primary key is built under a lock", _SQUAWK),
    Rule("squawk/ban-alter-domain-with-add-constraint", _WARNING, "a domain's new constraint reads tables", _SQUAWK),
    Rule("squawk/ban-char-field", _WARNING, "`char(n)` pads with blanks", _SQUAWK),
    Rule("squawk/ban-create-domain-with-constraint", _OFF, "a domain's constraint is hard to change later", _SQUAWK),
    Rule("squawk/ban-drop-column", _OFF, "dropping a column breaks clients that use it", _SQUAWK),
    Rule("squawk/ban-drop-database", _WARNING, "a database is dropped", _SQUAWK),
    Rule("squawk/ban-drop-not-null", _OFF, "clients may rely on a column that is never null", _SQUAWK),
    Rule("squawk/ban-drop-schema", _OFF, "dropping a schema breaks clients that use it", _SQUAWK),
    Rule("squawk/ban-drop-table", _OFF, "dropping a table breaks clients that use it", _SQUAWK),
    Rule("squawk/ban-truncate-cascade", _WARNING, "`TRUNCATE ... CASCADE` empties tables it does not name", _SQUAWK),
    Rule("squawk/changing-column-type", _WARNING, "another type for a column rewrites its table", _SQUAWK),
    Rule("squawk/constraint-missing-not-valid", _WARNING, "a new constraint is checked under a lock", _SQUAWK),
    Rule("squawk/disallowed-unique-constraint", _WARNING, "a unique constraint builds its index under a lock", _SQUAWK),
    Rule("squawk/identifier-too-long", _WARNING, "a name is longer than PostgreSQL keeps", _SQUAWK),
    Rule("squawk/prefer-bigint-over-int", _OFF, "an `int` can run out of numbers", _SQUAWK),
    Rule("squawk/prefer-bigint-over-smallint", _OFF, "a `smallint` can run out of numbers", _SQUAWK),
    Rule("squawk/prefer-identity", _OFF, "`serial` is harder to manage than an identity column", _SQUAWK),
    Rule("squawk/prefer-text-field", _OFF, "the length of a `varchar(n)` is hard to change", _SQUAWK),
    Rule("squawk/prefer-timestamp-tz", _OFF, "`timestamp` does not keep the time zone", _SQUAWK),
    Rule("squawk/renaming-column", _WARNING, "renaming a column breaks clients that use it", _SQUAWK),
    Rule("squawk/renaming-table", _WARNING, "renaming a table breaks clients that use it", _SQUAWK),
    Rule("squawk/require-concurrent-index-creation", _WARNING, "an index is built under a lock", _SQUAWK),
    Rule("squawk/require-concurrent-index-deletion", _WARNING, "an index is dropped under a lock", _SQUAWK),
    Rule("squawk/require-concurrent-partition-detach", _WARNING, "a partition is detached under a lock", _SQUAWK),
    Rule("squawk/require-concurrent-reindex", _WARNING, "an index is rebuilt under a lock", _SQUAWK),
    Rule("squawk/require-enum-value-ordering", _OFF, "a new enum value does not say where it belongs", _SQUAWK),
    Rule("squawk/require-table-schema", _OFF, "a table's name has no schema", _SQUAWK),
)

RULES = {rule.code: rule for rule in _ALL}
"""Every rule, by its code."""

_GROUPS = ("file", "manifest", "python", "sql")


def of_problem(code: str) -> str:
    """Return the rule that a problem with this code is reported under."""
    group, _, name = code.partition("-")
    return f"{group}/{name}" if group in _GROUPS and name else f"manifest/{code}"
