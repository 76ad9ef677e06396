"""What `zmig lint` keeps of what it found: it is quicker then, and never says anything else."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zmig.lint import run
from zmig.lint.cache import catalogs, keys
from zmig.lint.cache import folder as folders
from zmig.lint.grammar import Grammar
from zmig.lint.replay import objects, tree
from zmig.lint.replay.catalog import Catalog
from zmig.lint.run import Report, lint
from zmig.lint.sql_file import read
from zmig.lint.squawk import program as squawk
from zmig.lint.steps import follow

if TYPE_CHECKING:
    from collections.abc import Callable

    from postgast import pg_query_pb2 as pg

    Git = Callable[..., str]

COUNT = 8


class Project:
    """A manifest with migrations, which a test edits and lints."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.environ = {"XDG_CACHE_HOME": str(home), "LIMIT": "3s"}
        self.header = ["name: shop"]
        self.entries = [
            f"{{version: {one}, file: {one:03}.sql, rollback: {one:03}.rollback.sql}}" for one in range(1, COUNT)
        ]
        self.names = ["people", "places", "orders", "items"]
        for number in range(1, COUNT):
            self.write(number, f"-- table {number}\ncreate table t{number} (id bigint primary key, note text);\n")
        (folder / "view.sql").write_text("create or replace view v as select id from t1;\n")
        self.entries.append("{version: 90, kind: repeatable, file: view.sql}")
        self.save()

    def write(self, number: int, text: str) -> None:
        (self.folder / f"{number:03}.sql").write_text(text)
        (self.folder / f"{number:03}.rollback.sql").write_text(f"drop table t{number};\n")

    def save(self) -> None:
        lines = ["manifest: 1", *self.header, "migrations:", *(f"  - {one}" for one in self.entries)]
        (self.folder / "manifest.yaml").write_text("\n".join(lines) + "\n")

    def lint(self, *, base: str | None = None, is_kept: bool = True) -> Report:
        return lint([Path("manifest.yaml")], environ=self.environ, base=base, is_kept=is_kept)

    @property
    def kept(self) -> list[Path]:
        return sorted((self.folder / ".zmig" / "lint").glob("*.json"))


@pytest.fixture
def project(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(folder, tmp_path_factory.mktemp("home"))


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that were parsed."""
    texts: list[str] = []
    plain = tree.parse

    def parse(text: str) -> pg.Node:
        texts.append(text)
        return plain(text)

    monkeypatch.setattr(tree, "parse", parse)
    return texts


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that squawk was asked about."""
    files: list[str] = []
    plain = squawk.check

    def check(program: str, jobs: dict[squawk.Job, None], *, include: list[str]) -> squawk.SquawkReport:
        files.extend(Path(job.file.path).name for job in jobs)
        return plain(program, jobs, include=include)

    monkeypatch.setattr(squawk, "check", check)
    return files


def test_what_did_not_change_is_not_looked_at_again(
    project: Project, parsed: list[str], asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = project.lint()
    assert first.findings
    assert parsed
    assert asked
    parsed.clear()
    asked.clear()

    def load(_missing: list[str]) -> None:
        pytest.fail("the grammar was loaded")

    monkeypatch.setattr(run, "load_grammar", load)
    assert project.lint() == first
    assert (parsed, asked) == ([], [])


def test_a_new_migration_goes_on_from_the_catalog_before_it(
    project: Project, parsed: list[str], asked: list[str]
) -> None:
    project.entries.pop()
    project.save()
    project.lint()
    for text in ("alter table t1 add column more int;\n", "alter table t1 add column other int;\n"):
        project.write(COUNT, text)
        if len(project.entries) < COUNT:
            project.entries.append(f"{{version: {COUNT}, file: {COUNT:03}.sql}}")
            project.save()
        parsed.clear()
        asked.clear()
        report = project.lint()
        assert {one.strip() for one in parsed} == {text.strip(";\n")}
        assert asked == [f"{COUNT:03}.sql"]
        assert report == project.lint(is_kept=False)


def test_with_base_and_nothing_new_no_statement_is_parsed(
    project: Project, git: Git, parsed: list[str], asked: list[str]
) -> None:
    git("add", ".")
    git("commit", "-q", "-m", "all")
    report = project.lint(base="main")
    assert (report.findings, parsed, asked) == ((), [], [])
    assert git("status", "--porcelain") == "", "git sees what is kept"


def _edit(project: Project, chance: random.Random) -> str:
    """Change something of a project, and return what."""
    number = chance.randrange(1, COUNT)
    statements = [
        f"alter table t{chance.randrange(1, COUNT)} add column c{chance.randrange(9)} int",
        f"alter table t{chance.randrange(1, COUNT)} alter column note set not null",
        f"alter table t{chance.randrange(1, COUNT)} add check (note <> '{chance.randrange(9)}')",
        f"create index on t{chance.randrange(1, COUNT)} (note)",
        f"alter table t{number} rename to r{number}",
        f"alter table t{number} drop column note",
        f"drop table t{chance.randrange(1, COUNT)}",
        "do $$ begin execute 'create index on t1 (id)'; end $$",
        "create function f() returns trigger language plpgsql as $$ begin update t1 set note = ''; return new; end $$",
        f"create trigger f after insert on t{number} for each row execute function f()",
        f"create view w{number} as select note from t{chance.randrange(1, COUNT)}",
        "nonsense",
    ]
    match chance.choice(
        ["file", "file", "file", "swap", "header", "entry", "gone", "rollback", "view", "comment", "name"]
    ):
        case "file":
            made = "; ".join(chance.sample(statements, chance.randrange(1, 3)))
            project.write(number, f"-- changed\ncreate table t{number} (id int, note text);\n{made};\n")
            return f"file {number}: {made}"
        case "swap":
            one, other = chance.sample(range(1, COUNT), 2)
            paths = [project.folder / f"{each:03}.sql" for each in (one, other)]
            first, second = (path.read_text() for path in paths)
            paths[0].write_text(second)
            paths[1].write_text(first)
            return f"swap {one} {other}"
        case "header":
            project.header = [
                "name: shop",
                *chance.sample(
                    [
                        "lint: {postgres_version: 14}",
                        "lint: {severity: {rollback/loses-new-data: error, name/no-description: 'off'}}",
                        "lint: {severity: {squawk/prefer-*: error}}",
                        "lint: {start_after: 3}",
                    ],
                    chance.randrange(2),
                ),
                *chance.sample(
                    ["defaults: {lock_timeout: 3s}", "# a comment", "defaults: {lock_timeout: '${LIMIT}'}"], 1
                ),
            ]
        case "entry":
            keys = [
                "transaction: false",
                "name: other",
                "lint: {ignore: [{rule: lock/unlimited, reason: known}]}",
                "description: x",
            ]
            project.entries[number - 1] = f"{{version: {number}, file: {number:03}.sql, {chance.choice(keys)}}}"
        case "gone":
            project.entries[number - 1] = f"{{version: {number}, file: {number + 1:03}.sql}}"
        case "rollback":
            (project.folder / f"{number:03}.rollback.sql").write_text(f"drop table if exists t{number} cascade;\n")
        case "view":
            (project.folder / "view.sql").write_text(
                f"create or replace view v{chance.randrange(3)} as select 1 as id;\n"
            )
        case "comment":
            project.entries[number - 1] = (
                project.entries[number - 1].split("  #")[0] + f"  # password {chance.randrange(3)}"
            )
        case _:
            project.environ["LIMIT"] = chance.choice(["3s", "5s", "nonsense"])
    project.save()
    return project.entries[number - 1] + str(project.header)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_edited_the_same_is_found(project: Project, git: Git, seed: int) -> None:
    chance = random.Random(seed)
    git("add", ".")
    git("commit", "-q", "-m", "all")
    project.lint()
    for _ in range(12):
        done = _edit(project, chance)
        base = chance.choice([None, None, "main"])
        if chance.random() < 0.2:
            git("add", ".")
            git("commit", "-q", "--allow-empty", "-m", "more")
        plain = project.lint(base=base, is_kept=False)
        assert project.lint(base=base) == plain, done
        assert project.lint(base=base) == plain, f"again after {done}"


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _no_json(content: bytes) -> bytes:
    return content.replace(b'"', b"'")


def _another(content: bytes) -> bytes:
    return content[:64] + b"\n{}"


def _changed(content: bytes) -> bytes:
    return content.replace(b"note", b"nota")


def _no_text(content: bytes) -> bytes:
    return b"\xff" * len(content)


@pytest.mark.parametrize("damage", [_cut, _no_json, _another, _changed, _no_text])
def test_what_is_damaged_is_not_there(project: Project, damage: Callable[[bytes], bytes]) -> None:
    report = project.lint()
    assert project.kept
    for path in project.kept:
        path.write_bytes(damage(path.read_bytes()))
    assert project.lint() == report
    project.entries.append(f"{{version: {COUNT}, file: {COUNT:03}.sql}}")
    project.write(COUNT, "alter table t1 add column more int;\n")
    project.save()
    assert project.lint() == project.lint(is_kept=False)


def test_what_somebody_else_says_was_found_is_not_believed(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    report = project.lint()
    theirs = folders.CacheFolder(project.folder / ".zmig" / "lint", b"a key of theirs")
    nothing: list[list[str]] = [[], [], []]
    for path in project.kept:
        content: dict[str, object] = json.loads(path.read_bytes().partition(b"\n")[2])
        theirs.write(path.name, dict.fromkeys(content, nothing))
    assert project.lint() == report
    project.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("another home"))
    assert project.lint() == report


def test_what_another_key_has_signed_is_replaced(
    project: Project, parsed: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    project.entries.pop()
    project.save()
    project.lint()
    project.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("another home"))
    project.lint()
    text = "alter table t1 add column more int;\n"
    project.write(COUNT, text)
    project.entries.append(f"{{version: {COUNT}, file: {COUNT:03}.sql}}")
    project.save()
    parsed.clear()
    project.lint()
    assert {one.strip() for one in parsed} == {text.strip(";\n")}


def test_a_key_inside_of_the_project_is_nobodys(project: Project, git: Git) -> None:
    key = project.folder / "home" / "zmig" / "lint-key"
    key.parent.mkdir(parents=True)
    key.write_bytes(b"x" * 32)
    key.chmod(0o600)
    project.environ["XDG_CACHE_HOME"] = str(project.folder / "home")
    assert git("rev-parse", "--show-toplevel")
    project.lint()
    assert project.kept == []


def test_a_key_that_others_can_read_is_not_used(project: Project) -> None:
    project.lint()
    Path(project.environ["XDG_CACHE_HOME"], "zmig", "lint-key").chmod(0o644)
    for path in project.kept:
        path.unlink()
    assert project.lint().findings
    assert project.kept == []


def test_a_link_in_place_of_the_folder_is_not_followed(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (project.folder / ".zmig").symlink_to(elsewhere)
    assert project.lint().findings
    assert [*elsewhere.iterdir()] == []


def test_a_file_in_place_of_the_folder_is_no_harm(project: Project) -> None:
    (project.folder / ".zmig").write_text("mine")
    assert project.lint() == project.lint(is_kept=False)
    assert (project.folder / ".zmig").read_text() == "mine"


def test_a_full_disk_is_no_harm(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & os.O_CREAT and any(part in str(path) for part in (".zmig", "lint-key", str(home))):
            raise OSError(28, "No space left on device")
        return plain(path, flags, mode, dir_fd=dir_fd)

    found = project.lint(is_kept=False)
    home, plain = project.environ["XDG_CACHE_HOME"], os.open
    monkeypatch.setattr(os, "open", full)
    assert project.lint() == found
    assert project.kept == []


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_read_only_folder_is_no_harm(project: Project) -> None:
    plain = project.lint(is_kept=False)
    project.folder.chmod(0o555)
    try:
        assert project.lint() == plain
        assert project.kept == []
    finally:
        project.folder.chmod(0o755)


def test_another_version_of_what_checks_looks_again(
    project: Project, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    report = project.lint()
    asked.clear()
    monkeypatch.setattr(keys.zmig, "__version__", "9.9.9")
    assert project.lint() == report
    assert len(asked) == COUNT


def test_several_at_once_find_the_same(project: Project) -> None:
    command = [sys.executable, "-m", "zmig", "lint", "manifest.yaml", "--format", "json"]
    environ = {**os.environ, **project.environ}
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, env=environ) for _ in range(4)]
    outputs = {process.communicate()[0] for process in running}
    assert len(outputs) == 1
    assert len(json.loads(outputs.pop())["findings"]) == len(project.lint().findings)


def test_no_more_is_kept_than_some_files(project: Project) -> None:
    kept = folders.CacheFolder(project.folder / ".zmig" / "lint", b"key")
    mine = project.folder / ".zmig" / "lint" / "mine.json"
    for number in range(40):
        kept.write(f"{number:040x}.catalog.json", {"number": number})
        mine.write_text("not of lint")
    assert len(project.kept) == 25
    assert mine.exists()
    assert kept.read(f"{39:040x}.catalog.json") == {"number": 39}


def test_a_file_of_another_name_is_not_read(project: Project) -> None:
    kept = folders.CacheFolder(project.folder / ".zmig" / "lint", b"key")
    one, other = "0" * 40 + ".catalog.json", "1" * 40 + ".catalog.json"
    kept.write(one, [1])
    (project.folder / ".zmig" / "lint" / one).rename(project.folder / ".zmig" / "lint" / other)
    assert kept.read(other) is None


def test_without_a_cache_nothing_is_written(project: Project) -> None:
    command = [sys.executable, "-m", "zmig", "lint", "manifest.yaml", "--no-cache"]
    subprocess.run(command, check=False, capture_output=True, env={**os.environ, **project.environ})
    assert not (project.folder / ".zmig").exists()


EVERYTHING = """
create schema shop;
create type shop.mood as enum ('good', 'bad');
create type shop.pair as (a int, b text);
create type shop.span as range (subtype = int);
create domain shop.email as text check (value like '%@%') not null;
create sequence shop.numbers;
create table shop.people (
    id bigint generated always as identity primary key, mood shop.mood default 'good', mail shop.email,
    age int check (age > 0 and age < 200), born date not null default now(),
    twice int generated always as (age * 2) stored,
    boss bigint references shop.people (id) on delete cascade, unique (mail, age) deferrable,
    exclude using gist (age with =)
);
create index on shop.people (lower(mail)) include (age) where age is not null;
create unique index people_age on shop.people using btree (age desc nulls last);
create table events (at timestamptz, kind text) partition by range (at);
create table events_1 partition of events for values from ('2020-01-01') to ('2021-01-01');
create table events_rest partition of events default;
create table kinds (kind text) partition by list (kind);
create table kinds_1 partition of kinds for values in ('a', 'b');
create view shop.adults as select id, age from shop.people where age > 18;
create materialized view counts as select count(*) as n from shop.people;
create function shop.touch() returns trigger language plpgsql security definer set search_path = shop as
    $$ begin new.age = 1; return new; end $$;
create trigger touch before update of age on shop.people for each row when (new.age > 1) execute function shop.touch();
alter table shop.people enable row level security;
create policy own on shop.people for select to public using (age > 1) with check (mail is not null);
alter table shop.people rename column age to years;
create extension pgcrypto;
create role clerk;
drop view shop.adults;
create rule nothing as on insert to kinds do instead nothing;
"""


def test_a_catalog_comes_back_as_it_was() -> None:
    grammar = Grammar()
    _, catalog = follow(read(EVERYTHING, path="a.sql"), Catalog(), grammar, version=16, is_transactional=True)
    kept = json.loads(json.dumps(catalogs.encoded(catalog, frozenset({1, 2}))))
    again, [new] = catalogs.decoded(kept)
    assert new == frozenset({1, 2})
    assert json.loads(json.dumps(catalogs.encoded(again, new))) == kept
    people = next(one for one in again.tables() if one.name.name == "people")
    assert (
        people.columns["years"].type
        == next(one for one in catalog.tables() if one.name == people.name).columns["years"].type
    )
    checks = [one.expression for one in people.constraints.values() if one.expression is not None]
    assert {"years"} in [set(one.columns) for one in checks]
    for sql in ("alter table shop.people alter column years set not null;", "drop table shop.people cascade;"):
        file = read(sql, path="b.sql")
        steps = [follow(file, one, grammar, version=16, is_transactional=True)[0] for one in (catalog, again)]
        effects = [
            [
                (type(one), getattr(one, "ref", None), getattr(one, "reason", None))
                for step in some
                for one in step.effects
            ]
            for some in steps
        ]
        assert effects[0] == effects[1] != []


def test_every_kind_of_object_can_be_kept() -> None:
    made = {one for one in vars(objects).values() if isinstance(one, type) and hasattr(one, "__value_fields__")}
    assert len(made) > 10
    assert made <= set(catalogs._VALUES), "name it in `zmig/lint/cache/catalogs.py`"  # pyright: ignore[reportPrivateUsage]


def test_a_catalog_is_taken_from_before_the_edited_migration(project: Project, parsed: list[str]) -> None:
    project.lint()
    project.write(4, "alter table t1 add column more int;\n")
    project.lint()
    project.write(4, "alter table t1 add column other int;\n")
    parsed.clear()
    report = project.lint()
    assert not any("create table t2" in text for text in parsed)
    assert any("create table t5" in text for text in parsed)
    assert report == project.lint(is_kept=False)


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"trees": [], "catalog": {}, "beside": []}, id="a catalog of nothing"),
        pytest.param({"trees": [], "catalog": {"_relations": {"Popen": [["true"]]}}, "beside": []}, id="another class"),
    ],
)
def test_what_is_no_catalog_is_refused(kept: object) -> None:
    with pytest.raises((LookupError, TypeError, ValueError, AttributeError)):
        catalogs.decoded(kept)


def test_what_can_be_put_where_is_kept_as_it_was(project: Project) -> None:
    project.write(3, "-- grün\ncreate table t3 (id bigint primary key, note json);\n")
    project.entries[4] = "{version: 5, file: 005.sql, rollback: 005.rollback.sql, lock_timeout: 0}"
    project.write(5, "-- why\nalter table t1 add column z int;\n")
    project.save()
    fresh, kept = project.lint(is_kept=False), [project.lint() for _ in range(2)]
    assert any(one.replacement == "jsonb" for one in fresh.findings)
    assert any(one.file == "manifest.yaml" and one.octets is not None for one in fresh.findings)
    assert [one.findings for one in kept] == [fresh.findings] * 2
