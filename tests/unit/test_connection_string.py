"""What is said of texts that are no connection strings: what to write instead, and never a password."""

from __future__ import annotations

import pytest

from zmig.database import connection
from zmig.database.connection_string import parameters
from zmig.errors import UsageError

SAID = {
    "a driver of SQLAlchemy": (
        "postgresql+psycopg2://app:pw%40x@h/db",
        "its scheme `postgresql+psycopg2` names a driver, as SQLAlchemy has it",
        "write `postgresql://` in place of `postgresql+psycopg2://`",
    ),
    "an asynchronous driver": (
        "postgresql+asyncpg://app:hunter2@h/db",
        "its scheme `postgresql+asyncpg` names a driver, as SQLAlchemy has it",
        "write `postgresql://` in place of `postgresql+asyncpg://`",
    ),
    "MySQL": (
        "mysql://root:hunter2@h/db",
        "`mysql://` names a MySQL database, and zmig works with PostgreSQL",
        "write `postgresql://user:password@host:5432/name`",
    ),
    "Java": (
        "jdbc:postgresql://h:5432/db?user=app&password=hunter2",
        "it begins with `jdbc:`, as Java's drivers have it",
        "write it as `postgresql://user:password@host:5432/name`, without `jdbc:`",
    ),
    "sqitch": (
        "db:pg://app:hunter2@h/db",
        "it begins with `db:`, as sqitch has it",
        "write it as `postgresql://user:password@host:5432/name`, without `db:`",
    ),
    "GeoDjango": (
        "postgis://app:hunter2@h/db",
        "its scheme is `postgis`, which PostgreSQL's client does not know",
        "write `postgresql://` in place of `postgis://`",
    ),
    "Django's engine": (
        "django.db.backends.postgresql://app:hunter2@h/db",
        "its scheme is `django.db.backends.postgresql`, which PostgreSQL's client does not know",
        "write `postgresql://` in place of `django.db.backends.postgresql://`",
    ),
    "Django's old engine": (
        "postgresql_psycopg2://app:hunter2@h/db",
        "its scheme is `postgresql_psycopg2`, which PostgreSQL's client does not know",
        "write `postgresql://` in place of `postgresql_psycopg2://`",
    ),
    "GeoDjango's engine": (
        "django.contrib.gis.db.backends.postgis://app:hunter2@h/db",
        "its scheme is `django.contrib.gis.db.backends.postgis`, which PostgreSQL's client does not know",
        "write `postgresql://` in place of `django.contrib.gis.db.backends.postgis://`",
    ),
    "Django's settings": (
        "{'ENGINE': 'django.db.backends.postgresql', 'NAME': 'db', 'USER': 'app', 'PASSWORD': 'hunter2'}",
        "it is the settings of Django, in `{...}`",
        "write it as `postgresql://USER:PASSWORD@HOST:PORT/NAME`, with the values of those keys, and with `%40`, "
        "`%2F`, `%3A` and the like for special characters of the password",
    ),
    "what dj-database-url takes": (
        "postgresql://app:hunter2@h/db?ssl_require=true",
        "PostgreSQL's client does not know its parameter `ssl_require`",
        "write `sslmode=require` in its place",
    ),
    "capitals": (
        "PostgreSQL://app:hunter2@h/db",
        "its scheme is `PostgreSQL`, which PostgreSQL's client does not know",
        "write `postgresql://` in place of `PostgreSQL://`",
    ),
    "Prisma's schema": (
        "postgresql://app:hunter2@h/db?schema=public",
        "PostgreSQL's client does not know its parameter `schema`",
        "write `options=-csearch_path%3DNAME` in its place, or remove it",
    ),
    "Prisma's pooler": (
        "postgresql://app:hunter2@h/db?sslmode=require&pgbouncer=true",
        "PostgreSQL's client does not know its parameter `pgbouncer`",
        "remove it, and name the server itself: a transaction pooler cannot keep the run's lock",
    ),
    "a parameter written wrong": (
        "postgresql://app:hunter2@h/db?ssl_mode=require",
        "PostgreSQL's client does not know its parameter `ssl_mode`",
        "write `sslmode` in its place",
    ),
    "sslmode written wrong": (
        "postgresql://app:hunter2@h/db?sslmode=required",
        "its `sslmode` is `required`",
        "write `sslmode=require`",
    ),
    "sslmode with a _": (
        "host=h password=hunter2 sslmode=verify_full",
        "its `sslmode` is an unknown word",
        "write `sslmode=verify-full`",
    ),
    "a timeout that is no number": (
        "postgresql://app:hunter2@h/db?connect_timeout=abc",
        "its `connect_timeout` is not a number of seconds",
        "write `connect_timeout=10`",
    ),
    "quotes of a shell": ("'postgresql://app:hunter2@h/db'", "it begins with a quote", "remove the quotes around it"),
    "a command line": (
        "psql 'postgresql://app:hunter2@h/db'",
        "it begins with the word `psql`",
        "write what follows that word, without quotes",
    ),
    "slashes are missing": (
        "postgresql:h/db",
        "`//` is missing after `postgresql:`",
        "write it as `postgresql://user:password@host:5432/name`",
    ),
}
WITHOUT_A_FORM = {
    "settings of Django": "{'ENGINE': 'django.db.backends.postgresql', 'PASSWORD': 'hunter2'}",
    ".NET": "Host=h;Username=app;Password=hunter2;Database=db",
    "no scheme": "app:hunter2@h:5432/db",
    "octets that are no text": "postgresql://app:hunter2@h/%ff",
    "half a character": "postgresql://app:hunter2@h/\udcff",
    "a NUL": "postgresql://app:hunter2@h/d\0b",
}
SECRET_WORDS = {
    "behind ? in a password": "postgresql://h/app:hun?hunter2=x@h/db",
    "behind & in a password": "postgresql://h/db?password=hun&hunter2=x",
    "behind a blank in a password": "host=h password=hun hunter2=x",
    "a password where the port should be": "postgresql://app:hun?hunter2=x",
}


@pytest.mark.parametrize("case", SAID)
def test_what_is_wrong_is_named_with_what_to_write(case: str) -> None:
    text, why, hint = SAID[case]
    with pytest.raises(UsageError) as caught:
        parameters(text)
    problem = caught.value.problems[0]
    assert problem.code == "database-url-invalid"
    assert problem.message == f"the database URL is not a connection string: {why}"
    assert problem.hint == hint
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize("text", WITHOUT_A_FORM.values(), ids=WITHOUT_A_FORM)
def test_a_text_of_another_form_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(UsageError, match="the database URL is not a connection string") as caught:
        parameters(text)
    assert "hunter2" not in str(caught.value.problems)


@pytest.mark.parametrize("text", SECRET_WORDS.values(), ids=SECRET_WORDS)
def test_a_word_that_may_be_part_of_a_password_is_not_shown(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parameters(text)
    assert "hunter2" not in str(caught.value.problems)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://app:p%40w@h:5432/db?sslmode=verify-full&connect_timeout=3",
        "postgres:///db?host=/var/run",
        "host=h dbname=db connect_timeout=' 3'",
        "dbname=postgresql://h/db",
        "service=shop",
    ],
)
def test_a_connection_string_is_taken(text: str) -> None:
    assert parameters(text)


def test_a_timeout_of_the_environment_that_is_no_number_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "abc")
    with pytest.raises(UsageError, match="`PGCONNECT_TIMEOUT` is not a number of seconds"):
        connection.connect(connection.target("host=127.0.0.1 port=1", environ={}), application_name="zmig")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("service=nosuch", "define the service in ~/.pg_service.conf, or correct `service` in `database.url`"),
        ("host=127.0.0.1 port=99999", "correct the port in `database.url`"),
        ("host=127.0.0.1 target_session_attrs=foo", "correct `target_session_attrs` in `database.url`"),
        ("host=127.0.0.1 port=1 keepalives=abc", "correct `keepalives` in `database.url`"),
    ],
)
def test_what_only_connecting_tells_has_its_hint(text: str, hint: str) -> None:
    with pytest.raises(connection.ConnectionFailed) as caught:
        connection.connect(connection.target(text, environ={}), application_name="zmig")
    assert caught.value.problems[0].hint == hint


@pytest.mark.parametrize(
    "text",
    ["", "  ", "\n", "postgresql://", "postgres:///", "postgresql://me@", "postgresql://me:hunter2@/", "dbname=",
     "host='' user=me", "postgresql://?sslmode=require", "port=5432", "user=me password=hunter2", "dbname=' '"],
)  # fmt: skip
def test_a_text_that_leaves_the_choice_of_a_database_to_the_environment_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"the database URL (is empty|names neither a host nor a database)") as caught:
        parameters(text)
    assert (caught.value.code, "hunter2" in str(caught.value)) == ("database-missing", False)


@pytest.mark.parametrize(
    "text", ["postgresql:///db", "postgresql://h", "host=/run", "hostaddr=127.0.0.1", "dbname=db", "service=prod"]
)
def test_a_text_that_names_a_host_or_a_database_or_a_service_is_enough(text: str) -> None:
    parameters(text)
