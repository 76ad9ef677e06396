"""The pages that explain the rules: inside an installed zmig, or in the documentation of a checkout."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from zmig.errors import Problem, UsageError
from zmig.lint import registry
from zmig.lint.squawk.rules import DECIDED_BY_ZMIG
from zmig.text.nearest import nearest


def folder() -> Path:
    """Return the folder that holds the pages."""
    package = Path(__file__).parent.parent
    packaged = package / "rule_pages"
    return packaged if packaged.is_dir() else package.parent / "docs" / "rules"


def text(code: str) -> str | None:
    """Return the page of a rule in Markdown; None where there is none, as for rules of other commands."""
    path = folder() / f"{code}.md"
    return path.read_text(encoding="utf-8") if code in registry.RULES and path.is_file() else None


def url(code: str) -> str | None:
    """Return where the page of a rule is on the web; None where the package does not say where its documentation is."""
    try:
        given = metadata("zmig").get_all("Project-URL") or []
    except PackageNotFoundError:
        return None
    links = dict(one.split(", ", 1) for one in given)
    base = links.get("Documentation", "")
    is_known = base and "/OWNER/" not in base and code in registry.RULES
    return f"{base.rstrip('/')}/rules/{code}.md" if is_known else None


def explain(code: str) -> str:
    """Return the page of a rule, which may be named without `squawk/`. Raises UsageError where there is none."""
    name = code.removeprefix("squawk/")
    page = text(code) or text(f"squawk/{name}")
    if page is not None:
        return page.rstrip("\n")
    if (rule := registry.RULES.get(code)) is not None:
        return f"# {code}\n\n{rule.summary[:1].upper()}{rule.summary[1:]}.\n\nSee `{rule.page}`."
    if name in DECIDED_BY_ZMIG:
        message = f"`{code}` is a rule of squawk that says nothing here: {DECIDED_BY_ZMIG[name]}"
        raise UsageError(Problem("usage", message, hint="run `zmig lint --rules`"))
    near = nearest(code, registry.RULES, cutoff=0.5)
    hint = f"run `zmig lint --explain {near}`" if near else "run `zmig lint --rules`"
    raise UsageError(Problem("usage", f"there is no rule `{code}`", hint=hint))
