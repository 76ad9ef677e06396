"""squawk's rules as zmig reports them: `squawk/` and the name that they have there."""

from __future__ import annotations

from zmig.lint.finding import Severity
from zmig.lint.rule import WORK, Danger, Group, Needs, Rule

_OFF = None
_NOTE, _WARNING, _ERROR = Severity.NOTE, Severity.WARNING, Severity.ERROR
_REWRITE, _SCAN, _BUILD = Danger.REWRITE, Danger.SCAN, Danger.BUILD


def _rule(
    name: str,
    group: Group,
    severity: Severity | None,
    summary: str,
    why: str = "",
    *,
    dangers: tuple[Danger, ...] = (),
) -> Rule:
    return Rule(f"squawk/{name}", severity, summary, Needs.SQUAWK, group, why=why, dangers=dangers)


SQUAWK_RULES = (
    _rule("adding-field-with-default", Group.LOCK, _ERROR, "a new column rewrites its table", dangers=(_REWRITE,)),
    _rule(
        "adding-foreign-key-constraint",
        Group.LOCK,
        _ERROR,
        "a new foreign key is checked under a lock",
        dangers=(_SCAN,),
    ),
    _rule(
        "adding-not-nullable-field", Group.LOCK, _ERROR, "`SET NOT NULL` reads the table under a lock", dangers=(_SCAN,)
    ),
    _rule(
        "adding-required-field",
        Group.FAILS,
        _ERROR,
        "a new column that must not be null has no default",
        dangers=(_SCAN, Danger.FAILURE),
    ),
    _rule(
        "adding-serial-primary-key-field", Group.LOCK, _ERROR, "a new primary key is built under a lock", dangers=WORK
    ),
    _rule(
        "ban-add-column",
        Group.COMPAT,
        _OFF,
        "clients may not expect a new column",
        "a new column breaks only clients that count columns",
    ),
    _rule(
        "ban-add-composite-attribute",
        Group.COMPAT,
        _OFF,
        "clients may not know a new attribute of a type",
        "a new attribute breaks only clients that count them",
    ),
    _rule(
        "ban-add-enum-value",
        Group.COMPAT,
        _OFF,
        "clients may not know a new value of an enum",
        "nothing breaks until a row has the value",
    ),
    _rule("ban-alter-database-options", Group.COMPAT, _WARNING, "options of a database change every session"),
    _rule(
        "ban-alter-domain-with-add-constraint",
        Group.LOCK,
        _ERROR,
        "a domain's new constraint reads tables",
        dangers=(_SCAN,),
    ),
    _rule(
        "ban-alter-extension",
        Group.COMPAT,
        _OFF,
        "another version of an extension changes what clients use",
        "extensions are made to be updated in place",
    ),
    _rule(
        "ban-alter-function-options",
        Group.COMPAT,
        _OFF,
        "other options of a function change how clients' calls run",
        "most options change how fast a function is, not what it returns",
    ),
    _rule(
        "ban-alter-generated-expression",
        Group.LOCK,
        _ERROR,
        "another expression rewrites the table",
        dangers=(_REWRITE,),
    ),
    _rule("ban-alter-identity", Group.COMPAT, _WARNING, "clients may rely on how an identity column is filled"),
    _rule(
        "ban-alter-policy-condition",
        Group.SECURITY,
        _NOTE,
        "another condition of a policy changes which rows can be seen",
        "a person must read the condition: a tool cannot tell whether it opens or closes",
    ),
    _rule(
        "ban-alter-policy-roles",
        Group.SECURITY,
        _NOTE,
        "a policy is for other roles",
        "a person must read the roles: a tool cannot tell whether that opens or closes",
    ),
    _rule(
        "ban-alter-role-options",
        Group.SECURITY,
        _ERROR,
        "a role may do what only few should, or pass over row security",
    ),
    _rule(
        "ban-alter-row-level-security",
        Group.SECURITY,
        _ERROR,
        "row security is switched off, so that all rows can be seen",
    ),
    _rule("ban-alter-sequence-values", Group.DATA, _WARNING, "a sequence that is set back gives numbers twice"),
    _rule("ban-alter-system-options", Group.COMPAT, _WARNING, "options of a server change every database"),
    _rule(
        "ban-alter-view-options",
        Group.COMPAT,
        _OFF,
        "other options of a view change what clients get",
        "most options keep what clients get",
    ),
    _rule("ban-char-field", Group.TASTE, _NOTE, "`char(n)` pads with blanks"),
    _rule(
        "ban-create-domain-with-constraint",
        Group.TASTE,
        _OFF,
        "a domain's constraint is hard to change later",
        "a matter of taste",
    ),
    _rule(
        "ban-create-policy", Group.SECURITY, _OFF, "a policy changes which rows can be seen", "every policy is made so"
    ),
    _rule(
        "ban-detach-inheritance",
        Group.COMPAT,
        _OFF,
        "queries of a parent no longer see a table's rows",
        "old partitions are detached to be dropped",
    ),
    _rule("ban-disable-trigger", Group.DATA, _WARNING, "a trigger that is disabled keeps nothing in step"),
    _rule("ban-drop-column", Group.COMPAT, _WARNING, "dropping a column breaks clients that use it"),
    _rule(
        "ban-drop-constraint",
        Group.DATA,
        _NOTE,
        "without a constraint, wrong rows can come in",
        "it is what the statement says, and breaks no client",
    ),
    _rule("ban-drop-database", Group.DATA, _ERROR, "a database is dropped"),
    _rule("ban-drop-default", Group.COMPAT, _WARNING, "clients may leave out a column that has a default"),
    _rule("ban-drop-domain", Group.COMPAT, _WARNING, "dropping a domain breaks clients that use it"),
    _rule("ban-drop-extension", Group.COMPAT, _WARNING, "dropping an extension takes its types and functions away"),
    _rule("ban-drop-function", Group.COMPAT, _WARNING, "dropping a function breaks clients that call it"),
    _rule("ban-drop-generated-expression", Group.COMPAT, _WARNING, "a generated column is no longer computed"),
    _rule(
        "ban-drop-index",
        Group.LOCK,
        _OFF,
        "queries may need an index that is dropped",
        "`squawk/require-concurrent-index-deletion` says it",
    ),
    _rule(
        "ban-drop-not-null",
        Group.COMPAT,
        _NOTE,
        "clients may rely on a column that is never null",
        "nothing breaks until a row has a null there",
    ),
    _rule(
        "ban-drop-policy",
        Group.SECURITY,
        _WARNING,
        "without a policy, other rows can be seen",
        "whether it opens or closes depends on the policies that stay",
    ),
    _rule("ban-drop-schema", Group.DATA, _ERROR, "`DROP SCHEMA ... CASCADE` drops whatever is in the schema"),
    _rule("ban-drop-sequence", Group.COMPAT, _WARNING, "dropping a sequence breaks clients that use it"),
    _rule("ban-drop-table", Group.COMPAT, _WARNING, "dropping a table breaks clients that use it"),
    _rule(
        "ban-drop-trigger",
        Group.DATA,
        _NOTE,
        "dropping a trigger stops what it kept in step",
        "it is what the statement says, and breaks no client",
    ),
    _rule("ban-drop-type", Group.COMPAT, _WARNING, "dropping a type breaks clients that use it"),
    _rule("ban-drop-view", Group.COMPAT, _WARNING, "dropping a view breaks clients that use it"),
    _rule("ban-duplicate-column-assignments", Group.FAILS, _ERROR, "an update assigns to a column twice"),
    _rule(
        "ban-new-write-restriction",
        Group.COMPAT,
        _OFF,
        "a new constraint refuses what clients write",
        "every new constraint is meant to refuse something",
    ),
    _rule(
        "ban-replace-view-function",
        Group.COMPAT,
        _OFF,
        "another body of a view or function changes what clients get",
        "views and functions are replaced to be changed",
    ),
    _rule(
        "ban-replica-identity", Group.REPLICATION, _WARNING, "without a replica identity, subscribers get no updates"
    ),
    _rule("ban-revoke", Group.COMPAT, _WARNING, "taking a right away breaks clients that use it"),
    _rule(
        "ban-set-default",
        Group.COMPAT,
        _OFF,
        "another default changes what clients write",
        "clients that leave a column out are served as before",
    ),
    _rule("ban-set-schema", Group.COMPAT, _WARNING, "moving an object to another schema breaks clients that use it"),
    _rule("ban-truncate-cascade", Group.DATA, _ERROR, "`TRUNCATE ... CASCADE` empties tables it does not name"),
    _rule("changing-column-type", Group.LOCK, _ERROR, "another type for a column rewrites its table", dangers=WORK),
    _rule(
        "constraint-missing-not-valid",
        Group.LOCK,
        _ERROR,
        "a new constraint is checked under a lock",
        dangers=(_SCAN, _BUILD),
    ),
    _rule(
        "disallowed-unique-constraint",
        Group.LOCK,
        _ERROR,
        "a unique constraint builds its index under a lock",
        dangers=(_BUILD,),
    ),
    _rule("identifier-too-long", Group.TASTE, _NOTE, "a name is longer than PostgreSQL keeps"),
    _rule(
        "prefer-bigint-over-int",
        Group.TASTE,
        _OFF,
        "an `int` can run out of numbers",
        "many columns never hold large numbers",
    ),
    _rule(
        "prefer-bigint-over-smallint",
        Group.TASTE,
        _OFF,
        "a `smallint` can run out of numbers",
        "many columns never hold large numbers",
    ),
    _rule(
        "prefer-identity",
        Group.TASTE,
        _OFF,
        "`serial` is harder to manage than an identity column",
        "a matter of taste",
    ),
    _rule(
        "prefer-text-field",
        Group.TASTE,
        _OFF,
        "the length of a `varchar(n)` is hard to change",
        "a matter of taste: a limit can be raised in the catalog alone",
    ),
    _rule("prefer-timestamp-tz", Group.TASTE, _OFF, "`timestamp` does not keep the time zone", "a matter of taste"),
    _rule("renaming-column", Group.COMPAT, _WARNING, "renaming a column breaks clients that use it"),
    _rule(
        "renaming-object",
        Group.COMPAT,
        _WARNING,
        "renaming a view, type, value, schema or function breaks clients that use it",
    ),
    _rule("renaming-table", Group.COMPAT, _WARNING, "renaming a table breaks clients that use it"),
    _rule("require-concurrent-index-creation", Group.LOCK, _ERROR, "an index is built under a lock", dangers=(_BUILD,)),
    _rule(
        "require-concurrent-index-deletion",
        Group.LOCK,
        _NOTE,
        "an index is dropped under a lock",
        "its lock is as short as that of any new column",
    ),
    _rule(
        "require-concurrent-partition-detach",
        Group.LOCK,
        _WARNING,
        "a partition is detached under a lock",
        "the lock is exclusive, and short",
    ),
    _rule("require-concurrent-reindex", Group.LOCK, _ERROR, "an index is rebuilt under a lock", dangers=(_BUILD,)),
    _rule(
        "require-enum-value-ordering",
        Group.TASTE,
        _OFF,
        "a new enum value does not say where it belongs",
        "a matter of taste",
    ),
    _rule("require-table-schema", Group.TASTE, _OFF, "a table's name has no schema", "a matter of taste"),
)

DECIDED_BY_ZMIG = {
    "ban-concurrent-index-creation-in-transaction": "`transaction/refused` knows how the file runs",
    "ban-uncommitted-transaction": "`transaction/control`, and zmig ends every transaction",
    "prefer-robust-stmts": "a file runs in one transaction, or goes on after the statements that are done",
    "require-lock-timeout": "zmig sets `lock_timeout` for every migration; `lock/unlimited`",
    "require-statement-timeout": "zmig sets `statement_timeout` for every migration",
    "require-timeout-settings": "zmig sets both timeouts for every migration",
    "transaction-nesting": "`transaction/control` and `transaction/refused` know how the file runs",
    "unused-ignore": "`ignore/unused`",
}
"""The rules of squawk that say nothing here, and what says it instead."""
