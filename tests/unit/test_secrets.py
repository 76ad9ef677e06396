"""What is masked as a secret, and what is left alone."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from zmig.text import secrets
from zmig.text.secrets import MASK, Redactor, names_secret, redact, secret_values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("postgresql://app:pw@db/shop", "postgresql://app:***@db/shop", id="a URL"),
        pytest.param("POSTGRES://app:pw@db", "POSTGRES://app:***@db", id="the short scheme, in capitals"),
        pytest.param("postgresql://:pw@db", "postgresql://:***@db", id="no user"),
        pytest.param("postgresql://a%40b:p%2Fw@db", "postgresql://a%40b:***@db", id="percent-encoded"),
        pytest.param("postgresql://app:p@w@db/x", "postgresql://app:***@db/x", id="a raw @ in the password"),
        pytest.param("postgresql://app:p:w@db/x", "postgresql://app:***@db/x", id="a raw colon"),
        pytest.param("postgresql://app:p/w@db/x", "postgresql://app:***@db/x", id="a raw slash"),
        pytest.param("postgresql://app:12/34@db/x", "postgresql://app:***@db/x", id="digits and a raw slash"),
        pytest.param("postgresql://app:p?w#@db/x", "postgresql://app:***@db/x", id="a raw question mark"),
        pytest.param("postgresql://app:1234@db/x", "postgresql://app:***@db/x", id="digits alone"),
        pytest.param("postgresql://app:p'w\"@db", "postgresql://app:***@db", id="quotes"),
        pytest.param(
            "postgresql://app:pw@a:1,b:2,[::1]:3/x", "postgresql://app:***@a:1,b:2,[::1]:3/x", id="several hosts"
        ),
        pytest.param("postgresql+psycopg://app:pw@db/x", "postgresql+psycopg://app:***@db/x", id="a driver's scheme"),
        pytest.param("redis://:pw@cache:6379/0", "redis://:***@cache:6379/0", id="another server's URL"),
        pytest.param(
            "{'user': 'a', 'password': 'x y', 'port': 1}", "{'user': 'a', 'password': '***', 'port': 1}", id="an entry"
        ),
        pytest.param('{"db_password":"x"}', '{"db_password":"***"}', id="an entry of JSON"),
        pytest.param(
            "from postgresql://a:x@h/d to postgresql://b:y@h/d",
            "from postgresql://a:***@h/d to postgresql://b:***@h/d",
            id="two URLs in a sentence",
        ),
        pytest.param(
            "postgresql://h/d?user=a&password=x&sslmode=require",
            "postgresql://h/d?user=a&password=***&sslmode=require",
            id="the parameter password",
        ),
        pytest.param("postgresql:///d?password=x", "postgresql:///d?password=***", id="the first parameter"),
        pytest.param("postgresql:///d?sslpassword=x&a=b", "postgresql:///d?sslpassword=***&a=b", id="sslpassword"),
        pytest.param("?oauth_client_secret=x", "?oauth_client_secret=***", id="an OAuth secret"),
        pytest.param("host=h password=x user=u", "host=h password=*** user=u", id="keyword form"),
        pytest.param("host=h password = x user=u", "host=h password = *** user=u", id="blanks around the equals sign"),
        pytest.param("PassWord=x", "PassWord=***", id="in any case"),
        pytest.param("password=it's&more, user=u", "password=*** user=u", id="bare, with marks in it"),
        pytest.param(r"password=a\ b\\ user=u", "password=*** user=u", id="bare, with escaped blanks"),
        pytest.param("password='a b' user=u", "password='***' user=u", id="quoted, with a blank"),
        pytest.param(r"password='a\' b\\' user=u", "password='***' user=u", id="quoted, with escapes"),
        pytest.param("password='a\nb' user=u", "password='***' user=u", id="quoted, over two lines"),
        pytest.param("password='never closed user=u", "password='***", id="quoted, never closed"),
        pytest.param("password='never closed\\", "password='***\\", id="quoted, broken off in an escape"),
        pytest.param("PGPASSWORD=x psql", "PGPASSWORD=*** psql", id="the environment variable"),
        pytest.param("scram_client_key=x", "scram_client_key=***", id="a SCRAM key"),
        pytest.param("create role a password 'x' login", "create role a password '***' login", id="a role in SQL"),
        pytest.param("alter user a PASSWORD E'it\\'s'", "alter user a PASSWORD E'***'", id="an escape string in SQL"),
        pytest.param("password 'it''s' x", "password '***' x", id="a doubled quote in SQL"),
        pytest.param("password U&'d\\0061t' x", "password U&'***' x", id="a Unicode string in SQL"),
        pytest.param("alter role a password $q$it's$q$ x", "alter role a password $q$***$q$ x", id="dollars in SQL"),
        pytest.param("password $$a$b$$ x", "password $$***$$ x", id="dollars without a tag"),
        pytest.param(
            "LINE 1: alter role a password $q$never clo...", "LINE 1: alter role a password $q$***", id="cut off"
        ),
        pytest.param("password /* old */ 'x' y", "password /* old */ '***' y", id="behind a comment"),
        pytest.param("password -- old\n'x' y", "password -- old\n'***' y", id="behind a comment to the line's end"),
        pytest.param("password 'x'\n  'y' z", "password '***'\n  '***' z", id="a continued string"),
        pytest.param("password 'x'\n'y'\n\n'w' z", "password '***'\n'***'\n\n'***' z", id="continued twice"),
        pytest.param(
            "password 'x' 'y' 'w' z", "password '***' '***' '***' z", id="continued, on one line in a summary"
        ),
        pytest.param("password 'x' -- c\n 'y' z", "password '***' -- c\n '***' z", id="continued behind a comment"),
        pytest.param("password 'x'\n/* c */ 'y' z", "password '***'\n/* c */ '***' z", id="continued behind a block"),
        pytest.param("password 'x' 'y", "password '***' '***", id="continued and cut off"),
        pytest.param("password 'x', 'y'", "password '***', 'y'", id="a list is not continued"),
        pytest.param(
            "dblink('host=h password=''a b'' user=u')", "dblink('host=h password=''***'' user=u')", id="quoted in SQL"
        ),
        pytest.param(
            "dblink(E'password=\\'a b\\' user=u')", "dblink(E'password=*** user=u')", id="quoted in an escape string"
        ),
        pytest.param('PGPASSWORD="a b" psql', "PGPASSWORD=*** psql", id="the environment variable in quotes"),
        pytest.param("LINE 1: ...host=h password=''a b", "LINE 1: ...host=h password=''***", id="quoted and cut off"),
        pytest.param(
            "format('create role %I password %L', 'a', 'x') y",
            "format('create role %I password %L', '***', '***') y",
            id="put into a format",
        ),
        pytest.param(
            "raise notice 'password %', quote_literal('x');",
            "raise notice 'password %', quote_literal('***');",
            id="put into a message",
        ),
        pytest.param("format('password=%s', 'x')", "format('password=*** '***')", id="put into a connection string"),
        pytest.param(
            "execute 'alter role a password ''x'' login'",
            "execute 'alter role a password ''***'' login'",
            id="in EXECUTE",
        ),
        pytest.param(
            "'alter role a password ' || quote_literal('x')",
            "'alter role a password ' || quote_literal('***')",
            id="joined",
        ),
        pytest.param("'user=a password=' || 'x'", "'user=a password=' || '***'", id="joined to a connection string"),
        pytest.param("program 'curl -u a:x http://h'", "program 'curl -u a:*** http://h'", id="a login of curl"),
        pytest.param(
            "program 'curl --user \"a:x y\" h'", "program 'curl --user \"a:***\" h'", id="a login of curl in quotes"
        ),
        pytest.param("curl -H 'Authorization: Bearer x.y'", "curl -H 'Authorization: Bearer ***'", id="an HTTP header"),
        pytest.param("program 'x --password y z'", "program 'x --password *** z'", id="an option of a program"),
        pytest.param("program 'mysql -u a -px b'", "program 'mysql -u a -p*** b'", id="the option of mysql"),
        pytest.param("set app.password = 'x'", "set app.password = '***'", id="a setting"),
        pytest.param("set local app.db_password to 'x'", "set local app.db_password to '***'", id="a setting with TO"),
        pytest.param("set app.password to x", "set app.password to ***", id="a setting without quotes"),
        pytest.param("set_config('app.api_token', 'x', true)", "set_config('app.api_token', '***', true)", id="a call"),
        pytest.param(
            "options (add \"password\" 'x')", "options (add \"password\" '***')", id="a quoted name of an option"
        ),
        pytest.param(
            "create subscription s connection 'host=h password=x y=z' publication p",
            "create subscription s connection 'host=h password=*** y=z' publication p",
            id="a subscription",
        ),
        pytest.param("alter role a encrypted password 'md5x'", "alter role a encrypted password '***'", id="encrypted"),
        pytest.param(
            "CONTEXT:  SQL statement \"alter role a password 'x'\"",
            "CONTEXT:  SQL statement \"alter role a password '***'\"",
            id="in the context of an error",
        ),
        pytest.param(
            "options (user 'u', password 'x')", "options (user 'u', password '***')", id="a user mapping in SQL"
        ),
        pytest.param(
            'could not connect: "postgresql://a:x@h" (password=y)',
            'could not connect: "postgresql://a:***@h" (password=***',
            id="inside an error, rather too much than too little",
        ),
    ],
)
def test_a_password_is_masked(text: str, expected: str) -> None:
    assert redact(text) == expected
    assert redact(expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://db/shop",
        "postgresql://app@db:5432/shop",
        "postgresql://db:5432/shop?options=a@b",
        "postgresql://db:5432?options=a@b",
        "postgresql://a:1,b:2/shop?options=a@b",
        "postgresql://[::1]:5432/shop?options=a@b",
        "postgresql://app:@db",
        "https://example.com:8080/@zmig",
        "https://zmig@example.com:8080/x",
        "{'password': None, 'password_file': '/run/x'}",
        "postgresql:///d?password=&user=u",
        "password='' user=u",
        "set password_encryption = 'scram-sha-256'",
        'FATAL:  password authentication failed for user "app"',
        'column "password" does not exist',
        "passfile=/home/app/.pgpass",
        "set password_encryption to scram",
        "alter table users add column password text default ''",
        "alter table users alter column password set not null, add column token text",
        "comment on column users.password is 'never the password itself'",
        "select set_config('app.password_policy', 'strict', true)",
        "create index on users (token); update users set name = 'x' where token is null",
        "raise notice 'password changed for %', 'anna'",
        "select format('the user %I has a password', 'anna'), format('%L', 'x')",
        "copy t from program 'curl -s https://example.com/x' (format csv)",
        "copy t from program 'psql -U anna -c x'",
        "set app.password to default",
        "select token, 'a' || 'b' from secrets",
        "a@b.example",
    ],
)
def test_a_text_without_a_password_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


@given(st.text())
def test_any_text_that_speaks_of_no_password_stays_as_it_is(text: str) -> None:
    assume("password" not in text.lower() and "://" not in text)
    assert redact(text) == text


_PIECES = st.sampled_from(
    [
        *("password", "=", " ", "'", "''", "\\", "postgresql://", ":", "@", "/", "?", "&", "a", "1", "***", "\n", "e'"),
        *(
            '"',
            ",",
            "||",
            "(",
            ")",
            "set ",
            " to ",
            "set_config(",
            "%L",
            "format(",
            "program '",
            "curl -u ",
            "--password ",
        ),
    ]
)


@given(st.lists(_PIECES, max_size=20).map("".join))
def test_masking_twice_is_masking_once(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@given(st.lists(_PIECES, max_size=20).map("".join))
def test_each_pattern_is_tried_where_it_finds_something(text: str) -> None:
    found = [sign for sign, some in secrets._patterns() if any(one.search(text) for one in some)]  # pyright: ignore[reportPrivateUsage]
    assert all(sign.search(text.casefold()) for sign in found)


_SECRETS = st.text(st.characters(codec="utf-8", exclude_characters="*\0"), min_size=3, max_size=12)


@given(_SECRETS, st.lists(st.one_of(_PIECES, st.none()), max_size=12))
def test_masking_known_secrets_twice_is_masking_once(secret: str, pieces: list[str | None]) -> None:
    masked = Redactor(secret)
    once = masked("".join(secret if piece is None else piece for piece in pieces))
    assert masked(once) == once


@given(st.text(st.characters(codec="ascii", min_codepoint=33), min_size=8).filter(lambda text: MASK not in text))
def test_no_password_of_a_connection_string_is_left(password: str) -> None:
    keywords = make_conninfo("", host="db", password=password, user="u")
    assert conninfo_to_dict(redact(keywords)) == {"host": "db", "password": MASK, "user": "u"}


@pytest.mark.parametrize(
    ("secret", "text", "expected"),
    [
        pytest.param("s3cret", "the server said s3cret.", "the server said ***.", id="in a sentence"),
        pytest.param("p@ss/w", "p%40ss%2Fw p@ss/w", "*** ***", id="in both spellings"),
        pytest.param("p%40ss", "p%2540ss p%40ss p@ss", "*** *** ***", id="written in percent-encoding"),
        pytest.param("k3y-of-a-shop", "my_k3y-of-a-shopx", "my_***x", id="inside a word, if it is none itself"),
        pytest.param("production", "reproductions", "reproductions", id="not inside a word, if it is one itself"),
        pytest.param("app", "app was applied, app_role, `app`", "*** was applied, app_role, `***`", id="as a word"),
        pytest.param("(x)", "f(x)y", "f***y", id="without letters at its ends, anywhere"),
        pytest.param("a.c", "abc a.c", "abc ***", id="taken literally"),
        pytest.param("ab", "ab", "ab", id="not a value so short that it occurs everywhere"),
        pytest.param("%41", "A %41", "A ***", id="not the short text it decodes to"),
        pytest.param("", "text", "text", id="no secret at all"),
        pytest.param(None, "text", "text", id="no secret given"),
        ("o'brien", "default 'o''brien'::text", "default '***'::text"),
        ('o"brien', 'grant all on t to "o""brien"', 'grant all on t to "***"'),
        ("o\\br'ien", "default E'o\\\\br''ien', '{\"a\": \"o\\\\br''ien\"}'", "default E'***', '{\"a\": \"***\"}'"),
        ('o"\nbrien', '{"a": "o\\"\\nbrien"}', '{"a": "***"}'),
    ],
)
def test_a_known_secret_is_masked(secret: str | None, text: str, expected: str) -> None:
    assert Redactor(secret)(text) == expected


def test_the_longer_of_two_secrets_is_masked_first() -> None:
    assert Redactor("pass", "pass word")("pass word, pass") == "***, ***"


@pytest.mark.parametrize(
    "name", ["API_TOKEN", "SECRETKEYBASE", "DBPASSWD", "PGPASS", "SIGNING_KEY_2", "my_credentials"]
)
def test_a_variable_that_sounds_secret_is(name: str) -> None:
    assert list(secret_values({name: "customers"})) == ["customers"]


@pytest.mark.parametrize(
    "name", ["DB_KEYSPACE", "PASSENGER_APP_ENV", "KEYBOARD", "MONKEY", "PASSAGE", "TOKENIZER", "COMPASS"]
)
def test_a_variable_that_only_sounds_so_is_not(name: str) -> None:
    assert list(secret_values({name: "customers"})) == []


@pytest.mark.parametrize("name", ["password", "appPassword", "DB_PASSWD", "api_key", "secret_key2", "reader.token"])
def test_names_of_secrets_are_known(name: str) -> None:
    assert names_secret(name)


@pytest.mark.parametrize("name", ["schema", "token_table", "password_reset_days", "key", "owner"])
def test_other_names_are_none_of_secrets(name: str) -> None:
    assert not names_secret(name)
