"""The queries that read a schema from PostgreSQL's system catalogs: kind, identity and definition of each object.

They are run with `search_path = pg_catalog`, so that every other name is written with its schema, and nobody's
functions are taken for the server's. A definition is the server's own text where it has a function for that
(`pg_get_indexdef` and the like), else a line for each property that is not the default. What follows from another
object is left out: the clone of a constraint in a partition, the index of a primary key, the array type of a table.
See "System Catalogs" and "System Information Functions and Operators" in PostgreSQL's documentation.
"""

from __future__ import annotations

from string import Template
from typing import TYPE_CHECKING

from zmig.catalog.objects import Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

_PIECES = {
    "relation": "quote_ident(n.nspname) || '.' || quote_ident(c.relname)",
    "from_relations": "pg_class c join pg_namespace n on n.oid = c.relnamespace",
    "in_scope": "c.relnamespace = any ($schemas) and c.oid not in (select unnest($hidden))",
    "access_method": "'using ' || (select quote_ident(amname) from pg_am where oid = c.relam and amname <> 'heap')",
    "toast_options": "(select 'toast ' || string_agg(o, ', ' order by o collate \"C\")"
    " from pg_class t, unnest(t.reloptions) o where t.oid = c.reltoastrelid)",
    "clustered": "'cluster on ' || (select quote_ident(ic.relname) from pg_index i"
    " join pg_class ic on ic.oid = i.indexrelid where i.indrelid = c.oid and i.indisclustered)",
    "replica_identity": """
            case c.relreplident when 'f' then 'replica identity full' when 'n' then 'replica identity nothing'
                when 'i' then 'replica identity using index ' || (
                    select quote_ident(ic.relname) from pg_index i join pg_class ic on ic.oid = i.indexrelid
                    where i.indrelid = c.oid and i.indisreplident) end""",
    "foreign_key_triggers": """(
                select g.tgconstraint, string_agg(distinct case g.tgenabled when 'D' then 'triggers disabled'
                    when 'R' then 'triggers enabled replica' else 'triggers enabled always' end, e'\\n') as states
                from pg_trigger g where g.tgisinternal and g.tgenabled <> 'O' group by 1)""",
    "parents": """
            case when c.relispartition then 'partition of ' || (
                select quote_ident(pn.nspname) || '.' || quote_ident(p.relname) || ' '
                from pg_inherits i join pg_class p on p.oid = i.inhparent
                    join pg_namespace pn on pn.oid = p.relnamespace
                where i.inhrelid = c.oid) || pg_get_expr(c.relpartbound, c.oid) $detaching end,
            case when not c.relispartition then 'inherits ' || (
                select string_agg(quote_ident(pn.nspname) || '.' || quote_ident(p.relname), ', ' order by i.inhseqno)
                from pg_inherits i join pg_class p on p.oid = i.inhparent
                    join pg_namespace pn on pn.oid = p.relnamespace
                where i.inhrelid = c.oid) end""",
}
"""What several queries have in common."""


_KINDS_OF_TYPES = {
    "of_composite_types": """
            when 'c' then (select concat_ws(e'\\n', 'composite', string_agg(quote_ident(a.attname) || ' '
                    || format_type(a.atttypid, a.atttypmod) || coalesce((
                        select ' collate ' || quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
                        from pg_collation co join pg_namespace cn on cn.oid = co.collnamespace
                            join pg_type ct on ct.oid = a.atttypid
                        where co.oid = a.attcollation and co.oid <> ct.typcollation), ''), e'\\n' order by a.attnum))
                from pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped)""",
    "of_ranges": """
            when 'r' then (select array_to_string(array['range', 'subtype ' || format_type(r.rngsubtype, null),
                    (select 'operator class ' || quote_ident(on_.nspname) || '.' || quote_ident(o.opcname)
                        from pg_opclass o join pg_namespace on_ on on_.oid = o.opcnamespace
                        where o.oid = r.rngsubopc and not o.opcdefault),
                    (select 'collation ' || quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
                        from pg_collation co join pg_namespace cn on cn.oid = co.collnamespace
                            join pg_type ct on ct.oid = r.rngsubtype
                        where co.oid = r.rngcollation and co.oid <> ct.typcollation),
                    'canonical ' || nullif(r.rngcanonical::oid, 0)::regprocedure,
                    'diff ' || nullif(r.rngsubdiff::oid, 0)::regprocedure,
                    $multirange
                ], e'\\n') from pg_range r where r.rngtypid = t.oid)""",
    "of_base_types": """
            else array_to_string(array[case when t.typisdefined then 'base' else 'shell' end,
                'input ' || nullif(t.typinput::oid, 0)::regprocedure,
                'output ' || nullif(t.typoutput::oid, 0)::regprocedure,
                'receive ' || nullif(t.typreceive::oid, 0)::regprocedure,
                'send ' || nullif(t.typsend::oid, 0)::regprocedure,
                'modifiers ' || nullif(t.typmodin::oid, 0)::regprocedure || ' '
                    || nullif(t.typmodout::oid, 0)::regprocedure,
                'analyze ' || nullif(t.typanalyze::oid, 0)::regprocedure,
                $subscript,
                'element ' || format_type(nullif(t.typelem, 0), null),
                'length ' || t.typlen, case when t.typbyval then 'passed by value' end,
                'alignment ' || t.typalign::text, 'storage ' || t.typstorage::text,
                'category ' || t.typcategory::text, case when t.typispreferred then 'preferred' end,
                case when t.typcollation <> 0 then 'collatable' end, 'delimiter ' || quote_literal(t.typdelim::text),
                'default ' || quote_literal(t.typdefault)], e'\\n')""",
}
"""How the query for types writes those that are no enums; it is planned in half the time without them."""


_MAY_BE_SECRET = "pass|secret|token|credential|key"


def _options(options: str, *, salt: str, may_be_shown: bool = False) -> str:
    """Return SQL of the options of something foreign, sorted; their values are shown at most where none may be secret.

    For those that may be passwords eight digits of a hash are in their place: enough to see a change, and too few to
    be sure of a guess. With `may_be_shown`, their names say which ones these are.
    """
    text = f"convert_to({salt} || ' ' || o.option_name || ' ' || o.option_value, getdatabaseencoding())"
    value = f"'sha256:' || left(encode(sha256({text}), 'hex'), 8)"
    if may_be_shown:
        value = f"case when o.option_name ~* '{_MAY_BE_SECRET}' then {value} else quote_literal(o.option_value) end"
    return (
        f"(select 'options ' || string_agg(quote_ident(o.option_name) || ' ' || {value}, ', ' "
        f'order by o.option_name collate "C") from pg_options_to_table({options}) o)'
    )


def _of_extension(catalog: str, oid: str) -> str:
    """Return SQL that is true of what an extension has brought."""
    return (
        f"exists (select from pg_depend e where e.classid = '{catalog}'::regclass and e.objid = {oid} "
        "and e.deptype = 'e')"
    )


def _privileges(acl: str, usual: str, owner: str) -> str:
    """Return SQL of the rights that others than the owner have and of those the owner lacks, a line each.

    Null where there are none; `usual` are the rights that the owner has by default.
    """
    grantee = "case when r.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(r.grantee)) end"
    option = "case when r.is_grantable then ' with grant option' else '' end"
    return (
        '(select string_agg(distinct l.line collate "C", e\'\\n\' order by l.line collate "C") from ('
        f"select {grantee} || ': ' || lower(r.privilege_type) || {option} from aclexplode({acl}) r "
        f"where r.grantee <> {owner} union all select 'owner: not ' || lower(r.privilege_type) "
        f"from aclexplode({usual}) r where r.grantee = {owner} and not exists (select from aclexplode({acl}) h "
        f"where h.grantee = {owner} and h.privilege_type = r.privilege_type)) as l (line))"
    )


_QUERIES: tuple[tuple[Kind, str], ...] = (
    (
        Kind.SCHEMA,
        "select quote_ident(nspname), '' from pg_namespace n where n.oid = any ($schemas) and not $member_n",
    ),
    (
        Kind.EXTENSION,
        "select quote_ident(extname), 'schema ' || quote_ident(n.nspname) "
        "from pg_extension x join pg_namespace n on n.oid = x.extnamespace where extname <> 'plpgsql'",
    ),
    (Kind.VERSION, "select 'extension ' || quote_ident(extname), extversion from pg_extension"),
    (
        Kind.TABLE,
        """
        select $relation, array_to_string(array[
            case c.relpersistence when 'u' then 'unlogged' end,
            'of ' || format_type(nullif(c.reloftype, 0), null),
            'partition by ' || pg_get_partkeydef(c.oid),
            $parents,
            $access_method,
            $options,
            $toast_options,
            case when c.relrowsecurity then 'row level security' end,
            case when c.relforcerowsecurity then 'forced row level security' end,
            $replica_identity,
            $clustered
        ], e'\\n')
        from $from_relations where c.relkind in ('r', 'p') and $in_scope
        """,
    ),
    (
        Kind.FOREIGN_TABLE,
        """
        select $relation, array_to_string(array[
            'server ' || quote_ident(s.srvname),
            $parents,
            $table_options
        ], e'\\n')
        from $from_relations join pg_foreign_table f on f.ftrelid = c.oid join pg_foreign_server s on s.oid = f.ftserver
        where $in_scope
        """,
    ),
    (
        Kind.VIEW,
        "select $relation, array_to_string(array[$options, pg_get_viewdef(c.oid)], e'\\n') "
        "from $from_relations where c.relkind = 'v' and $in_scope",
    ),
    (
        Kind.MATERIALIZED_VIEW,
        "select $relation, array_to_string(array[$options, "
        "$toast_options, $access_method, $replica_identity, $clustered, pg_get_viewdef(c.oid)], e'\\n') "
        "from $from_relations where c.relkind = 'm' and $in_scope",
    ),
    (
        Kind.COLUMN,
        """
        select $relation || '.' || quote_ident(a.attname), array_to_string(array[
            format_type(a.atttypid, a.atttypmod),
            case when a.attcollation <> t.typcollation then (
                select 'collate ' || quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
                from pg_collation co join pg_namespace cn on cn.oid = co.collnamespace
                where co.oid = a.attcollation) end,
            case when a.attgenerated = 's' then 'generated always as (' || pg_get_expr(d.adbin, a.attrelid)
                || ') stored'
                when a.attgenerated = 'v' then 'generated always as (' || pg_get_expr(d.adbin, a.attrelid)
                    || ') virtual'
                else 'default ' || pg_get_expr(d.adbin, a.attrelid) end,
            case a.attidentity when 'a' then 'generated always as identity'
                when 'd' then 'generated by default as identity' end,
            case when a.attnotnull then 'not null' || $not_null end,
            case when a.attstattarget >= 0 then 'statistics ' || a.attstattarget end,
            case when a.attoptions is not null then (
                select 'options ' || string_agg(o, ', ' order by o collate "C") from unnest(a.attoptions) o
                where left(o, 10) <> 'pg_attver=' /* which servers add, another one in each database */) end,
            case when a.attfdwoptions is not null then 'foreign ' || $column_options end,
            case when a.attislocal and a.attinhcount > 0 and not c.relispartition then 'defined here, too' end
        ], e'\\n')
        from $from_relations
            join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            join pg_type t on t.oid = a.atttypid
            left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
            $join_not_null
        where c.relkind in ('r', 'p', 'v', 'm', 'f') and $in_scope
        """,
    ),
    (
        Kind.COLUMN_ORDER,
        "select * from (select $relation, (select string_agg(quote_ident(a.attname), ', ' order by a.attnum) "
        "from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) from $from_relations "
        "where c.relkind in ('r', 'p', 'f') and $in_scope) as t (relation, columns) where columns is not null",
    ),
    (
        Kind.STORAGE,
        """
        select $relation || '.' || quote_ident(a.attname), array_to_string(array[
            case when a.attstorage <> t.typstorage then 'storage ' || case a.attstorage
                when 'p' then 'plain' when 'e' then 'external' when 'm' then 'main' else 'extended' end end,
            $compression
        ], e'\\n')
        from $from_relations
            join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            join pg_type t on t.oid = a.atttypid
        where c.relkind in ('r', 'p', 'm') and (a.attstorage <> t.typstorage or $compression is not null) and $in_scope
        """,
    ),
    (
        Kind.STORAGE,
        "select $relation, 'tablespace ' || quote_ident(s.spcname) from $from_relations "
        "join pg_tablespace s on s.oid = c.reltablespace where c.relkind in ('r', 'p', 'm') and $in_scope "
        "union all select 'index ' || quote_ident(n.nspname) || '.' || quote_ident(ic.relname), "
        "'tablespace ' || quote_ident(s.spcname) from $from_relations join pg_index i on i.indrelid = c.oid "
        "join pg_class ic on ic.oid = i.indexrelid join pg_tablespace s on s.oid = ic.reltablespace where $in_scope",
    ),
    (
        Kind.CONSTRAINT,
        """
        select $relation || '.' || quote_ident(k.conname), array_to_string(array[
            pg_get_constraintdef(k.oid),
            case when i.indexrelid is not null then $index_state end,
            $index_options,
            $index_statistics,
            case when k.contype in ('p', 'u', 'x') and k.conparentid <> 0 then 'partition of ' || (
                select quote_ident(pn.nspname) || '.' || quote_ident(p.relname) || '.' || quote_ident(pk.conname)
                from pg_constraint pk join pg_class p on p.oid = pk.conrelid
                    join pg_namespace pn on pn.oid = p.relnamespace where pk.oid = k.conparentid) end,
            f.states
        ], e'\\n')
        from $from_relations join pg_constraint k on k.conrelid = c.oid
            left join pg_index i on i.indexrelid = k.conindid and k.contype in ('p', 'u', 'x')
            left join pg_class ic on ic.oid = i.indexrelid
            left join $foreign_key_triggers f on f.tgconstraint = k.oid
        where k.contype in ('c', 'f', 'p', 'u', 'x') and (k.conparentid = 0 or k.contype <> 'f') and $in_scope
            and not (k.contype = 'c' and k.coninhcount > 0 and not k.conislocal and exists (
                select from pg_inherits h join pg_constraint pk on pk.conrelid = h.inhparent
                where h.inhrelid = c.oid and pk.contype = 'c' and pk.conname = k.conname
                    and pk.convalidated = k.convalidated))
        union all
        select $relation || '.' || quote_ident(k.conname), array_to_string(array[
            'of the parent',
            case when k.convalidated <> pk.convalidated then
                case when k.convalidated then 'validated' else 'not valid' end end,
            f.states
        ], e'\\n')
        from $from_relations join pg_constraint k on k.conrelid = c.oid join pg_constraint pk on pk.oid = k.conparentid
            left join $foreign_key_triggers f on f.tgconstraint = k.oid
            left join $foreign_key_triggers pf on pf.tgconstraint = pk.oid
        where k.contype = 'f' and (k.convalidated <> pk.convalidated or f.states is distinct from pf.states)
            and $in_scope
        """,
    ),
    (
        Kind.INDEX,
        """
        select quote_ident(n.nspname) || '.' || quote_ident(ic.relname), array_to_string(array[
            pg_get_indexdef(i.indexrelid),
            $index_state,
            case when ic.relispartition then (
                select 'partition of ' || quote_ident(pn.nspname) || '.' || quote_ident(p.relname)
                from pg_inherits h join pg_class p on p.oid = h.inhparent
                    join pg_namespace pn on pn.oid = p.relnamespace
                where h.inhrelid = i.indexrelid) end,
            $index_statistics
        ], e'\\n')
        from $from_relations join pg_index i on i.indrelid = c.oid join pg_class ic on ic.oid = i.indexrelid
        where $in_scope and not exists (
            select from pg_constraint k where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x'))
        """,
    ),
    (
        Kind.SEQUENCE,
        """
        select $relation, array_to_string(array[
            case c.relpersistence when 'u' then 'unlogged' end,
            'as ' || format_type(s.seqtypid, null), 'start ' || s.seqstart, 'increment ' || s.seqincrement,
            'minvalue ' || s.seqmin, 'maxvalue ' || s.seqmax, 'cache ' || s.seqcache,
            case when s.seqcycle then 'cycle' end,
            (select case d.deptype when 'i' then 'identity of ' else 'owned by ' end
                    || quote_ident(tn.nspname) || '.' || quote_ident(t.relname) || '.' || quote_ident(a.attname)
                from pg_depend d join pg_class t on t.oid = d.refobjid join pg_namespace tn on tn.oid = t.relnamespace
                    join pg_attribute a on a.attrelid = t.oid and a.attnum = d.refobjsubid
                where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.refclassid = 'pg_class'::regclass
                    and d.deptype in ('a', 'i') and d.refobjsubid > 0)
        ], e'\\n')
        from $from_relations join pg_sequence s on s.seqrelid = c.oid where $in_scope
        """,
    ),
    (
        Kind.ROUTINE,
        """
        select quote_ident(n.nspname) || '.' || quote_ident(p.proname)
            || '(' || pg_get_function_identity_arguments(p.oid) || ')', pg_get_functiondef(p.oid)
        from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where p.prokind <> 'a' and p.pronamespace = any ($schemas) and p.oid <> all ($routines)
            and not exists (select from pg_depend e where e.classid = 'pg_proc'::regclass and e.objid = p.oid
                and e.deptype in ('e', 'i'))
        """,
    ),
    (
        Kind.AGGREGATE,
        """
        select quote_ident(n.nspname) || '.' || quote_ident(p.proname)
            || '(' || pg_get_function_identity_arguments(p.oid) || ')', array_to_string(array[
            'returns ' || format_type(p.prorettype, null),
            case g.aggkind when 'o' then 'ordered set' when 'h' then 'hypothetical set' end,
            'direct arguments ' || nullif(g.aggnumdirectargs, 0),
            'sfunc ' || g.aggtransfn::oid::regprocedure, 'stype ' || format_type(g.aggtranstype, null),
            'sspace ' || nullif(g.aggtransspace, 0),
            'finalfunc ' || nullif(g.aggfinalfn::oid, 0)::regprocedure,
            case when g.aggfinalextra then 'finalfunc extra' end,
            'finalfunc modify ' || g.aggfinalmodify::text,
            'combinefunc ' || nullif(g.aggcombinefn::oid, 0)::regprocedure,
            'serialfunc ' || nullif(g.aggserialfn::oid, 0)::regprocedure,
            'deserialfunc ' || nullif(g.aggdeserialfn::oid, 0)::regprocedure,
            'initcond ' || quote_literal(g.agginitval),
            'msfunc ' || nullif(g.aggmtransfn::oid, 0)::regprocedure,
            'minvfunc ' || nullif(g.aggminvtransfn::oid, 0)::regprocedure,
            'mstype ' || format_type(nullif(g.aggmtranstype, 0), null), 'msspace ' || nullif(g.aggmtransspace, 0),
            'mfinalfunc ' || nullif(g.aggmfinalfn::oid, 0)::regprocedure,
            case when g.aggmfinalextra then 'mfinalfunc extra' end,
            case when g.aggmtransfn <> 0 then 'mfinalfunc modify ' || g.aggmfinalmodify::text end,
            'minitcond ' || quote_literal(g.aggminitval),
            'sortop ' || nullif(g.aggsortop::oid, 0)::regoperator,
            'parallel ' || nullif(p.proparallel, 'u')::text
        ], e'\\n')
        from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_aggregate g on g.aggfnoid = p.oid
        where p.pronamespace = any ($schemas) and not $member_p
        """,
    ),
    (
        Kind.TRIGGER,
        """
        select $relation || '.' || quote_ident(g.tgname), array_to_string(array[
            pg_get_triggerdef(g.oid),
            case g.tgenabled when 'D' then 'disabled' when 'R' then 'enabled replica' when 'A' then 'enabled always' end
        ], e'\\n')
        from $from_relations join pg_trigger g on g.tgrelid = c.oid
        where not g.tgisinternal and g.tgparentid = 0 and $in_scope
        union all
        select $relation || '.' || quote_ident(g.tgname), 'of the parent; enabled: ' || g.tgenabled::text
        from $from_relations join pg_trigger g on g.tgrelid = c.oid join pg_trigger pt on pt.oid = g.tgparentid
        where not pt.tgisinternal and g.tgenabled <> pt.tgenabled and $in_scope
        """,
    ),
    (
        Kind.RULE,
        """
        select $relation || '.' || quote_ident(w.rulename), array_to_string(array[
            pg_get_ruledef(w.oid),
            case w.ev_enabled when 'D' then 'disabled' when 'R' then 'enabled replica' when 'A'
                then 'enabled always' end
        ], e'\\n')
        from $from_relations join pg_rewrite w on w.ev_class = c.oid where w.rulename <> '_RETURN' and $in_scope
        """,
    ),
    (
        Kind.POLICY,
        """
        select $relation || '.' || quote_ident(y.polname), array_to_string(array[
            case when y.polpermissive then 'permissive' else 'restrictive' end,
            'for ' || case y.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update'
                when 'd' then 'delete' else 'all' end,
            'to ' || (select string_agg(case when o = 0 then 'public' else quote_ident(pg_get_userbyid(o)) end, ', '
                order by case when o = 0 then '' else pg_get_userbyid(o) end collate "C") from unnest(y.polroles) o),
            'using (' || pg_get_expr(y.polqual, y.polrelid) || ')',
            'with check (' || pg_get_expr(y.polwithcheck, y.polrelid) || ')'
        ], e'\\n')
        from $from_relations join pg_policy y on y.polrelid = c.oid where $in_scope
        """,
    ),
    (
        Kind.STATISTICS,
        """
        select quote_ident(n.nspname) || '.' || quote_ident(x.stxname), array_to_string(array[
            pg_get_statisticsobjdef(x.oid), case when x.stxstattarget >= 0 then 'statistics ' || x.stxstattarget end
        ], e'\\n')
        from pg_statistic_ext x join pg_namespace n on n.oid = x.stxnamespace join pg_class c on c.oid = x.stxrelid
        where n.oid = any ($schemas) and $in_scope and not $member_x
        """,
    ),
    (
        Kind.TYPE,
        """
        select quote_ident(n.nspname) || '.' || quote_ident(t.typname), case t.typtype
            when 'e' then (select concat_ws(e'\\n', 'enum', string_agg(quote_literal(e.enumlabel), e'\\n'
                order by e.enumsortorder))
                from pg_enum e where e.enumtypid = t.oid)
            $of_composite_types $of_ranges $of_base_types end
        from pg_type t join pg_namespace n on n.oid = t.typnamespace left join pg_class c on c.oid = t.typrelid
            left join pg_type el on el.typarray = t.oid
        where t.typnamespace = any ($schemas) and not $member_t and (t.typtype in ('e', 'r')
            or t.typtype = 'c' and c.relkind = 'c' or t.typtype in ('b', 'p') and el.oid is null)
        """,
    ),
    (
        Kind.DOMAIN,
        """
        select quote_ident(n.nspname) || '.' || quote_ident(t.typname), array_to_string(array[
            format_type(t.typbasetype, t.typtypmod),
            (select 'collate ' || quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
                from pg_collation co join pg_namespace cn on cn.oid = co.collnamespace
                    join pg_type bt on bt.oid = t.typbasetype
                where co.oid = t.typcollation and co.oid <> bt.typcollation),
            'default ' || pg_get_expr(t.typdefaultbin, 'pg_type'::regclass),
            case when t.typnotnull then 'not null' || $domain_not_null end
        ], e'\\n')
        from pg_type t join pg_namespace n on n.oid = t.typnamespace
        where t.typtype = 'd' and t.typnamespace = any ($schemas) and not $member_t
        """,
    ),
    (
        Kind.EVENT_TRIGGER,
        """
        select quote_ident(v.evtname), array_to_string(array[
            'on ' || v.evtevent, 'tags ' || (select string_agg(quote_literal(o), ', ' order by o collate "C")
                from unnest(v.evttags) o),
            'execute ' || v.evtfoid::regprocedure,
            case v.evtenabled when 'D' then 'disabled' when 'R' then 'enabled replica' when 'A'
                then 'enabled always' end
        ], e'\\n')
        from pg_event_trigger v where not $member_v and v.evtfoid <> all ($routines)
        """,
    ),
    (
        Kind.PUBLICATION,
        """
        select quote_ident(b.pubname), array_to_string(array[
            case when b.puballtables then 'all tables' end,
            concat_ws(', ', case when b.pubinsert then 'insert' end, case when b.pubupdate then 'update' end,
                case when b.pubdelete then 'delete' end, case when b.pubtruncate then 'truncate' end),
            case when b.pubviaroot then 'via root' end,
            $generated_published,
            (select string_agg('table ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname) || $published, e'\\n'
                    order by n.nspname, c.relname)
                from pg_publication_rel r join pg_class c on c.oid = r.prrelid
                    join pg_namespace n on n.oid = c.relnamespace
                where r.prpubid = b.oid and $in_scope)
            $published_schemas
        ], e'\\n')
        from pg_publication b
        """,
    ),
    (
        Kind.SUBSCRIPTION,
        "select quote_ident(subname), 'publications ' || (select string_agg(quote_ident(o), ', ' "
        'order by o collate "C") from unnest(subpublications) o) from pg_subscription where subdbid = $database',
    ),
    (
        Kind.FOREIGN_DATA_WRAPPER,
        "select quote_ident(fdwname), array_to_string(array['handler ' || nullif(fdwhandler, 0)::regprocedure, "
        "'validator ' || nullif(fdwvalidator, 0)::regprocedure, $wrapper_options], e'\\n') "
        "from pg_foreign_data_wrapper f where not $member_f",
    ),
    (
        Kind.SERVER,
        "select quote_ident(srvname), array_to_string(array['wrapper ' || quote_ident(fdwname), 'type ' || srvtype, "
        "'version ' || srvversion, $server_options], e'\\n') "
        "from pg_foreign_server s join pg_foreign_data_wrapper f on f.oid = s.srvfdw where not $member_s",
    ),
    (
        Kind.USER_MAPPING,
        "select case when m.umuser = 0 then 'public' else quote_ident(m.usename) end "
        "|| ' on ' || quote_ident(m.srvname), '' from pg_user_mappings m",
    ),
    (
        Kind.CAST,
        "select format_type(castsource, null) || ' as ' || format_type(casttarget, null), array_to_string(array["
        "case castmethod when 'f' then 'function ' || castfunc::regprocedure when 'i' then 'inout' else 'binary' end, "
        "case castcontext when 'a' then 'as assignment' when 'i' then 'as implicit' end], e'\\n') "
        "from pg_cast a where a.oid >= 16384 and not exists (select from pg_type t join pg_namespace n "
        "on n.oid = t.typnamespace where t.oid in (a.castsource, a.casttarget) and n.oid <> all ($schemas) "
        "and n.nspname !~ '^pg_' and n.nspname <> 'information_schema') and not exists (select from pg_depend e where "
        "e.classid = 'pg_cast'::regclass and e.objid = a.oid and e.deptype in ('e', 'i'))",
    ),
    (
        Kind.OPERATOR,
        """
        select o.oid::regoperator::text, array_to_string(array[
            'function ' || nullif(o.oprcode::oid, 0)::regprocedure,
            'returns ' || format_type(nullif(o.oprresult, 0), null),
            'commutator ' || nullif(o.oprcom, 0)::regoperator, 'negator ' || nullif(o.oprnegate, 0)::regoperator,
            'restrict ' || nullif(o.oprrest::oid, 0)::regprocedure,
            'join ' || nullif(o.oprjoin::oid, 0)::regprocedure,
            case when o.oprcanhash then 'hashes' end, case when o.oprcanmerge then 'merges' end
        ], e'\\n')
        from pg_operator o where o.oprnamespace = any ($schemas) and not $member_o
        """,
    ),
    (
        Kind.OPERATOR_CLASS,
        "select quote_ident(n.nspname) || '.' || quote_ident(q.opcname) || ' using ' || quote_ident(m.amname), "
        "array_to_string(array['for ' || format_type(q.opcintype, null), case when q.opcdefault then 'default' end, "
        "'family ' || (select quote_ident(fn.nspname) || '.' || quote_ident(f.opfname) from pg_opfamily f "
        "join pg_namespace fn on fn.oid = f.opfnamespace where f.oid = q.opcfamily), "
        "'storage ' || format_type(nullif(q.opckeytype, 0), null)], e'\\n') "
        "from pg_opclass q join pg_namespace n on n.oid = q.opcnamespace join pg_am m on m.oid = q.opcmethod "
        "where n.oid = any ($schemas) and not $member_q",
    ),
    (
        Kind.OPERATOR_FAMILY,
        """
        select quote_ident(n.nspname) || '.' || quote_ident(f.opfname) || ' using ' || quote_ident(m.amname),
            concat_ws(e'\\n',
                (select string_agg('operator ' || o.amopstrategy || ' ' || o.amopopr::regoperator
                        || coalesce(' for order by ' || (
                            select quote_ident(sn.nspname) || '.' || quote_ident(sf.opfname)
                            from pg_opfamily sf join pg_namespace sn on sn.oid = sf.opfnamespace
                            where sf.oid = o.amopsortfamily), ''), e'\\n'
                    order by o.amopstrategy, o.amopopr::regoperator::text collate "C")
                    from pg_amop o where o.amopfamily = f.oid),
                (select string_agg('function ' || o.amprocnum || ' (' || format_type(o.amproclefttype, null) || ', '
                        || format_type(o.amprocrighttype, null) || ') ' || o.amproc::oid::regprocedure, e'\\n'
                    order by o.amprocnum, format_type(o.amproclefttype, null) collate "C",
                        format_type(o.amprocrighttype, null) collate "C")
                    from pg_amproc o where o.amprocfamily = f.oid))
        from pg_opfamily f join pg_namespace n on n.oid = f.opfnamespace join pg_am m on m.oid = f.opfmethod
        where n.oid = any ($schemas) and not $member_opf
        """,
    ),
    (
        Kind.COLLATION,
        "select quote_ident(n.nspname) || '.' || quote_ident(l.collname), array_to_string(array["
        "'provider ' || l.collprovider::text, 'locale ' || coalesce($locale, l.collcollate), "
        "case when l.collprovider = 'c' and l.collctype <> l.collcollate then 'ctype ' || l.collctype end, $icu_rules, "
        "case when not l.collisdeterministic then 'not deterministic' end], e'\\n') "
        "from pg_collation l join pg_namespace n on n.oid = l.collnamespace"
        " where n.oid = any ($schemas) and not $member_l",
    ),
    (
        Kind.CONVERSION,
        "select quote_ident(n.nspname) || '.' || quote_ident(v.conname), concat_ws(' ', "
        "pg_encoding_to_char(v.conforencoding), 'to', pg_encoding_to_char(v.contoencoding), v.conproc::oid::regproc, "
        "case when v.condefault then 'default' end) "
        "from pg_conversion v join pg_namespace n on n.oid = v.connamespace"
        " where n.oid = any ($schemas) and not $member_con",
    ),
    (
        Kind.LANGUAGE,
        "select quote_ident(g.lanname), array_to_string(array[case when g.lanpltrusted then 'trusted' end, "
        "'handler ' || nullif(g.lanplcallfoid, 0)::regprocedure, 'inline ' || nullif(g.laninline, 0)::regprocedure, "
        "'validator ' || nullif(g.lanvalidator, 0)::regprocedure], e'\\n') "
        "from pg_language g where g.lanispl and not $member_g",
    ),
    (
        Kind.TEXT_SEARCH,
        """
        select 'configuration ' || quote_ident(n.nspname) || '.' || quote_ident(f.cfgname),
            'parser ' || (select quote_ident(pn.nspname) || '.' || quote_ident(p.prsname) from pg_ts_parser p
                join pg_namespace pn on pn.oid = p.prsnamespace where p.oid = f.cfgparser)
            || coalesce(e'\\n' || (select string_agg(m.maptokentype || ' ' || m.mapseqno || ' '
                || m.mapdict::regdictionary,
                e'\\n' order by m.maptokentype, m.mapseqno) from pg_ts_config_map m where m.mapcfg = f.oid), '')
        from pg_ts_config f join pg_namespace n on n.oid = f.cfgnamespace where n.oid = any ($schemas)
            and not $member_tsc
        union all
        select 'dictionary ' || quote_ident(n.nspname) || '.' || quote_ident(d.dictname), array_to_string(array[
            'template ' || (select quote_ident(tn.nspname) || '.' || quote_ident(t.tmplname) from pg_ts_template t
                join pg_namespace tn on tn.oid = t.tmplnamespace where t.oid = d.dicttemplate),
            d.dictinitoption], e'\\n')
        from pg_ts_dict d join pg_namespace n on n.oid = d.dictnamespace where n.oid = any ($schemas)
            and not $member_tsd
        """,
    ),
)


_CONSTRAINTS_OF_DOMAINS = """
select quote_ident(n.nspname) || '.' || quote_ident(t.typname) || '.' || quote_ident(k.conname),
    pg_get_constraintdef(k.oid)
from pg_constraint k join pg_type t on t.oid = k.contypid join pg_namespace n on n.oid = t.typnamespace
where k.contype = 'c' and t.typnamespace = any ($schemas) and not $member_t
"""

_MEMBERS = {
    "p": ("pg_proc", "p.oid"),
    "t": ("pg_type", "t.oid"),
    "v": ("pg_event_trigger", "v.oid"),
    "f": ("pg_foreign_data_wrapper", "f.oid"),
    "s": ("pg_foreign_server", "s.oid"),
    "a": ("pg_cast", "a.oid"),
    "o": ("pg_operator", "o.oid"),
    "q": ("pg_opclass", "q.oid"),
    "opf": ("pg_opfamily", "f.oid"),
    "l": ("pg_collation", "l.oid"),
    "con": ("pg_conversion", "v.oid"),
    "g": ("pg_language", "g.oid"),
    "tsc": ("pg_ts_config", "f.oid"),
    "tsd": ("pg_ts_dict", "d.oid"),
    "n": ("pg_namespace", "n.oid"),
    "x": ("pg_statistic_ext", "x.oid"),
}


_RELATION_NAME = "$relation_kind || $relation"
_RELATIONS_FROM = "$from_relations where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and $in_scope"
_ROUTINE_NAME = (
    "'routine ' || quote_ident(n.nspname) || '.' || quote_ident(p.proname)"
    " || '(' || pg_get_function_identity_arguments(p.oid) || ')'"
)
_ROUTINES_FROM = (
    "pg_proc p join pg_namespace n on n.oid = p.pronamespace"
    " where n.oid = any ($schemas) and p.oid <> all ($routines)"
    " and not exists (select from pg_depend e where e.classid = 'pg_proc'::regclass and e.objid = p.oid"
    " and e.deptype in ('e', 'i'))"
)
_TYPE_NAME = "'type ' || quote_ident(n.nspname) || '.' || quote_ident(t.typname)"


def _types_from(is_composite: str) -> str:
    """Return SQL for where types are from; those with attributes are taken where `is_composite` is true."""
    return (
        "pg_type t join pg_namespace n on n.oid = t.typnamespace left join pg_class c on c.oid = t.typrelid"
        f" where n.oid = any ($schemas) and not $member_t and (t.typtype in ('e', 'd', 'r') or {is_composite}"
        " or t.typtype = 'b' and not exists (select from pg_type el where el.typarray = t.oid))"
    )


_SCHEMA_NAME = "'schema ' || quote_ident(n.nspname)"
_SCHEMAS_FROM = "pg_namespace n where n.oid = any ($schemas) and n.nspname <> 'public' and not $member_n"
_SERVER_NAME = "'server ' || quote_ident(s.srvname)"
_SERVERS_FROM = "pg_foreign_server s where not $member_s"
_WRAPPER_NAME = "'foreign data wrapper ' || quote_ident(f.fdwname)"
_WRAPPERS_FROM = "pg_foreign_data_wrapper f where not $member_f"
_LANGUAGE_NAME = "'language ' || quote_ident(g.lanname)"

_OWNED = (
    (
        _RELATION_NAME,
        "c.relowner",
        f"{_RELATIONS_FROM} and not (c.relkind = 'S' and exists (select from pg_depend d"
        " where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i')))",
    ),
    (_ROUTINE_NAME, "p.proowner", _ROUTINES_FROM),
    (_TYPE_NAME, "t.typowner", _types_from("c.relkind = 'c'")),
    (_SCHEMA_NAME, "n.nspowner", _SCHEMAS_FROM),
    ("'publication ' || quote_ident(b.pubname)", "b.pubowner", "pg_publication b where true"),
    (
        "'subscription ' || quote_ident(b.subname)",
        "b.subowner",
        "pg_subscription b where b.subdbid = $database",
    ),
    (
        "'event trigger ' || quote_ident(v.evtname)",
        "v.evtowner",
        "pg_event_trigger v where not $member_v and v.evtfoid <> all ($routines)",
    ),
    (_SERVER_NAME, "s.srvowner", _SERVERS_FROM),
    (_WRAPPER_NAME, "f.fdwowner", _WRAPPERS_FROM),
    (_LANGUAGE_NAME, "g.lanowner", "pg_language g where g.lanispl and g.oid >= 16384 and not $member_g"),
    (
        "'statistics ' || quote_ident(m.nspname) || '.' || quote_ident(x.stxname)",
        "x.stxowner",
        "pg_statistic_ext x join pg_namespace m on m.oid = x.stxnamespace join pg_class c on c.oid = x.stxrelid"
        " where m.oid = any ($schemas) and $in_scope and not $member_x",
    ),
    (
        "'operator ' || o.oid::regoperator",
        "o.oprowner",
        "pg_operator o where o.oprnamespace = any ($schemas) and not $member_o",
    ),
    (
        "'operator class ' || quote_ident(n.nspname) || '.' || quote_ident(q.opcname)"
        " || ' using ' || quote_ident(m.amname)",
        "q.opcowner",
        "pg_opclass q join pg_namespace n on n.oid = q.opcnamespace join pg_am m on m.oid = q.opcmethod"
        " where n.oid = any ($schemas) and not $member_q",
    ),
    (
        "'operator family ' || quote_ident(n.nspname) || '.' || quote_ident(f.opfname)"
        " || ' using ' || quote_ident(m.amname)",
        "f.opfowner",
        "pg_opfamily f join pg_namespace n on n.oid = f.opfnamespace join pg_am m on m.oid = f.opfmethod"
        " where n.oid = any ($schemas) and not $member_opf",
    ),
    (
        "'collation ' || quote_ident(n.nspname) || '.' || quote_ident(l.collname)",
        "l.collowner",
        "pg_collation l join pg_namespace n on n.oid = l.collnamespace where n.oid = any ($schemas) and not $member_l",
    ),
    (
        "'conversion ' || quote_ident(n.nspname) || '.' || quote_ident(v.conname)",
        "v.conowner",
        "pg_conversion v join pg_namespace n on n.oid = v.connamespace"
        " where n.oid = any ($schemas) and not $member_con",
    ),
    (
        "'text search configuration ' || quote_ident(n.nspname) || '.' || quote_ident(f.cfgname)",
        "f.cfgowner",
        "pg_ts_config f join pg_namespace n on n.oid = f.cfgnamespace where n.oid = any ($schemas) and not $member_tsc",
    ),
    (
        "'text search dictionary ' || quote_ident(n.nspname) || '.' || quote_ident(d.dictname)",
        "d.dictowner",
        "pg_ts_dict d join pg_namespace n on n.oid = d.dictnamespace where n.oid = any ($schemas) and not $member_tsd",
    ),
)
"""What has an owner: its name, the owner's oid, and where it is from."""


_RELATION_KIND = (
    "case c.relkind when 'v' then 'view ' when 'm' then 'materialized view ' when 'f' then 'foreign table '"
    " when 'S' then 'sequence ' else 'table ' end"
)

_GRANTED = (
    (
        _RELATION_NAME,
        "c.relacl",
        "case c.relkind when 'S' then 's' else 'r' end::\"char\"",
        "c.relowner",
        _RELATIONS_FROM,
    ),
    (_ROUTINE_NAME, "p.proacl", "'f'", "p.proowner", _ROUTINES_FROM),
    # Those of tables, too.
    (_TYPE_NAME, "t.typacl", "'T'", "t.typowner", _types_from("t.typtype = 'c' and c.oid <> all ($hidden)")),
    (_SCHEMA_NAME, "n.nspacl", "'n'", "n.nspowner", _SCHEMAS_FROM),
    (_SERVER_NAME, "s.srvacl", "'S'", "s.srvowner", _SERVERS_FROM),
    (_WRAPPER_NAME, "f.fdwacl", "'F'", "f.fdwowner", _WRAPPERS_FROM),
    (_LANGUAGE_NAME, "g.lanacl", "'l'", "g.lanowner", "pg_language g where true"),
)
"""What rights are granted on: its name, its rights, their kind and the owner's oid for the defaults, and its source."""

_PUBLIC_OWNER = """
select 'schema public', case when $public_is_usual then 'the usual one' else pg_get_userbyid(n.nspowner) end
from pg_namespace n where n.oid = any ($schemas) and n.nspname = 'public'
"""
_PUBLIC_GRANTS = """
select 'schema public', coalesce(granted, 'none') from (
    select $privileges from pg_namespace n where n.oid = any ($schemas) and n.nspname = 'public'
) as rights (granted) where granted is distinct from $public_usual
"""
"""The schema `public` has another owner and other rights since PostgreSQL 15."""

_COLUMN_GRANTS = (
    "select * from (select 'column ' || $relation || '.' || quote_ident(a.attname), $privileges from $from_relations "
    "join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attacl is not null "
    "where $in_scope) as rights (name, granted) where granted is not null"
)

_DEFAULTS = """
select quote_ident(pg_get_userbyid(x.defaclrole)) || coalesce(' in schema ' || quote_ident(n.nspname), '')
    || ' on ' || case x.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'routines'
        when 'T' then 'types' when 'n' then 'schemas'
        when 'L' then 'large objects' else x.defaclobjtype::text end, coalesce($privileges, 'none')
from pg_default_acl x left join pg_namespace n on n.oid = x.defaclnamespace
where x.defaclnamespace = 0 or n.oid = any ($schemas)
"""

_COMMENTS = """
select i.type || ' ' || i.identity, d.description
from pg_description d cross join lateral pg_identify_object(d.classoid, d.objoid, d.objsubid) i
where (d.objoid >= 16384 or d.classoid = 'pg_namespace'::regclass) and d.objoid <> all ($hidden)
    and d.objoid <> all ($routines) and d.classoid <> 'pg_largeobject'::regclass
    and not exists (select from pg_depend e
        where e.classid = d.classoid and e.objid = d.objoid and e.deptype = 'e')
    and case d.classoid
        when 'pg_class'::regclass then exists (
            select from pg_class o left join pg_index x on x.indexrelid = o.oid
                join pg_class c on c.oid = coalesce(x.indrelid, o.oid) where o.oid = d.objoid and $in_scope)
        when 'pg_trigger'::regclass then exists (
            select from pg_trigger o join pg_class c on c.oid = o.tgrelid where o.oid = d.objoid and $in_scope)
        when 'pg_rewrite'::regclass then exists (
            select from pg_rewrite o join pg_class c on c.oid = o.ev_class where o.oid = d.objoid and $in_scope)
        when 'pg_policy'::regclass then exists (
            select from pg_policy o join pg_class c on c.oid = o.polrelid where o.oid = d.objoid and $in_scope)
        when 'pg_statistic_ext'::regclass then exists (
            select from pg_statistic_ext o join pg_class c on c.oid = o.stxrelid
            where o.oid = d.objoid and o.stxnamespace = any ($schemas) and $in_scope)
        when 'pg_constraint'::regclass then exists (
            select from pg_constraint o left join pg_class c on c.oid = o.conrelid
            where o.oid = d.objoid and o.connamespace = any ($schemas) and (o.conrelid = 0 or $in_scope))
        when 'pg_namespace'::regclass then d.objoid = any ($schemas)
            and (i.identity, d.description) <> ('public', 'standard public schema')
        else i.schema is null or exists (select from pg_namespace n where n.oid = any ($schemas)
            and quote_ident(n.nspname) = i.schema) end
"""

_COMMENTED = """
pg_description d
where d.objoid >= 16384 and not exists (
        select from pg_class c join pg_namespace n on n.oid = c.relnamespace where d.classoid = 'pg_class'::regclass
            and c.oid = d.objoid and n.nspname = {tracking} and c.relname in ('migration_events', 'schema_migrations'))
    or d.classoid = 'pg_namespace'::regclass and exists (
        select from pg_namespace n
        where n.oid = d.objoid and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
            and (n.nspname, d.description) <> ('public', 'standard public schema'))
"""

_OCCURS = {
    "enum": "pg_type where typtype = 'e' and oid >= 16384",
    "of_composite_types": "pg_class where relkind = 'c' and oid >= 16384",
    "of_ranges": "pg_type where typtype = 'r' and oid >= 16384",
    "of_base_types": (
        "pg_type t where t.typtype in ('b', 'p') and t.oid >= 16384 "
        "and not exists (select from pg_type el where el.oid = t.typelem and el.typarray = t.oid)"
    ),
    "c.relacl": "pg_class where relacl is not null and oid >= 16384",
    "a.attacl": "pg_attribute where attacl is not null and attrelid >= 16384",
    "p.proacl": "pg_proc where proacl is not null and oid >= 16384",
    "t.typacl": "pg_type where typacl is not null and oid >= 16384",
    "n.nspacl": "pg_namespace where nspacl is not null and oid >= 16384",
    Kind.DOMAIN: "pg_type where typtype = 'd' and oid >= 16384",
    Kind.SEQUENCE: "pg_sequence where seqrelid >= 16384",
    Kind.FOREIGN_TABLE: "pg_foreign_table",
    Kind.VIEW: "pg_class where relkind = 'v' and oid >= 16384",
    Kind.MATERIALIZED_VIEW: "pg_class where relkind = 'm' and oid >= 16384",
    Kind.ROUTINE: "pg_proc where oid >= 16384",
    Kind.AGGREGATE: "pg_aggregate where aggfnoid::oid >= 16384",
    Kind.TRIGGER: "pg_trigger where oid >= 16384",
    Kind.RULE: "pg_rewrite where rulename <> '_RETURN' and oid >= 16384",
    Kind.POLICY: "pg_policy",
    Kind.STATISTICS: "pg_statistic_ext",
    Kind.EVENT_TRIGGER: "pg_event_trigger",
    Kind.PUBLICATION: "pg_publication",
    Kind.SUBSCRIPTION: "pg_subscription where subdbid = $database",
    Kind.FOREIGN_DATA_WRAPPER: "pg_foreign_data_wrapper",
    Kind.SERVER: "pg_foreign_server",
    Kind.USER_MAPPING: "pg_foreign_server",
    Kind.CAST: "pg_cast where oid >= 16384",
    Kind.OPERATOR: "pg_operator where oid >= 16384",
    Kind.OPERATOR_CLASS: "pg_opclass where oid >= 16384",
    Kind.OPERATOR_FAMILY: "pg_opfamily where oid >= 16384",
    Kind.COLLATION: "pg_collation where oid >= 16384",
    Kind.CONVERSION: "pg_conversion where oid >= 16384",
    Kind.LANGUAGE: "pg_language where oid >= 16384 or lanacl is not null",
    Kind.TEXT_SEARCH: "(select oid from pg_ts_config union all select oid from pg_ts_dict) as t where oid >= 16384",
    Kind.COMMENT: _COMMENTED,
    Kind.DEFAULT_PRIVILEGES: "pg_default_acl",
}
"""What has to exist for there to be an object of a kind: most databases have few of the kinds, and no query is free.

Beside kinds there are some of the types of `_KINDS_OF_TYPES`, and the columns that hold rights.
"""

_TYPES = frozenset({"enum", *_KINDS_OF_TYPES})

_RELATIONS_OF = {
    Kind.TABLE: "rp",
    Kind.FOREIGN_TABLE: "f",
    Kind.VIEW: "v",
    Kind.MATERIALIZED_VIEW: "m",
    Kind.COLUMN: "rpvmf",
    Kind.COLUMN_ORDER: "rpf",
    Kind.STORAGE: "rpm",
    Kind.CONSTRAINT: "rpf",
    Kind.INDEX: "rpm",
    Kind.SEQUENCE: "S",
    Kind.TRIGGER: "rpvf",
    Kind.RULE: "rpvmf",
    Kind.POLICY: "rp",
    Kind.STATISTICS: "rpmf",
}
"""Which kinds of relations (`pg_class.relkind`) may have an object of a kind."""
_OWNED_RELATIONS = "rpvmfS"

_CHANGED_RIGHTS = """
    (select 'pg_class'::regclass::oid, oid, relnamespace, relacl from pg_class where relacl is not null
    union all select 'pg_proc'::regclass, oid, pronamespace, proacl from pg_proc where proacl is not null)
        as o (class, oid, schema, acl)
    left join pg_init_privs i on i.classoid = o.class and i.objoid = o.oid and i.objsubid = 0
    where o.acl::text is distinct from i.initprivs::text and (o.schema = 'pg_catalog'::regnamespace
        or exists (select from pg_depend e where e.classid = o.class and e.objid = o.oid and e.deptype = 'e'))
"""

_IN_SYSTEM_SCHEMAS = """
    pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where p.oid >= 16384 and n.nspname in ('pg_catalog', 'information_schema') and not $member_p
"""

_UNCOVERED = (
    ("access methods", "pg_am where oid >= 16384"),
    ("dependencies on extensions", "pg_depend where refclassid = 'pg_extension'::regclass and deptype = 'x'"),
    ("functions in schemas of PostgreSQL", _IN_SYSTEM_SCHEMAS),
    ("large objects", "pg_largeobject_metadata"),
    ("security labels", "pg_seclabel"),
    ("settings of the database", "pg_db_role_setting where setdatabase = $database"),
    ("text search parsers", "pg_ts_parser where oid >= 16384"),
    ("text search templates", "pg_ts_template where oid >= 16384"),
    ("transforms", "pg_transform where oid >= 16384"),
    ("options of user mappings", "pg_user_mappings"),
    ("rights on the database", "pg_database where oid = $database and datacl <> acldefault('d', datdba)"),
    ("rights on what PostgreSQL or an extension brought", _CHANGED_RIGHTS),
)
"""What of users' making is in catalogs that are not looked at, and how it is counted."""

_NOT_NULL_SINCE, _SCHEMAS_PUBLISHED_SINCE, _COMPRESSION_SINCE = 180000, 150000, 140000
_LOCALE_SINCE, _LOCALE_FOR_ALL_SINCE = 150000, 170000
_RULES_SINCE, _MULTIRANGE_SINCE, _DOMAIN_NOT_NULL_SINCE = 160000, 140000, 170000
_PUBLIC_SINCE = 150000


def occurring_sql(tracking_schema: str) -> str:
    """Return the query for what there may be objects of: `snapshot_sql` leaves all else out.

    `tracking_schema` is the name of the schema that zmig's tables are in, as a constant.
    """
    found = (f"select '{what}' where exists (select from {source})" for what, source in _OCCURS.items())
    return _filled(" union all ".join(found), _pieces(0)).replace("{tracking}", tracking_schema)


def snapshot_sql(
    server_version: int,
    *,
    schemas: Iterable[int],
    hidden: Iterable[int],
    routines: Iterable[int],
    occurring: Collection[str],
    relation_kinds: Collection[str],
) -> Iterator[tuple[Kind, str]]:
    """Yield each query with the kind of the objects that it returns.

    `server_version` is as in `server_version_num`, and `occurring` as `occurring_sql` returns it. Objects are in one of
    `schemas`; the relations `hidden`, among which are those of extensions, and the functions `routines` are left out
    with all that belongs to them. All are oids. `relation_kinds` are those of the relations that remain.
    """
    absent = {what for what in _OCCURS if what not in occurring}
    if absent >= _TYPES:
        absent.add(Kind.TYPE)
    absent |= {kind for kind, kinds in _RELATIONS_OF.items() if not _has(relation_kinds, kinds)}
    pieces = _pieces(server_version) | {
        "schemas": _oids(schemas),
        "hidden": _oids(hidden),
        "routines": _oids(routines),
        **{what: "" if what in absent else text for what, text in _KINDS_OF_TYPES.items()},
    }
    for kind, text in _QUERIES:
        if kind not in absent:
            yield kind, _filled(text, pieces)
    if Kind.DOMAIN not in absent:
        yield Kind.CONSTRAINT, _filled(_CONSTRAINTS_OF_DOMAINS, pieces)
    yield from _owners(pieces, absent, relation_kinds)
    yield from _rights(pieces, absent, relation_kinds)
    if Kind.COMMENT not in absent:
        yield Kind.COMMENT, _filled(_COMMENTS, pieces)


def _has(relation_kinds: Collection[str], kinds: str) -> bool:
    return any(kind in relation_kinds for kind in kinds)


def _owners(
    pieces: Mapping[str, str], absent: Collection[str], relation_kinds: Collection[str]
) -> Iterator[tuple[Kind, str]]:
    for name, owner, source in _OWNED:
        if not _is_absent(name, absent, relation_kinds):
            yield Kind.OWNER, _filled(f"select {name}, pg_get_userbyid({owner}) from {source}", pieces)
    yield Kind.OWNER, _filled(_PUBLIC_OWNER, pieces)


def _rights(
    pieces: Mapping[str, str], absent: Collection[str], relation_kinds: Collection[str]
) -> Iterator[tuple[Kind, str]]:
    for name, acl, defaults, owner, source in _GRANTED:
        if acl in absent or (name != _TYPE_NAME and _is_absent(name, absent, relation_kinds)):
            continue
        default = f"acldefault({defaults}, {owner})"
        granted, usual = _privileges(acl, default, owner), _privileges(default, default, owner)
        query = (
            f"select name, coalesce(granted, 'none') from (select {name}, {granted}, {usual} from {source} and {acl} "
            "is not null) as rights (name, granted, usual) where granted is distinct from usual"
        )
        yield Kind.PRIVILEGES, _filled(query, pieces)
    of_public = _privileges(
        "coalesce(n.nspacl, acldefault('n', n.nspowner))", "acldefault('n', n.nspowner)", "n.nspowner"
    )
    yield Kind.PRIVILEGES, _filled(_PUBLIC_GRANTS, {**pieces, "privileges": of_public})
    if "a.attacl" not in absent:
        of_column = _privileges("a.attacl", "acldefault('c', c.relowner)", "c.relowner")
        yield Kind.PRIVILEGES, _filled(_COLUMN_GRANTS, {**pieces, "privileges": of_column})
    if Kind.DEFAULT_PRIVILEGES not in absent:
        usual = (
            "case when x.defaclnamespace = 0 then acldefault(case x.defaclobjtype when 'S' then 's' "
            "else x.defaclobjtype end, x.defaclrole) end"
        )
        of_default = _privileges("x.defaclacl", usual, "x.defaclrole")
        yield Kind.DEFAULT_PRIVILEGES, _filled(_DEFAULTS, {**pieces, "privileges": of_default})


def _is_absent(name: str, absent: Collection[str], relation_kinds: Collection[str]) -> bool:
    """Whether there is nothing of which SQL of a name, such as `'view ' || ...`, is that."""
    if name == _RELATION_NAME:
        return not _has(relation_kinds, _OWNED_RELATIONS)
    kind = name.split("'")[1].strip()
    if kind == Kind.TYPE:
        return Kind.TYPE in absent and Kind.DOMAIN in absent
    return kind in absent or (kind.startswith("text search ") and Kind.TEXT_SEARCH in absent)


def uncovered_sql() -> str:
    """Return the query for how many objects of users are in catalogs that are not looked at: name and number."""
    counts = (f"select '{name}', count(*) from {source}" for name, source in _UNCOVERED)
    return _filled(f"select * from ({' union all '.join(counts)}) as u (name, number) where number > 0", _pieces(0))


def _pieces(server_version: int) -> dict[str, str]:
    """Return what stands for the names in the queries, on a server of this version."""
    published, schemas_published = "''", ""
    if server_version >= _SCHEMAS_PUBLISHED_SINCE:
        published = (
            "coalesce(' (' || (select string_agg(quote_ident(a.attname), ', ' order by a.attname)"
            " from pg_attribute a where a.attrelid = c.oid and a.attnum = any (r.prattrs)) || ')', '')"
            " || coalesce(' where ' || pg_get_expr(r.prqual, r.prrelid), '')"
        )
        schemas_published = (
            ", (select string_agg('tables in schema ' || quote_ident(n.nspname), e'\\n' order by n.nspname)"
            " from pg_publication_namespace x join pg_namespace n on n.oid = x.pnnspid where x.pnpubid = b.oid"
            " and n.oid = any ($schemas))"
        )
    not_null, domain_not_null, join_not_null = "''", "''", ""
    named = "case when k.conname ~ '_not_null[0-9]*\\Z' then '' else ' constraint ' || quote_ident(k.conname) end"
    if server_version >= _NOT_NULL_SINCE:
        join_not_null = (
            "left join pg_constraint k on k.conrelid = a.attrelid and k.contype = 'n' and k.conkey[1] = a.attnum"
        )
        not_null = (
            "coalesce(case when k.convalidated then '' else ' not valid' end"
            " || case when k.connoinherit then ' no inherit' else '' end"
            f" || case when k.conislocal then {named} else '' end, '')"
        )
    if server_version >= _DOMAIN_NOT_NULL_SINCE:
        domain_not_null = (
            f"coalesce((select {named} from pg_constraint k where k.contypid = t.oid and k.contype = 'n'), '')"
        )
    multirange, subscript = "null::text", "null::text"
    if server_version >= _MULTIRANGE_SINCE:
        multirange = "'multirange ' || format_type(r.rngmultitypid, null)"
        subscript = "'subscript ' || nullif(t.typsubscript::oid, 0)::regprocedure"
    compression = "null::text"
    if server_version >= _COMPRESSION_SINCE:
        compression = "case a.attcompression when 'p' then 'compression pglz' when 'l' then 'compression lz4' end"
    locale = "null::text"
    if server_version >= _LOCALE_FOR_ALL_SINCE:
        locale = "l.colllocale"
    elif server_version >= _LOCALE_SINCE:
        locale = "l.colliculocale"
    is_usual = "n.nspowner = 10"
    usual_of_public = "e'public: create\\npublic: usage'"
    if server_version >= _PUBLIC_SINCE:
        is_usual, usual_of_public = "pg_get_userbyid(n.nspowner) = 'pg_database_owner'", "'public: usage'"
    members = {f"member_{name}": _of_extension(*source) for name, source in _MEMBERS.items()}
    return {
        **_PIECES,
        **members,
        "relation_kind": _RELATION_KIND,
        "options": "case when c.reloptions is not null then (select 'with ' || string_agg(o, ', '"
        ' order by o collate "C") from unnest(c.reloptions) o) end',
        "index_state": "case when not i.indisvalid then 'invalid' when not i.indisready then 'not ready' end",
        "not_null": not_null,
        "join_not_null": join_not_null,
        "domain_not_null": domain_not_null,
        "multirange": multirange,
        "subscript": subscript,
        "detaching": "|| (select case when i.inhdetachpending then ' detach pending' else '' end"
        " from pg_inherits i where i.inhrelid = c.oid)"
        if server_version >= _MULTIRANGE_SINCE
        else "",
        "generated_published": "case when b.pubgencols <> 'n' then 'generated columns' end"
        if server_version >= _NOT_NULL_SINCE
        else "null::text",
        "icu_rules": "'rules ' || quote_literal(l.collicurules)" if server_version >= _RULES_SINCE else "null::text",
        "public_is_usual": is_usual,
        "public_usual": usual_of_public,
        "table_options": _options("f.ftoptions", salt="c.relname", may_be_shown=True),
        "column_options": _options("a.attfdwoptions", salt="a.attname", may_be_shown=True),
        "wrapper_options": _options("f.fdwoptions", salt="f.fdwname"),
        "server_options": _options("s.srvoptions", salt="s.srvname"),
        "index_options": "case when ic.reloptions is not null then (select 'with ' || string_agg(o, ', '"
        ' order by o collate "C") from unnest(ic.reloptions) o) end',
        "index_statistics": "case when i.indexprs is not null then (select string_agg('statistics of column '"
        " || a.attnum || ': ' || a.attstattarget, e'\\n' order by a.attnum) from pg_attribute a"
        " where a.attrelid = i.indexrelid and a.attstattarget >= 0) end",
        "compression": compression,
        "locale": locale,
        "published": published,
        "published_schemas": schemas_published,
        "database": "(select oid from pg_database where datname = current_database())",
    }


def _filled(text: str, pieces: Mapping[str, str]) -> str:
    """Return a query with its pieces, which may hold others."""
    while "$" in text:
        text = Template(text).substitute(pieces)
    return text


def _oids(oids: Iterable[int]) -> str:
    return f"'{{{','.join(map(str, oids))}}}'::oid[]"
