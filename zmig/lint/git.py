"""The git repository around a manifest: what was in files at another revision. Nothing in it is changed."""

from __future__ import annotations

import os
import shutil
import subprocess
from hashlib import sha1, sha256
from pathlib import Path
from typing import TYPE_CHECKING

from zmig.errors import Problem, UsageError
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_LONG_NAME = 64
"""How long names of objects are in a repository that has SHA-256."""
_FETCH = "fetch it first, for example with `git fetch origin main`"


def root_of(folder: Path) -> str | None:
    """Return the real path of the git repository that holds a folder; None outside of one."""
    real = Path(os.path.realpath(folder))
    return next((str(parent) for parent in (real, *real.parents) if (parent / ".git").exists()), None)


def from_repository(folder: Path) -> Callable[[str], str]:
    """Return a function that makes a path, relative to `folder`, relative to the git repository around it.

    Outside of a repository, and for files elsewhere, paths stay as they are.
    """
    root = root_of(folder)

    def shown(path: str) -> str:
        if root is None:
            return Path(path).as_posix()
        inside = os.path.relpath(os.path.realpath(folder / path), root)
        return Path(path if inside.startswith("..") else inside).as_posix()

    return shown


@valueclass
class Repository:
    """A git repository."""

    root: str
    """The real path of its work tree."""
    program: str

    @classmethod
    def around(cls, folder: Path) -> Repository:
        """Return the repository that holds a folder. Raises UsageError where there is none, or no git."""
        root = root_of(folder)
        if root is None:
            message = f"`{folder}` is in no git repository, so there is no revision to compare with"
            raise UsageError(Problem("base-unusable", message, hint="leave `--base` out"))
        program = shutil.which("git")
        if program is None:
            message = "the program `git` is not installed, so no revision can be compared with"
            raise UsageError(Problem("base-unusable", message, hint="install git, or leave `--base` out"))
        return cls(root, program)

    def commit(self, revision: str) -> str:
        """Return the hash of the commit that a revision names. Raises UsageError where it names none."""
        ended = self._run("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
        if ended.returncode != 0:
            said = ended.stderr.decode(errors="replace").strip().splitlines()[:1]
            message = f"git knows no revision `{revision}`"
            raise UsageError(Problem("base-unusable", message, facts=tuple(said), hint=_FETCH))
        return ended.stdout.decode().strip()

    def usual_base(self, environ: Mapping[str, str]) -> str | None:
        """Return the revision that work is compared with where nobody names one; None where none is known.

        What pre-commit is asked to compare, or the branch that a CI service merges into; else origin's main branch.
        """
        revisions: list[str] = []
        # For a push or a checkout, pre-commit gives what was there before: the same branch, where it was pushed before.
        if not (environ.get("PRE_COMMIT_REMOTE_NAME") or environ.get("PRE_COMMIT_CHECKOUT_TYPE")):
            revisions.append(environ.get("PRE_COMMIT_FROM_REF", ""))
        revisions += [f"origin/{branch}" for branch in (merged_into(environ), "HEAD", "main", "master") if branch]
        return next((one for one in revisions if one and self._knows(one)), None)

    def _knows(self, revision: str) -> bool:
        named = f"{revision}^{{commit}}"
        return self._run("rev-parse", "--verify", "--quiet", "--end-of-options", named).returncode == 0

    def fork(self, commit: str) -> str | None:
        """Return where the work tree's branch left the history of a commit.

        None where that is not known here: the clone is shallow, or the two have nothing in common.
        """
        fork = self._run("merge-base", commit, "HEAD").stdout.decode().strip()
        if fork:
            return fork
        # CI services check out the merge of a branch into its base, often without any history.
        head = self._run("cat-file", "commit", "HEAD").stdout.decode(errors="replace")
        return commit if f"parent {commit}" in head.partition("\n\n")[0].splitlines() else None

    def inside(self, path: Path | str) -> str | None:
        """Return a path relative to the root, with `/` between its parts; None for one outside."""
        relative = os.path.relpath(os.path.realpath(path), self.root)
        return None if relative.startswith("..") else relative.replace(os.sep, "/")

    def texts(self, commit: str, paths: Iterable[str], *, here: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the texts that files had, by their path relative to the root; what was not there is left out.

        Those that are as they are `here` are not read again: git knows a content by its checksum.
        """
        here = here or {}
        wanted = [path for path in dict.fromkeys(paths) if "\n" not in path]
        same: dict[str, str] = {}
        if any(path in here for path in wanted):
            ended = self._run("cat-file", "--batch-check=%(objectname)", answers=_names(commit, wanted))
            for path, said in zip(wanted, ended.stdout.decode(errors="replace").split("\n"), strict=False):
                if path in here and said == _object_name(here[path], said):
                    same[path] = here[path]
        left = [path for path in wanted if path not in same]
        if left:
            ended = self._run("cat-file", "--batch", answers=_names(commit, left))
            answers = zip(left, _answers(ended.stdout), strict=False)
            same |= {path: text for path, text in answers if text is not None}
        return same

    def _run(self, *words: str, answers: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        command = [self.program, "-C", self.root, *words]
        return subprocess.run(command, input=answers, capture_output=True, check=False)


def _names(commit: str, paths: Iterable[str]) -> bytes:
    return "".join(f"{commit}:{path}\n" for path in paths).encode()


def _object_name(text: str, like: str) -> str:
    """Return what git calls a file of this text, with the checksum that another such name is."""
    octets = text.encode()
    made = sha256() if len(like) == _LONG_NAME else sha1(usedforsecurity=False)
    made.update(b"blob %d\0" % len(octets) + octets)
    return made.hexdigest()


def _answers(output: bytes) -> Iterator[str | None]:
    """Yield the texts in what `git cat-file --batch` printed; None for what is no file, or is missing."""
    offset = 0
    while (end := output.find(b"\n", offset)) >= 0:
        words = output[offset:end].split()
        offset = end + 1
        if not words or words[-1] in (b"missing", b"ambiguous"):
            yield None
            continue
        size = int(words[-1])
        content = output[offset : offset + size] if words[-2] == b"blob" else None
        yield None if content is None else content.decode(errors="replace").removeprefix("\ufeff")
        offset += size + 1


def merged_into(environ: Mapping[str, str]) -> str | None:
    """Return the branch that a pull or merge request is for, as GitHub and GitLab say it; None where there is none."""
    return environ.get("GITHUB_BASE_REF") or environ.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME") or None
