"""The pages of docs/rules as values: each with its examples, ready to be written into a folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zmig.lint.registry import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zmig.lint.finding import Finding

FOLDER = Path(__file__).parents[2] / "docs" / "rules"

_SECTION = re.compile(r"^## (?P<name>.*)\n(?P<body>(?:(?!^## ).*\n)*)", re.MULTILINE)
_FILE = re.compile(r"^`(?P<path>[^`\n]+)`\n\n```(?P<info>[^\n]*)\n(?P<text>[\s\S]*?)^```$", re.MULTILINE)

Files = dict[str, bytes]
"""What stands in files, by their path."""


@dataclass(frozen=True, slots=True)
class Page:
    """One rule's page."""

    code: str
    head: str
    """What stands before the examples."""
    bad: Files
    good: Files
    base: Files
    """What is on the base; empty where the rule needs none."""
    is_meanwhile: bool
    """Whether the base came to be so after the branch was made."""


def pages() -> Iterator[Page]:
    """Yield every page but the index."""
    for path in sorted(FOLDER.glob("*/*.md")):
        yield read(path)


def read(path: Path) -> Page:
    """Return one page."""
    text = path.read_text(encoding="utf-8")
    sections = {found["name"]: _files(found["body"]) for found in _SECTION.finditer(text)}
    base = next((name for name in sections if name.startswith("On the base")), "")
    code = path.relative_to(FOLDER).with_suffix("").as_posix()
    head = text.partition("\n## ")[0]
    return Page(code, head, sections["Bad"], sections["Good"], sections.get(base, {}), base.endswith("meanwhile"))


def _files(body: str) -> Files:
    return {found["path"]: _content(found["info"], found["text"]) for found in _FILE.finditer(body)}


def _content(info: str, text: str) -> bytes:
    """Return what a block stands for; some things cannot be written in Markdown."""
    match info.split()[1:]:
        case ["latin1"]:
            return text.encode("latin-1")
        case ["nul"]:
            return text.replace("\N{SYMBOL FOR NULL}", "\0").encode()
        case [repeated] if repeated.startswith("repeated="):
            *lines, last = text.splitlines(keepends=True)
            return ("".join(lines) + last * int(repeated.partition("=")[2])).encode()
        case _:
            return text.encode()


def write(files: Files, folder: Path) -> Path:
    """Write an example into a folder and return its manifest, which names every file where the example has none."""
    if "manifest.yaml" not in files:
        files = {**files, "manifest.yaml": _manifest(files).encode()}
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder / "manifest.yaml"


def _manifest(files: Files) -> str:
    lines = ["manifest: 1", "migrations:"]
    for name in sorted(files):
        if not name.endswith(".rollback.sql"):
            lines += [f"  - version: {int(name.partition('_')[0])}", f"    file: {name}"]
            rollback = name.replace(".sql", ".rollback.sql")
            lines += [f"    rollback: {rollback}"] if rollback in files else []
    return "\n".join(lines) + "\n"


def assert_reported(code: str, findings: Sequence[Finding]) -> None:
    """Check that what a rule means is found in an example, and that each finding says where it is and what to do."""
    rules = [finding.rule for finding in findings]
    assert code in rules, rules
    for finding in findings:
        assert finding.hint, finding
        assert (finding.end_line, finding.end_column) > (finding.line, finding.column), finding


_DESIGN = tuple(code for code in RULES if code.startswith("design/"))
_COMPANY = ("name/no-description", "rollback/missing", "try/lock", *_DESIGN)
"""Rules about what an example leaves out for brevity, and about what nearly every change does."""


def write_with_rule(code: str, files: Mapping[str, bytes], folder: Path) -> Path:
    """Write an example whose manifest turns a rule on, and off what examples leave out; return the manifest."""
    manifest = write(dict(files), folder)
    text = manifest.read_bytes()
    more = _severities(code)
    # An example that has settings of its own has them at its end.
    manifest.write_bytes(
        text + (more.replace("lint: {", "  ").replace("}}", "}") if b"\nlint:\n" in text else more).encode()
    )
    return manifest


def _severities(code: str) -> str:
    off = {other: '"off"' for other in _COMPANY if other != code}
    on = {code: "warning"} if RULES[code].severity is None else {}
    return "lint: {severity: {" + ", ".join(f"{name}: {level}" for name, level in {**off, **on}.items()) + "}}\n"
