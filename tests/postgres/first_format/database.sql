-- A database as the first zmig left it, which wrote format 1: six migrations, one of them rolled back and applied again, one failed.

CREATE SCHEMA zmig;

CREATE FUNCTION zmig.migration_events_refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    raise exception 'migration_events is append-only: % is refused', lower(tg_op)
        using errcode = 'restrict_violation',
            hint = 'append a fact instead, for example with zmig resolve';
end
$$;

CREATE TABLE public.users (
    id integer NOT NULL,
    name text,
    note text
);

CREATE TABLE zmig.migration_events (
    "position" bigint NOT NULL,
    aggregate_type text DEFAULT 'migration'::text NOT NULL,
    aggregate_id text NOT NULL,
    event_type text NOT NULL,
    event_data jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    database_user text DEFAULT SESSION_USER NOT NULL,
    run_id text,
    host text
);

COMMENT ON TABLE zmig.migration_events IS 'What happened to each migration, one row a fact, append-only (zmig format 1)';

COMMENT ON COLUMN zmig.migration_events."position" IS 'Order of the facts; handed out before commit, so a lower one may appear later';

COMMENT ON COLUMN zmig.migration_events.aggregate_type IS 'Always migration';

COMMENT ON COLUMN zmig.migration_events.aggregate_id IS 'Name of the migration';

COMMENT ON COLUMN zmig.migration_events.event_type IS 'migration.started, migration.done, migration.failed and others';

COMMENT ON COLUMN zmig.migration_events.event_data IS 'What the fact says: version, run, checksum, duration, error';

COMMENT ON COLUMN zmig.migration_events.created_at IS 'When the fact was appended';

COMMENT ON COLUMN zmig.migration_events.database_user IS 'Role that logged in';

COMMENT ON COLUMN zmig.migration_events.run_id IS 'Run that appended the fact; null for one appended by hand';

COMMENT ON COLUMN zmig.migration_events.host IS 'Machine zmig ran on';

ALTER TABLE zmig.migration_events ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME zmig.migration_events_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE zmig.schema_migrations (
    version bigint NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    checksum text,
    applied_at timestamp with time zone NOT NULL,
    applied_by text NOT NULL,
    duration_ms bigint,
    "position" bigint NOT NULL
);

COMMENT ON TABLE zmig.schema_migrations IS 'Migrations that are applied now; a projection of migration_events that zmig can rebuild';

COMMENT ON COLUMN zmig.schema_migrations.version IS 'Version of the migration';

COMMENT ON COLUMN zmig.schema_migrations.name IS 'Name of the migration';

COMMENT ON COLUMN zmig.schema_migrations.kind IS 'sql, python or repeatable';

COMMENT ON COLUMN zmig.schema_migrations.checksum IS 'sha256 of the file as it was applied';

COMMENT ON COLUMN zmig.schema_migrations.applied_at IS 'When it was completed';

COMMENT ON COLUMN zmig.schema_migrations.applied_by IS 'Role that logged in';

COMMENT ON COLUMN zmig.schema_migrations.duration_ms IS 'How long it took, in milliseconds';

COMMENT ON COLUMN zmig.schema_migrations."position" IS 'Position of its fact in migration_events';

INSERT INTO public.users VALUES (1, 'n1', NULL);
INSERT INTO public.users VALUES (2, 'n2', NULL);
INSERT INTO public.users VALUES (3, 'n3', NULL);
INSERT INTO public.users VALUES (4, 'n4', NULL);
INSERT INTO public.users VALUES (5, 'n5', NULL);

INSERT INTO zmig.migration_events OVERRIDING SYSTEM VALUE VALUES (1, 'migration', '001_tables', 'migration.started', '{"kind": "sql", "name": "001_tables", "client": {"pid": 31205, "space": "4c07e81e-1475-47f9-a512-454f81e727a9/pid:[4026531836]", "started": "192986"}, "run_id": "7f8dac48a780", "attempt": 1, "version": 1, "checksum": "80cfa948b3d7bae86c6e67f670919933748a2c95798c893e29d54cbd88d2d071", "started_at": "2026-11-27T15:36:04.783452+00:00", "backend_pid": 31209, "transactional": true, "application_name": "zmig/7f8dac48a780"}', '2026-11-27 15:36:04.783462+00', 'postgres', '7f8dac48a780', 'build-7');
INSERT INTO zmig.migration_events OVERRIDING SYSTEM VALUE VALUES (2, 'migration', '001_tables', 'migration.done', '{"kind": "sql", "name": "001_tables", "run_id": "7f8dac48a780", "attempt": 1, "version": 1, "checksum": "80cfa948b3d7bae86c6e67f670919933748a2c95798c893e29d54cbd88d2d071", "statements": 1, "duration_ms": 7, "completed_at": "2026-11-27T15:36:04.789442+00:00"}', '2026-11-27 15:36:04.789457+00', 'postgres', '7f8dac48a780', 'build-7');
INSERT INTO zmig.migration_events OVERRIDING SYSTEM VALUE VALUES (3, 'migration', '002_index', 'migration.started', '{"kind": "sql", "name": "002_index", "client": {"pid": 31205, "space": "4c07e81e-1475-47f9-a512-454f81e727a9/pid:[4026531836]", "started": "192986"}, "run_id": "7f8dac48a780", "attempt": 1, "version": 2, "checksum": "fdd02ed61c039b5247385c4993d493f6f3efc0ac68d4bea7bbc4ae4bbecc4c01", "started_at": "2026-11-27T15:36:04.800788+00:00", "backend_pid": 31209, "transactional": false, "application_name": "zmig/7f8dac48a780"}', '2026-11-27 15:36:04.800795+00', 'postgres', '7f8dac48a780', 'build-7');
INSERT INTO zmig.migration_events OVERRIDING SYSTEM VALUE VALUES (4, 'migration', '002_index', 'migration.checkpoint', '{"name": "002_index", "sent": 1, "before": false, "digest": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "run_id": "7f8dac48a780", "attempt": 1, "subject": "index users_name on users", "version": 2, "statement": 0, "statements": 1, "sent_digest": "2e6a7cd5e301c158832fd0f72fbb17a48fcf50fedef43a3dfbcc41dec5ae7e79"}', '2026-11-27 15:36:04.804645+00', 'postgres', '7f8dac48a780', 'build-7');
INSERT INTO zmig.migration_events OVERRIDING SYSTEM VALUE VALUES (5, 'migration', '002_index', 'migration.checkpoint', '{"name": "002_index", "digest": "2e6a7cd5e301c158832fd0f72fbb17a48fcf50fedef43a3dfbcc41dec5ae7e79", "run_id": "7f8dac48a780", "attempt": 1, "version": 2, "statement": 1, "statements": 1}', '2026-11-27 15:36:04.832613+00', 'postgres', '7f8dac48a780', 'build-7');
INSERT INTO zmig.migration_events OVERRIDING SYSTEM VALUE VALUES (6, 'migration', '002_index', 'migration.done', '{"kind": "sql", "name": "002_index", "run_id": "7f8dac48a780", "attempt": 1, "version": 2, "checksum": "fdd02ed61c039b5247385c4993d493f6f3efc0ac68d4bea7bbc4ae4bbecc4c01", "statements": 1, "duration_ms": 52, "completed_at": "2026-11-27T15:36:04.844363+00:00"}', '2026-11-27 15:36:04.844372+00', 'postgres', '7f8dac48a780', 'build-7');
INSERT INTO zmig.migration_events OVERRIDING SYSTEM VALUE VALUES (7, 'migration', '003_rows', 'migration.started', '{"kind": "python", "name": "003_rows", "client": {"pid": 31205, "space": "4c07e81e-1475-47f9-a512-454f81e727a9/pid:[4026531836]", "started": "192986"}, "run_id": "7f8dac48a780", "attempt": 1, "version": 3, "checksum": "d9ecf8793ffb1d57f3059b7e1f9de693feb8a6170b7c60ad0576d060d9f9eb49", "started_at": "2026-11-27T15:36:04.852452+00:00", "backend_pid": 31209, "transactional": true, "application_name": "zmig/7f8dac48a780"}', '2026-11-27 15:36:04.852459+00', 'postgres', '7f8dac48a780', 'build-7');
INSERT INTO zmig.migration_events OVERRIDING SYSTEM VALUE VALUES (8, 'migration', '003_rows', 'migration.done', '{"kind": "python", "name": "003_rows", "run_id": "7f8dac48a780", "attempt": 1, "version": 3, "checksum": "d9ecf8793ffb1d57f3059b7e1f9de693feb8a6170b7c60ad0576d060d9f9eb49", "statements": null, "duration_ms": 1, "completed_at": "2026-11-27T15:36:04.8537+00:00"}', '2026-11-27 15:36:04.853704+00', 'postgres', '7f8dac48a780', 'build-7');
INSERT INTO zmig.migration_events OVERRIDING SYSTEM VALUE VALUES (9, 'migration', '004_lower', 'migration.started', '{"kind": "sql", "name": "004_lower", "client": {"pid": 31205, "space": "4c07e81e-1475-47f9-a512-454f81e727a9/pid:[4026531836]", "started": "192986"}, "run_id": "7f8dac48a780", "attempt": 1, "version": 4, "checksum": "97eda3749b8125960fa025e5402e42b258a94ff3ead85d1b8c7d6e6925597b34", "started_at": "2026-11-27T15:36:04.856911+00:00", "backend_pid": 31209, "transactional": false, "application_name": "zmig/7f8dac48a780"}', '2026-11-27 15:36:04.856917+00', 'postgres', '7f8dac48a780', 'build-7');
INSERT INTO zmig.migration_events OVERRIDING SYSTEM VALUE VALUES (10, 'migration', '004_lower', 'migration.checkpoint', '{"name": "004_lower", "rows": 2, "total": null, "cursor": 2, "rounds": 1, "run_id": "7f8dac48a780", "attempt": 1, "version": 4}', '2026-11-27 15:36:04.868755+00', 'postgres', '7f8dac48a780', 'build-7');
INSERT INTO zmig.migration_events OVERRIDING SYSTEM VALUE VALUES (11, 'migration', '004_lower', 'migration.checkpoint', '{"name": "004_lower", "rows": 4, "total": null, "cursor": 4, "rounds": 2, "run_id": "7f8dac48a780", "attempt": 1, "version": 4}', '2026-11-27 15:36:04.877055+00', 'postgres', '7f8dac48a780', 'build-7');
INSERT INTO zmig.migration_events OVERRIDING SYSTEM VALUE VALUES (12, 'migration', '004_lower', 'migration.checkpoint', '{"name": "004_lower", "rows": 5, "total": null, "cursor": 5, "rounds": 3, "run_id": "7f8dac48a780", "attempt": 1, "version": 4}', '2026-11-27 15:36:04.880197+00', 'postgres', '7f8dac48a780', 'build-7');
INSERT INTO zmig.migration_events OVERRIDING SYSTEM VALUE VALUES (13, 'migration', '004_lower', 'migration.done', '{"kind": "sql", "name": "004_lower", "rows": 5, "rounds": 3, "run_id": "7f8dac48a780", "attempt": 1, "version": 4, "checksum": "97eda3749b8125960fa025e5402e42b258a94ff3ead85d1b8c7d6e6925597b34", "statements": 1, "duration_ms": 34, "completed_at": "2026-11-27T15:36:04.889749+00:00"}', '2026-11-27 15:36:04.889756+00', 'postgres', '7f8dac48a780', 'build-7');
INSERT INTO zmig.migration_events OVERRIDING SYSTEM VALUE VALUES (14, 'migration', '005_note', 'migration.started', '{"kind": "sql", "name": "005_note", "client": {"pid": 31205, "space": "4c07e81e-1475-47f9-a512-454f81e727a9/pid:[4026531836]", "started": "192986"}, "run_id": "7f8dac48a780", "attempt": 1, "version": 5, "checksum": "ce4ced1ed5115097f0f3a0c3f018fd892b9e9ae0918da671caf421b5da2296b5", "started_at": "2026-11-27T15:36:04.893347+00:00", "backend_pid": 31209, "transactional": true, "application_name": "zmig/7f8dac48a780"}', '2026-11-27 15:36:04.893354+00', 'postgres', '7f8dac48a780', 'build-7');
INSERT INTO zmig.migration_events OVERRIDING SYSTEM VALUE VALUES (15, 'migration', '005_note', 'migration.done', '{"kind": "sql", "name": "005_note", "run_id": "7f8dac48a780", "attempt": 1, "version": 5, "checksum": "ce4ced1ed5115097f0f3a0c3f018fd892b9e9ae0918da671caf421b5da2296b5", "statements": 1, "duration_ms": 1, "completed_at": "2026-11-27T15:36:04.893626+00:00"}', '2026-11-27 15:36:04.893637+00', 'postgres', '7f8dac48a780', 'build-7');
INSERT INTO zmig.migration_events OVERRIDING SYSTEM VALUE VALUES (16, 'migration', '005_note', 'migration.rollback_started', '{"kind": "sql", "name": "005_note", "client": {"pid": 31221, "space": "4c07e81e-1475-47f9-a512-454f81e727a9/pid:[4026531836]", "started": "193030"}, "run_id": "cb856f461e31", "attempt": 1, "version": 5, "checksum": "ce4ced1ed5115097f0f3a0c3f018fd892b9e9ae0918da671caf421b5da2296b5", "started_at": "2026-11-27T15:36:05.226677+00:00", "backend_pid": 31242, "transactional": true, "application_name": "zmig/cb856f461e31"}', '2026-11-27 15:36:05.226683+00', 'postgres', 'cb856f461e31', 'build-7');
INSERT INTO zmig.migration_events OVERRIDING SYSTEM VALUE VALUES (17, 'migration', '005_note', 'migration.rolled_back', '{"kind": "sql", "name": "005_note", "run_id": "cb856f461e31", "attempt": 1, "version": 5, "checksum": "ce4ced1ed5115097f0f3a0c3f018fd892b9e9ae0918da671caf421b5da2296b5", "statements": 1, "duration_ms": 1, "completed_at": "2026-11-27T15:36:05.227579+00:00"}', '2026-11-27 15:36:05.22759+00', 'postgres', 'cb856f461e31', 'build-7');
INSERT INTO zmig.migration_events OVERRIDING SYSTEM VALUE VALUES (18, 'migration', '005_note', 'migration.started', '{"kind": "sql", "name": "005_note", "client": {"pid": 31244, "space": "4c07e81e-1475-47f9-a512-454f81e727a9/pid:[4026531836]", "started": "193062"}, "run_id": "e7d6e27295c6", "attempt": 1, "version": 5, "checksum": "ce4ced1ed5115097f0f3a0c3f018fd892b9e9ae0918da671caf421b5da2296b5", "started_at": "2026-11-27T15:36:05.634391+00:00", "backend_pid": 31247, "transactional": true, "application_name": "zmig/e7d6e27295c6"}', '2026-11-27 15:36:05.634398+00', 'postgres', 'e7d6e27295c6', 'build-7');
INSERT INTO zmig.migration_events OVERRIDING SYSTEM VALUE VALUES (19, 'migration', '005_note', 'migration.done', '{"kind": "sql", "name": "005_note", "run_id": "e7d6e27295c6", "attempt": 1, "version": 5, "checksum": "ce4ced1ed5115097f0f3a0c3f018fd892b9e9ae0918da671caf421b5da2296b5", "statements": 1, "duration_ms": 2, "completed_at": "2026-11-27T15:36:05.635388+00:00"}', '2026-11-27 15:36:05.635398+00', 'postgres', 'e7d6e27295c6', 'build-7');
INSERT INTO zmig.migration_events OVERRIDING SYSTEM VALUE VALUES (20, 'migration', '006_wrong', 'migration.started', '{"kind": "sql", "name": "006_wrong", "client": {"pid": 31244, "space": "4c07e81e-1475-47f9-a512-454f81e727a9/pid:[4026531836]", "started": "193062"}, "run_id": "e7d6e27295c6", "attempt": 1, "version": 6, "checksum": "0d573d9276160081f7e158b96ddbad4a7f77b19f1cb250859b225d8175496833", "started_at": "2026-11-27T15:36:05.645056+00:00", "backend_pid": 31247, "transactional": true, "application_name": "zmig/e7d6e27295c6"}', '2026-11-27 15:36:05.645063+00', 'postgres', 'e7d6e27295c6', 'build-7');
INSERT INTO zmig.migration_events OVERRIDING SYSTEM VALUE VALUES (21, 'migration', '006_wrong', 'migration.failed', '{"name": "006_wrong", "error": {"file": "006_wrong.sql", "line": 1, "column": 1, "message": "column \"id\" of relation \"users\" already exists", "location": "006_wrong.sql:1:1", "sqlstate": "42701", "statement": 1, "statements": 1}, "run_id": "e7d6e27295c6", "attempt": 1, "version": 6, "will_retry": false, "duration_ms": 9, "completed_at": "2026-11-27T15:36:05.654272+00:00", "transactional": true}', '2026-11-27 15:36:05.654279+00', 'postgres', 'e7d6e27295c6', 'build-7');

INSERT INTO zmig.schema_migrations VALUES (1, '001_tables', 'sql', '80cfa948b3d7bae86c6e67f670919933748a2c95798c893e29d54cbd88d2d071', '2026-11-27 15:36:04.789457+00', 'postgres', 7, 2);
INSERT INTO zmig.schema_migrations VALUES (2, '002_index', 'sql', 'fdd02ed61c039b5247385c4993d493f6f3efc0ac68d4bea7bbc4ae4bbecc4c01', '2026-11-27 15:36:04.844372+00', 'postgres', 52, 6);
INSERT INTO zmig.schema_migrations VALUES (3, '003_rows', 'python', 'd9ecf8793ffb1d57f3059b7e1f9de693feb8a6170b7c60ad0576d060d9f9eb49', '2026-11-27 15:36:04.853704+00', 'postgres', 1, 8);
INSERT INTO zmig.schema_migrations VALUES (4, '004_lower', 'sql', '97eda3749b8125960fa025e5402e42b258a94ff3ead85d1b8c7d6e6925597b34', '2026-11-27 15:36:04.889756+00', 'postgres', 34, 13);
INSERT INTO zmig.schema_migrations VALUES (5, '005_note', 'sql', 'ce4ced1ed5115097f0f3a0c3f018fd892b9e9ae0918da671caf421b5da2296b5', '2026-11-27 15:36:05.635398+00', 'postgres', 2, 19);

SELECT pg_catalog.setval('zmig.migration_events_position_seq', 21, true);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

ALTER TABLE ONLY zmig.migration_events
    ADD CONSTRAINT migration_events_pkey PRIMARY KEY ("position");

ALTER TABLE ONLY zmig.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);

CREATE INDEX users_name ON public.users USING btree (name);

CREATE INDEX migration_events_aggregate ON zmig.migration_events USING btree (aggregate_id, event_type, "position");

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON zmig.migration_events FOR EACH STATEMENT EXECUTE FUNCTION zmig.migration_events_refuse_change();

ALTER TABLE zmig.migration_events ENABLE ALWAYS TRIGGER append_only;

