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
    from collections.abc import Iterable, Iterator, Mapping

_PIECES = {
    "relation": "quote_ident(n.nspname) || '.' || quote_ident(c.relname)",
    "from_relations": "pg_class c join pg_namespace n on n.oid = c.relnamespace",
    "in_scope": "c.relnamespace = any ($schemas) and c.oid <> all ($hidden) and not exists (select from pg_depend e"
    " where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.deptype = 'e')",
}
"""What several queries have in common."""


def _of_extension(catalog: str, oid: str) -> str:
    """Return SQL that is true of what an extension has brought."""
    return (
        f"exists (select from pg_depend e where e.classid = '{catalog}'::regclass and e.objid = {oid} "
        "and e.deptype = 'e')"
    )


def _privileges(acl: str, kind: str, owner: str) -> str:
    """Return SQL of the rights that others than the owner have, a line each; null where they have none."""
    grantee = "case when r.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(r.grantee)) end"
    option = "case when r.is_grantable then ' with grant option' else '' end"
    return (
        f"(select string_agg({grantee} || ': ' || lower(r.privilege_type) || {option}, e'\\n' "
        f'order by {grantee} collate "C", r.privilege_type collate "C", r.is_grantable) '
        f"from aclexplode(coalesce({acl}, acldefault({kind}, {owner}))) r where r.grantee <> {owner})"
    )


_QUERIES: tuple[tuple[Kind, str], ...] = (
    (
        Kind.SCHEMA,
        "select quote_ident(nspname), '' from pg_namespace n where n.oid = any ($schemas) and nspname <> 'public'",
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
            case when c.relispartition then 'partition of ' || (
                select quote_ident(pn.nspname) || '.' || quote_ident(p.relname) || ' '
                from pg_inherits i join pg_class p on p.oid = i.inhparent
                    join pg_namespace pn on pn.oid = p.relnamespace
                where i.inhrelid = c.oid) || pg_get_expr(c.relpartbound, c.oid) end,
            case when not c.relispartition then 'inherits ' || (
                select string_agg(quote_ident(pn.nspname) || '.' || quote_ident(p.relname), ', ' order by i.inhseqno)
                from pg_inherits i join pg_class p on p.oid = i.inhparent
                    join pg_namespace pn on pn.oid = p.relnamespace
                where i.inhrelid = c.oid) end,
            'using ' || (select quote_ident(amname) from pg_am where oid = c.relam and amname <> 'heap'),
            $options,
            (select 'toast ' || string_agg(o, ', ' order by o) from pg_class t, unnest(t.reloptions) o
                where t.oid = c.reltoastrelid),
            case when c.relrowsecurity then 'row level security' end,
            case when c.relforcerowsecurity then 'forced row level security' end,
            case c.relreplident when 'f' then 'replica identity full' when 'n' then 'replica identity nothing'
                when 'i' then 'replica identity using index ' || (
                    select quote_ident(ic.relname) from pg_index i join pg_class ic on ic.oid = i.indexrelid
                    where i.indrelid = c.oid and i.indisreplident) end,
            'cluster on ' || (
                select quote_ident(ic.relname) from pg_index i join pg_class ic on ic.oid = i.indexrelid
                where i.indrelid = c.oid and i.indisclustered)
        ], e'\\n')
        from $from_relations where c.relkind in ('r', 'p') and $in_scope
        """,
    ),
    (
        Kind.FOREIGN_TABLE,
        """
        select $relation, array_to_string(array[
            'server ' || quote_ident(s.srvname),
            (select 'options ' || string_agg(o, ', ' order by o) from unnest(f.ftoptions) o)
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
        "'using ' || (select quote_ident(amname) from pg_am where oid = c.relam and amname <> 'heap'), "
        "pg_get_viewdef(c.oid)], e'\\n') from $from_relations where c.relkind = 'm' and $in_scope",
    ),
    (
        Kind.COLUMN,
        """
        select $relation || '.' || quote_ident(a.attname), array_to_string(array[
            format_type(a.atttypid, a.atttypmod),
            (select 'collate ' || quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
                from pg_collation co join pg_namespace cn on cn.oid = co.collnamespace
                where co.oid = a.attcollation and co.oid <> t.typcollation),
            case when a.attgenerated = 's' then 'generated always as (' || pg_get_expr(d.adbin, a.attrelid)
                || ') stored'
                when a.attgenerated = 'v' then 'generated always as (' || pg_get_expr(d.adbin, a.attrelid)
                    || ') virtual'
                else 'default ' || pg_get_expr(d.adbin, a.attrelid) end,
            case a.attidentity when 'a' then 'generated always as identity'
                when 'd' then 'generated by default as identity' end,
            case when a.attnotnull then 'not null' || $not_null end,
            case when a.attstattarget >= 0 then 'statistics ' || a.attstattarget end,
            (select 'options ' || string_agg(o, ', ' order by o) from unnest(a.attoptions) o),
            (select 'foreign options ' || string_agg(o, ', ' order by o) from unnest(a.attfdwoptions) o)
        ], e'\\n')
        from $from_relations
            join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            join pg_type t on t.oid = a.atttypid
            left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
        where c.relkind in ('r', 'p', 'v', 'm', 'f') and $in_scope
        """,
    ),
    (
        Kind.COLUMN_ORDER,
        "select $relation, string_agg(quote_ident(a.attname), ', ' order by a.attnum) from $from_relations "
        "join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped "
        "where c.relkind in ('r', 'p', 'f') and $in_scope group by 1",
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
        "join pg_tablespace s on s.oid = c.reltablespace where c.relkind in ('r', 'p', 'm', 'i', 'I') and $in_scope",
    ),
    (
        Kind.CONSTRAINT,
        """
        select $relation || '.' || quote_ident(k.conname), array_to_string(array[
            pg_get_constraintdef(k.oid),
            case when i.indexrelid is not null then $index_state end
        ], e'\\n')
        from $from_relations join pg_constraint k on k.conrelid = c.oid
            left join pg_index i on i.indexrelid = k.conindid and k.contype in ('p', 'u', 'x')
            left join pg_class ic on ic.oid = i.indexrelid
        where k.contype in ('c', 'f', 'p', 'u', 'x') and k.conparentid = 0 and $in_scope
        """,
    ),
    (
        Kind.INDEX,
        """
        select quote_ident(n.nspname) || '.' || quote_ident(ic.relname), array_to_string(array[
            pg_get_indexdef(i.indexrelid),
            $index_state,
            (select 'partition of ' || quote_ident(pn.nspname) || '.' || quote_ident(p.relname)
                from pg_inherits h join pg_class p on p.oid = h.inhparent
                    join pg_namespace pn on pn.oid = p.relnamespace
                where h.inhrelid = i.indexrelid),
            (select string_agg('statistics of column ' || a.attnum || ': ' || a.attstattarget, e'\\n' order by a.attnum)
                from pg_attribute a where a.attrelid = i.indexrelid and a.attstattarget >= 0)
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
            'sfunc ' || g.aggtransfn::regproc, 'stype ' || format_type(g.aggtranstype, null),
            'sspace ' || nullif(g.aggtransspace, 0),
            'finalfunc ' || nullif(g.aggfinalfn::oid, 0)::regproc,
            case when g.aggfinalextra then 'finalfunc extra' end,
            'finalfunc modify ' || g.aggfinalmodify::text,
            'combinefunc ' || nullif(g.aggcombinefn::oid, 0)::regproc,
            'serialfunc ' || nullif(g.aggserialfn::oid, 0)::regproc,
            'deserialfunc ' || nullif(g.aggdeserialfn::oid, 0)::regproc,
            'initcond ' || quote_literal(g.agginitval),
            'msfunc ' || nullif(g.aggmtransfn::oid, 0)::regproc,
            'minvfunc ' || nullif(g.aggminvtransfn::oid, 0)::regproc,
            'mstype ' || format_type(nullif(g.aggmtranstype, 0), null), 'msspace ' || nullif(g.aggmtransspace, 0),
            'mfinalfunc ' || nullif(g.aggmfinalfn::oid, 0)::regproc,
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
        where n.oid = any ($schemas) and $in_scope
        """,
    ),
    (
        Kind.TYPE,
        """
        select quote_ident(n.nspname) || '.' || quote_ident(t.typname), case t.typtype
            when 'e' then (select 'enum' || e'\\n' || string_agg(quote_literal(e.enumlabel), e'\\n'
                order by e.enumsortorder)
                from pg_enum e where e.enumtypid = t.oid)
            when 'c' then (select 'composite' || e'\\n' || string_agg(quote_ident(a.attname) || ' '
                    || format_type(a.atttypid, a.atttypmod) || coalesce((
                        select ' collate ' || quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
                        from pg_collation co join pg_namespace cn on cn.oid = co.collnamespace
                            join pg_type ct on ct.oid = a.atttypid
                        where co.oid = a.attcollation and co.oid <> ct.typcollation), ''), e'\\n' order by a.attnum)
                from pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped)
            when 'r' then (select array_to_string(array['range', 'subtype ' || format_type(r.rngsubtype, null),
                    (select 'operator class ' || quote_ident(on_.nspname) || '.' || quote_ident(o.opcname)
                        from pg_opclass o join pg_namespace on_ on on_.oid = o.opcnamespace
                        where o.oid = r.rngsubopc and not o.opcdefault),
                    (select 'collation ' || quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
                        from pg_collation co join pg_namespace cn on cn.oid = co.collnamespace
                            join pg_type ct on ct.oid = r.rngsubtype
                        where co.oid = r.rngcollation and co.oid <> ct.typcollation),
                    'canonical ' || nullif(r.rngcanonical::oid, 0)::regproc,
                    'diff ' || nullif(r.rngsubdiff::oid, 0)::regproc
                ], e'\\n') from pg_range r where r.rngtypid = t.oid)
            else array_to_string(array['base', 'input ' || t.typinput::regproc, 'output ' || t.typoutput::regproc,
                'length ' || t.typlen, 'alignment ' || t.typalign::text, 'storage ' || t.typstorage::text,
                'category ' || t.typcategory::text, 'default ' || quote_literal(t.typdefault)], e'\\n') end
        from pg_type t join pg_namespace n on n.oid = t.typnamespace left join pg_class c on c.oid = t.typrelid
        where t.typnamespace = any ($schemas) and not $member_t and (t.typtype in ('e', 'r')
            or t.typtype = 'c' and c.relkind = 'c'
            or t.typtype in ('b', 'p') and not exists (select from pg_type el where el.typarray = t.oid))
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
            'default ' || t.typdefault, case when t.typnotnull then 'not null' end
        ], e'\\n')
        from pg_type t join pg_namespace n on n.oid = t.typnamespace
        where t.typtype = 'd' and t.typnamespace = any ($schemas) and not $member_t
        """,
    ),
    (
        Kind.CONSTRAINT,
        """
        select quote_ident(n.nspname) || '.' || quote_ident(t.typname) || '.' || quote_ident(k.conname),
            pg_get_constraintdef(k.oid)
        from pg_constraint k join pg_type t on t.oid = k.contypid join pg_namespace n on n.oid = t.typnamespace
        where k.contype = 'c' and t.typnamespace = any ($schemas) and not $member_t
        """,
    ),
    (
        Kind.EVENT_TRIGGER,
        """
        select quote_ident(v.evtname), array_to_string(array[
            'on ' || v.evtevent, 'tags ' || (select string_agg(quote_literal(o), ', ' order by o)
                from unnest(v.evttags) o),
            'execute ' || v.evtfoid::regprocedure,
            case v.evtenabled when 'D' then 'disabled' when 'R' then 'enabled replica' when 'A'
                then 'enabled always' end
        ], e'\\n')
        from pg_event_trigger v where not $member_v
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
            (select string_agg('table ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname) || $published, e'\\n'
                    order by n.nspname, c.relname)
                from pg_publication_rel r join pg_class c on c.oid = r.prrelid
                    join pg_namespace n on n.oid = c.relnamespace
                where r.prpubid = b.oid)
            $published_schemas
        ], e'\\n')
        from pg_publication b
        """,
    ),
    (Kind.SUBSCRIPTION, "select quote_ident(subname), '' from pg_subscription where subdbid = $database"),
    (
        Kind.FOREIGN_DATA_WRAPPER,
        "select quote_ident(fdwname), array_to_string(array['handler ' || nullif(fdwhandler, 0)::regproc, "
        "'validator ' || nullif(fdwvalidator, 0)::regproc], e'\\n') from pg_foreign_data_wrapper f where not $member_f",
    ),
    (
        Kind.SERVER,
        "select quote_ident(srvname), array_to_string(array['wrapper ' || quote_ident(fdwname), 'type ' || srvtype, "
        "'version ' || srvversion], e'\\n') "
        "from pg_foreign_server s join pg_foreign_data_wrapper f on f.oid = s.srvfdw where not $member_s",
    ),
    (
        Kind.CAST,
        "select format_type(castsource, null) || ' as ' || format_type(casttarget, null), array_to_string(array["
        "case castmethod when 'f' then 'function ' || castfunc::regprocedure when 'i' then 'inout' else 'binary' end, "
        "case castcontext when 'a' then 'as assignment' when 'i' then 'as implicit' end], e'\\n') "
        "from pg_cast a where a.oid >= 16384 and not exists (select from pg_depend e where "
        "e.classid = 'pg_cast'::regclass and e.objid = a.oid and e.deptype in ('e', 'i'))",
    ),
    (
        Kind.OPERATOR,
        """
        select o.oid::regoperator::text, array_to_string(array[
            'function ' || nullif(o.oprcode::oid, 0)::regprocedure,
            'returns ' || format_type(nullif(o.oprresult, 0), null),
            'commutator ' || nullif(o.oprcom, 0)::regoperator, 'negator ' || nullif(o.oprnegate, 0)::regoperator,
            'restrict ' || nullif(o.oprrest::oid, 0)::regproc, 'join ' || nullif(o.oprjoin::oid, 0)::regproc,
            case when o.oprcanhash then 'hashes' end, case when o.oprcanmerge then 'merges' end
        ], e'\\n')
        from pg_operator o where o.oprnamespace = any ($schemas) and not $member_o
        """,
    ),
    (
        Kind.OPERATOR_CLASS,
        "select quote_ident(n.nspname) || '.' || quote_ident(q.opcname) || ' using ' || quote_ident(m.amname), "
        "array_to_string(array['for ' || format_type(q.opcintype, null), case when q.opcdefault then 'default' end, "
        "'storage ' || format_type(nullif(q.opckeytype, 0), null)], e'\\n') "
        "from pg_opclass q join pg_namespace n on n.oid = q.opcnamespace join pg_am m on m.oid = q.opcmethod "
        "where n.oid = any ($schemas) and not $member_q",
    ),
    (
        Kind.OPERATOR_FAMILY,
        """
        select quote_ident(n.nspname) || '.' || quote_ident(f.opfname) || ' using ' || quote_ident(m.amname),
            concat_ws(e'\\n',
                (select string_agg('operator ' || o.amopstrategy || ' ' || o.amopopr::regoperator, e'\\n'
                    order by o.amopstrategy, o.amopopr::regoperator::text collate "C")
                    from pg_amop o where o.amopfamily = f.oid),
                (select string_agg('function ' || o.amprocnum || ' ' || o.amproc::regprocedure, e'\\n'
                    order by o.amprocnum, o.amproc::regprocedure::text collate "C")
                    from pg_amproc o where o.amprocfamily = f.oid))
        from pg_opfamily f join pg_namespace n on n.oid = f.opfnamespace join pg_am m on m.oid = f.opfmethod
        where n.oid = any ($schemas) and not $member_opf
        """,
    ),
    (
        Kind.COLLATION,
        "select quote_ident(n.nspname) || '.' || quote_ident(l.collname), array_to_string(array["
        "'provider ' || l.collprovider::text, 'locale ' || coalesce($locale, l.collcollate), "
        "case when not l.collisdeterministic then 'not deterministic' end], e'\\n') "
        "from pg_collation l join pg_namespace n on n.oid = l.collnamespace"
        " where n.oid = any ($schemas) and not $member_l",
    ),
    (
        Kind.CONVERSION,
        "select quote_ident(n.nspname) || '.' || quote_ident(v.conname), concat_ws(' ', "
        "pg_encoding_to_char(v.conforencoding), 'to', pg_encoding_to_char(v.contoencoding), v.conproc::regprocedure, "
        "case when v.condefault then 'default' end) "
        "from pg_conversion v join pg_namespace n on n.oid = v.connamespace"
        " where n.oid = any ($schemas) and not $member_con",
    ),
    (
        Kind.LANGUAGE,
        "select quote_ident(g.lanname), case when g.lanpltrusted then 'trusted' else '' end "
        "from pg_language g where g.lanispl and not $member_g",
    ),
    (
        Kind.TEXT_SEARCH,
        """
        select 'configuration ' || quote_ident(n.nspname) || '.' || quote_ident(f.cfgname),
            'parser ' || (select quote_ident(p.prsname) from pg_ts_parser p where p.oid = f.cfgparser)
            || coalesce(e'\\n' || (select string_agg(m.maptokentype || ' ' || m.mapseqno || ' '
                || m.mapdict::regdictionary,
                e'\\n' order by m.maptokentype, m.mapseqno) from pg_ts_config_map m where m.mapcfg = f.oid), '')
        from pg_ts_config f join pg_namespace n on n.oid = f.cfgnamespace where n.oid = any ($schemas)
            and not $member_tsc
        union all
        select 'dictionary ' || quote_ident(n.nspname) || '.' || quote_ident(d.dictname), array_to_string(array[
            'template ' || (select quote_ident(t.tmplname) from pg_ts_template t where t.oid = d.dicttemplate),
            d.dictinitoption], e'\\n')
        from pg_ts_dict d join pg_namespace n on n.oid = d.dictnamespace where n.oid = any ($schemas)
            and not $member_tsd
        """,
    ),
)


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
}


_OWNED = (
    (
        "$relation_kind || $relation",
        "c.relowner",
        "$from_relations where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and $in_scope and not ("
        "c.relkind = 'S' and exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid"
        " and d.deptype in ('a', 'i')))",
    ),
    (
        "'routine ' || quote_ident(n.nspname) || '.' || quote_ident(p.proname)"
        " || '(' || pg_get_function_identity_arguments(p.oid) || ')'",
        "p.proowner",
        "pg_proc p join pg_namespace n on n.oid = p.pronamespace"
        " where n.oid = any ($schemas) and p.oid <> all ($routines)"
        " and not exists (select from pg_depend e where e.classid = 'pg_proc'::regclass and e.objid = p.oid"
        " and e.deptype in ('e', 'i'))",
    ),
    (
        "'type ' || quote_ident(n.nspname) || '.' || quote_ident(t.typname)",
        "t.typowner",
        "pg_type t join pg_namespace n on n.oid = t.typnamespace left join pg_class c on c.oid = t.typrelid"
        " where n.oid = any ($schemas) and not $member_t and (t.typtype in ('e', 'd', 'r') or c.relkind = 'c')",
    ),
    ("'schema ' || quote_ident(n.nspname)", "n.nspowner", "pg_namespace n where n.oid = any ($schemas)"),
    ("'publication ' || quote_ident(b.pubname)", "b.pubowner", "pg_publication b where true"),
    ("'event trigger ' || quote_ident(v.evtname)", "v.evtowner", "pg_event_trigger v where not $member_v"),
    ("'server ' || quote_ident(s.srvname)", "s.srvowner", "pg_foreign_server s where not $member_s"),
)
"""What has an owner: its name, the owner's oid, and where it is from."""


_RELATION_KIND = (
    "case c.relkind when 'v' then 'view ' when 'm' then 'materialized view ' when 'f' then 'foreign table '"
    " when 'S' then 'sequence ' else 'table ' end"
)

_GRANTED = (
    (
        "$relation_kind || $relation",
        "c.relacl",
        "case c.relkind when 'S' then 's' else 'r' end::\"char\"",
        "c.relowner",
        _OWNED[0][2].partition(" and not (")[0],
    ),
    (_OWNED[1][0], "p.proacl", "'f'", "p.proowner", _OWNED[1][2]),
    (_OWNED[2][0], "t.typacl", "'T'", "t.typowner", _OWNED[2][2]),
    (_OWNED[3][0], "n.nspacl", "'n'", "n.nspowner", f"{_OWNED[3][2]} and n.nspname <> 'public'"),
    (_OWNED[6][0], "s.srvacl", "'S'", "s.srvowner", _OWNED[6][2]),
    (
        "'foreign data wrapper ' || quote_ident(f.fdwname)",
        "f.fdwacl",
        "'F'",
        "f.fdwowner",
        "pg_foreign_data_wrapper f where not $member_f",
    ),
)
"""What rights are granted on: its name, its rights, their kind and the owner's oid for the defaults, and its source."""

_COLUMN_GRANTS = (
    "select 'column ' || $relation || '.' || quote_ident(a.attname), $privileges from $from_relations "
    "join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attacl is not null "
    "where $in_scope"
)

_DEFAULTS = """
select quote_ident(pg_get_userbyid(x.defaclrole)) || coalesce(' in schema ' || quote_ident(n.nspname), '')
    || ' on ' || case x.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'routines'
        when 'T' then 'types' when 'n' then 'schemas' else x.defaclobjtype::text end, coalesce($privileges, 'none')
from pg_default_acl x left join pg_namespace n on n.oid = x.defaclnamespace
where x.defaclnamespace = 0 or n.oid = any ($schemas)
"""

_COMMENTS = """
select i.type || ' ' || i.identity, d.description
from pg_description d cross join lateral pg_identify_object(d.classoid, d.objoid, d.objsubid) i
where d.objoid >= 16384 and d.objoid <> all ($hidden) and d.objoid <> all ($routines)
    and not exists (select from pg_depend e
        where e.classid = d.classoid and e.objid = d.objoid and e.deptype = 'e')
    and case d.classoid
        when 'pg_trigger'::regclass then exists (select from pg_trigger o join pg_class c on c.oid = o.tgrelid
            where o.oid = d.objoid and c.relnamespace = any ($schemas) and c.oid <> all ($hidden))
        when 'pg_rewrite'::regclass then exists (select from pg_rewrite o join pg_class c on c.oid = o.ev_class
            where o.oid = d.objoid and c.relnamespace = any ($schemas) and c.oid <> all ($hidden))
        when 'pg_policy'::regclass then exists (select from pg_policy o join pg_class c on c.oid = o.polrelid
            where o.oid = d.objoid and c.relnamespace = any ($schemas) and c.oid <> all ($hidden))
        when 'pg_constraint'::regclass then exists (select from pg_constraint o
            where o.oid = d.objoid and o.connamespace = any ($schemas) and o.conrelid <> all ($hidden))
        when 'pg_namespace'::regclass then d.objoid = any ($schemas)
        else i.schema is null or exists (select from pg_namespace n where n.oid = any ($schemas)
            and quote_ident(n.nspname) = i.schema) end
"""

_UNCOVERED = (
    ("access methods", "pg_am where oid >= 16384"),
    ("large objects", "pg_largeobject_metadata"),
    ("security labels", "pg_seclabel"),
    ("settings of the database", "pg_db_role_setting where setdatabase = $database"),
    ("text search parsers", "pg_ts_parser where oid >= 16384"),
    ("text search templates", "pg_ts_template where oid >= 16384"),
    ("transforms", "pg_transform where oid >= 16384"),
    ("user mappings", "pg_user_mappings"),
)
"""What of users' making is in catalogs that are not looked at, and how it is counted."""

_NOT_NULL_SINCE, _SCHEMAS_PUBLISHED_SINCE, _COMPRESSION_SINCE = 180000, 150000, 140000
_LOCALE_SINCE, _LOCALE_FOR_ALL_SINCE = 150000, 170000


def snapshot_sql(
    server_version: int, *, schemas: Iterable[int], hidden: Iterable[int], routines: Iterable[int]
) -> Iterator[tuple[Kind, str]]:
    """Yield each query with the kind of the objects that it returns.

    `server_version` is as in `server_version_num`. Objects are in one of `schemas`; the relations `hidden` and the
    functions `routines` are left out, with all that belongs to them. All are oids.
    """
    pieces = _pieces(server_version) | {
        "schemas": _oids(schemas),
        "hidden": _oids(hidden),
        "routines": _oids(routines),
    }
    for kind, text in _QUERIES:
        yield kind, _filled(text, pieces)
    for name, owner, source in _OWNED:
        yield Kind.OWNER, _filled(f"select {name}, pg_get_userbyid({owner}) from {source}", pieces)
    for name, acl, defaults, owner, source in _GRANTED:
        granted, usual = _privileges(acl, defaults, owner), _privileges("null::aclitem[]", defaults, owner)
        query = (
            f"select name, coalesce(granted, 'none') from (select {name}, {granted}, {usual} from {source}) "
            "as rights (name, granted, usual) where granted is distinct from usual"
        )
        yield Kind.PRIVILEGES, _filled(query, pieces)
    of_column = _privileges("a.attacl", "'c'", "c.relowner")
    yield Kind.PRIVILEGES, _filled(_COLUMN_GRANTS, pieces | {"privileges": of_column})
    of_default = _privileges("x.defaclacl", "'r'", "x.defaclrole")
    yield Kind.DEFAULT_PRIVILEGES, _filled(_DEFAULTS, pieces | {"privileges": of_default})
    yield Kind.COMMENT, _filled(_COMMENTS, pieces)


def uncovered_sql() -> str:
    """Return the query for how many objects of users are in catalogs that are not looked at: name and number."""
    counts = (f"select '{name}', count(*) from {source}" for name, source in _UNCOVERED)
    return _filled(f"select * from ({' union all '.join(counts)}) as u (name, number) where number > 0", _pieces(0))


def _pieces(server_version: int) -> dict[str, str]:
    """Return what stands for the names in the queries, on a server of this version."""
    published, schemas_published = "''", ""
    if server_version >= _SCHEMAS_PUBLISHED_SINCE:
        published = (
            "coalesce(' (' || (select string_agg(quote_ident(a.attname), ', ' order by a.attnum)"
            " from pg_attribute a where a.attrelid = c.oid and a.attnum = any (r.prattrs)) || ')', '')"
            " || coalesce(' where ' || pg_get_expr(r.prqual, r.prrelid), '')"
        )
        schemas_published = (
            ", (select string_agg('tables in schema ' || quote_ident(n.nspname), e'\\n' order by n.nspname)"
            " from pg_publication_namespace x join pg_namespace n on n.oid = x.pnnspid where x.pnpubid = b.oid)"
        )
    not_null = "''"
    if server_version >= _NOT_NULL_SINCE:
        not_null = (
            "coalesce((select case when k.convalidated then '' else ' not valid' end"
            " || case when k.connoinherit then ' no inherit' else '' end from pg_constraint k"
            " where k.conrelid = c.oid and k.contype = 'n' and k.conkey = array[a.attnum]), '')"
        )
    compression = "null::text"
    if server_version >= _COMPRESSION_SINCE:
        compression = "case a.attcompression when 'p' then 'compression pglz' when 'l' then 'compression lz4' end"
    locale = "null::text"
    if server_version >= _LOCALE_FOR_ALL_SINCE:
        locale = "l.colllocale"
    elif server_version >= _LOCALE_SINCE:
        locale = "l.colliculocale"
    members = {f"member_{name}": _of_extension(*source) for name, source in _MEMBERS.items()}
    return {
        **_PIECES,
        **members,
        "relation_kind": _RELATION_KIND,
        "options": "(select 'with ' || string_agg(o, ', ' order by o collate \"C\") from unnest(c.reloptions) o)",
        "index_state": "case when not i.indisvalid then 'invalid' when not i.indisready then 'not ready' end",
        "not_null": not_null,
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
