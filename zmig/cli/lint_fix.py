"""`zmig lint --fix`."""

from __future__ import annotations

from difflib import unified_diff
from typing import TYPE_CHECKING

from zmig.errors import ExitCode, Problem, UsageError
from zmig.presentation import words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from zmig.cli.command import CommandContext
    from zmig.lint.fix.fixing import Change, Fixes


def check_options(*, fix: bool, dry_run: bool, base: str | None, only: str | None, manifests: Sequence[str]) -> None:
    """Refuse options of a fix that is not made, or that contradict each other."""
    if dry_run and not fix:
        message = "`--dry-run` is about `--fix`, and nothing is fixed"
        raise UsageError(Problem("usage", message, hint="add `--fix`, or leave `--dry-run` out"))
    if not fix:
        return
    if len(manifests) > 1:
        message = "several manifests are given, and `--fix` changes one"
        raise UsageError(Problem("usage", message, hint="name one manifest"))
    if base is not None and only is not None:
        message = "`--only` and `--base` both say which migrations may be rewritten"
        raise UsageError(Problem("usage", message, hint="leave one of them out"))


def fix(call: CommandContext, path: Path, *, base: str | None, names: Sequence[str], dry_run: bool) -> ExitCode | None:
    """Write what can be fixed, and say what; None where findings are to be printed after that.

    With `dry_run`, the changes are printed as a diff.
    """
    from zmig.lint.fix import fixing

    fixes = fixing.find(path, environ=call.environ, base=base, names=names)
    if dry_run:
        fixing.refuse_existing(fixes)
        _print_diff(call, fixes)
    else:
        fixing.write(fixes)
    for line in _summary(fixes, dry_run=dry_run):
        call.output.note(line)
    if not dry_run:
        return None
    return ExitCode.FAILED if fixes.fixed else ExitCode.OK


def _print_diff(call: CommandContext, fixes: Fixes) -> None:
    if call.output.is_json:
        files = [{"file": str(one.path), "before": one.before, "after": one.after} for one in fixes.changes]
        refused = [{"migration": name, "reason": reason} for name, reason in fixes.refused]
        call.output.document({"fixed": list(fixes.fixed), "not_fixed": refused, "files": files})
        return
    for change in fixes.changes:
        for line in diff(change):
            call.output.data(line)


def diff(change: Change) -> Iterator[str]:
    """Yield the lines of a diff that `git apply` and `patch` understand."""
    path = change.path.as_posix()
    before, after = (change.before or "").splitlines(), (change.after or "").splitlines()
    old = "/dev/null" if change.before is None else f"a/{path}"
    now = "/dev/null" if change.after is None else f"b/{path}"
    yield from unified_diff(before, after, old, now, lineterm="")


def _summary(fixes: Fixes, *, dry_run: bool) -> Iterator[str]:
    verb = "would be fixed" if dry_run else "fixed"
    if fixes.fixed:
        listed = ", ".join(f"`{name}`" for name in fixes.fixed)
        yield f"{words.counted(len(fixes.fixed), 'migration')} {verb}: {listed}"
    else:
        yield "nothing to fix"
    for name, reason in fixes.refused:
        yield f"note: `{name}` is left as it is: {reason}"
