"""What the text of a batched statement shows of rounds that pass rows over, or take them twice."""

from __future__ import annotations

import pytest

from zmig.batches import skipped_rows
from zmig.sql import script

RIGHT = """
update users set name = lower(name) where id in (select id from users where id > :cursor order by id limit
:size) returning id;
with chosen as (select key from items where key > :cursor order by key limit :size), changed as (update items
set price = price * 2 from chosen where items.key = chosen.key and price < 100) select max(key), count(*) from
chosen;
with chosen as (select key from users where key > :cursor order by key limit :size), touched as (update users
set touched = touched + 1 from chosen where users.key = chosen.key) select max(key), count(*) from chosen;
with chosen as (select k from users where k > :cursor order by k fetch first :size rows with ties), touched as
(update users set touched = touched + 1 from chosen where users.k = chosen.k returning 1) select max(k),
count(*) from touched, chosen;
update users set touched = touched + 1 where id in (select id from users where k is not null and k > :cursor
order by k fetch first :size rows with ties) returning k;
update users set name = stumble(id) where id in (select id from users where id > :cursor order by id limit
:size) returning id;
update t set x = x where x > :cursor and x < :cursor + :size returning x + 0;
with n as (select id from app.keyed where id > :cursor order by id limit :size) update app.keyed set v = v + 1
from n where keyed.id = n.id returning keyed.id;
update theirs.a set x = 2 where id operator(pg_catalog.=) any (array(select id from theirs.a where id
operator(pg_catalog.>) :cursor order by id limit :size)) returning id;
delete from users where id in (select id from users limit :size);
update effect set n = 2 where ctid in (select ctid from effect where n = 1 limit :size);
update users set x = 1 where id > :cursor and id <= :cursor + :size returning id;
update users set x = 1 where id between :cursor + 1 and :cursor + :size returning id;
update users set x = 1 where id in (select id from users where id > :cursor order by id asc limit :size)
returning id;
update users set x = 1 where id in (select id from users where id > :cursor order by 1 limit :size) returning id;
update users set x = 1 where id in (select t.id from users t where t.id > :cursor order by t.id nulls last limit
:size for update) returning id;
update users set x = 1 where id in (select t.id from users t where :cursor < t.id order by id limit :size for no
key update of t) returning users.id;
update users set x = 1 where id in (select "id" from users where id > :cursor::bigint order by "id" limit :size)
returning id;
update users set x = 1 where id in (select id from users where id > cast(:cursor as bigint) order by id limit
(:size)) returning id;
update users u set x = 1 from (select id from users where id > :cursor order by id limit :size) s where s.id =
u.id returning s.id;
insert into log (user_id) select id from users where id > :cursor order by id limit :size returning user_id;
insert into log select id from users where id > :cursor order by id limit :size returning user_id;
insert into log (user_id, x) select u.id, 2 from users u join p on p.id = u.pid where u.id > :cursor order by
u.id limit :size on conflict do nothing returning user_id;
with moved as (delete from a where id in (select id from a where id > :cursor order by id limit :size) returning
*) insert into b select * from moved returning id;
with s as (select t.ctid x, p.id k from t join p on p.id = t.pid where p.id > :cursor order by p.id limit :size)
update t set v = 1 from s where t.ctid = s.x returning s.k;
with s as (select ctid x, id k from t where id > :cursor order by k limit :size) update t set v = 1 from s where
t.ctid = s.x returning s.k;
with c as (select key from users where key < :cursor order by key desc limit :size), u as (update users set x=1
from c where c.key = users.key) select min(key), count(*) from c;
update users set x = 1 where id in (select user_id from orders where user_id > :cursor order by user_id limit
:size) returning id;
update users set x = 1 where tenant = 5 and id in (select id from users where tenant = 5 and id > :cursor order
by tenant, id limit :size) returning id;
with rest as (select * from t where id > :cursor), s as (select id from rest order by id limit :size) update t
set x = 1 from s where s.id = t.id returning t.id;
update t set x = 1 where id in (select id from (select id from t where id > :cursor order by id) s limit :size)
returning id;
update t set x = 1 where id in (select id from t where (x is null or x < 5) and id > :cursor order by id limit
:size) returning id;
update t set x = 1 where lower(k) in (select lower(k) from t where lower(k) > :cursor order by lower(k) limit
:size) returning lower(k);
update t set x = 1 where (a, b) in (select a, b from t where b > :cursor order by b limit :size) returning b;
update t set x = 1 where id in (select c.id from c join d using (id) where c.id > :cursor order by d.id limit
:size) returning id;
update t set x = 1 where k in (select k from t where k > :cursor collate "C" order by k collate "C" limit :size)
returning k;
with t2 as (update users set x = 1 where id >= :cursor and id < :cursor + :size returning id) select max(id) +
1, count(*) from t2;
delete from t where id = any(array(select id from t where id > :cursor and old order by id limit :size))
returning id;
merge into t using (select id, v from s where id > :cursor order by id limit :size) s on t.id = s.id when
matched then update set v = s.v returning s.id;
update t set x = 1 where id > :cursor and :size > 0 returning id;
update t set a = b.a from (select id, a from u where u.id > :cursor order by u.id limit :size) as b where b.id =
t.u_id returning b.id;
update t set x = 1 where k in (select k from t where k > :cursor union select k from u where k > :cursor
order by k limit :size) returning k;
update t set x = 1 where k in (select t.k from t join u on u.k = t.k where t.k > :cursor and u.k > :cursor order by t.k
limit :size) returning k;
with s as (select a, b from t where (a, b) > (split_part(:cursor, ',', 1)::int, 2) order by a, b limit :size)
select (select a || ',' || b from s order by a desc, b desc limit 1), count(*) from s;
update t set x = 1 where id in (select id from t where id > coalesce(:cursor, 0) order by id limit :size) returning
id;
update t set x = 1 where id in (select id from t where greatest(0, :cursor) < id order by id limit :size) returning id;
with s as (select a, b from t where (a, b) < (split_part(:cursor, ',', 1)::int, 2) order by a desc, b desc limit
:size) select (select a || ',' || b from s order by a, b limit 1), count(*) from s;
update t set x = 1 where id in (select id from t where id > :cursor::int8 order by id::int8 limit :size) returning id;
insert into log select id, length(name) from users where id > :cursor order by id limit :size returning id;
update users set touched = 1 where :cursor < 9 and :size > 0 returning 3;
"""


@pytest.mark.parametrize("text", [text.strip() for text in RIGHT.split(";") if text.strip()])
def test_what_takes_the_rows_that_come_next_is_not_refused(text: str) -> None:
    (one,) = script.split(text, path="a.sql")
    assert list(skipped_rows.faults(one)) == []


CHOSEN = "update t set x = 1 where k in (select k from t where {}) returning k"


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        (CHOSEN.format("k < :cursor order by k desc limit :size"), "looks before the cursor", "k <"),
        (
            "with s as (select k from t where k > :cursor order by k limit :size) select max(k) + 1, count(*) from s",
            "begins after `max(k) + 1`",
            "max(k) + 1",
        ),
        (
            "with s as (select a, b from t where (t.a, b) > (split_part(:cursor, ',', 1)::int, 2) order by b, a "
            "limit :size) select (select a || ',' || b from s order by a desc, b desc limit 1), count(*) from s",
            "in another order than `(t.a, b)` is compared",
            "b, a",
        ),
        (
            "with s as (select a, b from t where (split_part(:cursor, ',', 1)::int, 2) < (t.a, b) order by a desc, "
            "b desc limit :size) select (select a || ',' || b from s order by a desc, b desc limit 1), count(*) from s",
            "in another order than `(t.a, b)` is compared",
            "a desc",
        ),
        (CHOSEN.format(":cursor > k order by k desc limit :size"), "looks before the cursor", ":cursor >"),
        (CHOSEN.format("not k > :cursor order by k limit :size"), "looks before the cursor", "k > :"),
        (CHOSEN.format("k > :cursor order by k desc limit :size"), "farthest from `:cursor` first", "k desc"),
        (CHOSEN.format("k > :cursor order by k using > limit :size"), "farthest from `:cursor` first", "k using"),
        (CHOSEN.format("k > :cursor limit :size"), "takes any rows after `:cursor`", ":size"),
        (CHOSEN.format("k > :cursor fetch first :size rows only"), "takes any rows after `:cursor`", "first"),
        (CHOSEN.format("k > :cursor order by k % 10, k limit :size"), "in the order of `k % 10`", "k %"),
        (CHOSEN.format("k > :cursor order by x, k limit :size"), "in the order of `x`", "x, k"),
        (CHOSEN.format("k > :cursor order by -k limit :size"), "in the order of `-k`", "-k"),
        (CHOSEN.format('k > :cursor order by k collate "C" limit :size'), "by another collation than", "k collate"),
        (CHOSEN.format('k collate "C" > :cursor order by k limit :size'), "by another collation than", "k limit"),
        (CHOSEN.format("k > :cursor order by k limit :size for update skip locked"), "that others have locked", "skip"),
        (CHOSEN.format("k >= :cursor order by k limit :size"), "the last row of the one before again", "k >="),
        (
            CHOSEN.format("k between :cursor and 9 order by k limit :size"),
            "the last row of the one before again",
            "k bet",
        ),
        (CHOSEN.format("k > :cursor order by k limit :size offset 5"), "passes over the first rows", "5"),
        (CHOSEN.format("a and k > :cursor or b order by k limit :size"), "an `or` chooses them", "b order"),
        (CHOSEN.format("a and (k > :cursor or b) order by k limit :size"), "an `or` chooses them", "b) order"),
        (
            "delete from t where k in (select k from t limit :size for update skip locked)",
            "that others have locked",
            "skip",
        ),
        (
            "update t set x = 1 where k > :cursor and k in (select k from t order by k limit :size) returning k",
            "takes the same first rows",
            ":size",
        ),
        (
            "insert into log (user_id) select id from users where id > :cursor order by id limit :size returning id",
            "returns `id`, and the next round compares `id` with it",
            "id",
        ),
        (
            "update t set k = k + 9 where id in (select id from t where k > :cursor order by k limit :size) "
            "returning k",
            "changes `k`, the key of its rounds",
            "k = k",
        ),
        (
            "update t set x = 1 where id in (select id from t where id > :cursor order by id limit :size) returning x",
            "returns `x`, and the next round compares `id` with it",
            "x",
        ),
        (
            "update t set x = 1 where id in (select c.id from c, p where c.id > :cursor order by p.id limit :size) "
            "returning id",
            "in the order of `p.id`",
            "p.id limit",
        ),
        (
            "with s as (select k from t where k > :cursor order by k limit :size) select min(k), count(*) from s",
            "after the least key",
            "select min",
        ),
        (
            "with s as (select k from t where k > :cursor order by k limit :size), "
            "u as (update t set x = 1 from s where t.k = s.k) select max(k), (select count(*) from s) from t",
            "the last key of `t`, not of the rows",
            "t",
        ),
        (CHOSEN.format("k > :cursor and j > :cursor order by k limit :size"), "compares another key", "j >"),
        (CHOSEN.format("(a, k) > (5, :cursor) order by a, k limit :size"), "several columns are compared", "(5,"),
        (
            "update t set x = 1 where k in (select k from t where k > :cursor union all select k from u order by 1 "
            "limit :size) returning k",
            "one part of the `union`",
            "all select",
        ),
        (
            "update t set (x, k) = (1, 2) where id in (select id from t where k > :cursor order by k limit :size) "
            "returning k",
            "changes `k`, the key of its rounds",
            "(x, k)",
        ),
        (
            "with s as (select k from t where k < :cursor order by k desc limit :size) select max(k), count(*) from s",
            "looks before the cursor",
            "k <",
        ),
    ],
)
def test_what_passes_rows_over_or_takes_them_twice_is_refused(text: str, message: str, place: str) -> None:
    (one,) = script.split(text, path="a.sql")
    fault = next(skipped_rows.faults(one))
    assert message in fault.message
    assert text[fault.start :].startswith(place)
    assert fault.hint
