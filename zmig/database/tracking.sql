-- The tables zmig keeps in the target database. Every name is qualified; :schema stands for the tracking schema.

create table if not exists :schema.migration_events (
    position bigint generated always as identity primary key,
    aggregate_type text not null default 'migration',
    aggregate_id text not null,
    event_type text not null,
    event_data jsonb not null default '{}',
    created_at timestamptz not null default now(),
    database_user text not null default session_user,
    run_id text,
    host text
);

comment on table :schema.migration_events is 'What happened to each migration, one row a fact, append-only (zmig format 1)';
comment on column :schema.migration_events.position is 'Order of the facts; handed out before commit, so a lower one may appear later';
comment on column :schema.migration_events.aggregate_type is 'What the fact is about: migration, schema, or import';
comment on column :schema.migration_events.aggregate_id is 'Name of the migration';
comment on column :schema.migration_events.event_type is 'migration.started, migration.done, migration.failed and others';
comment on column :schema.migration_events.event_data is 'What the fact says: version, run, checksum, duration, error';
comment on column :schema.migration_events.created_at is 'When the fact was appended';
comment on column :schema.migration_events.database_user is 'Role that logged in';
comment on column :schema.migration_events.run_id is 'Run that appended the fact; null for one appended by hand';
comment on column :schema.migration_events.host is 'Machine zmig ran on';

create index if not exists migration_events_aggregate on :schema.migration_events (aggregate_id, event_type, position);

create table if not exists :schema.schema_migrations (
    version bigint primary key,
    name text not null,
    kind text not null,
    checksum text,
    applied_at timestamptz not null,
    applied_by text not null,
    duration_ms bigint,
    position bigint not null
);

comment on table :schema.schema_migrations is 'Migrations that are applied now; a projection of migration_events that zmig can rebuild';
comment on column :schema.schema_migrations.version is 'Version of the migration';
comment on column :schema.schema_migrations.name is 'Name of the migration';
comment on column :schema.schema_migrations.kind is 'sql, python or repeatable';
comment on column :schema.schema_migrations.checksum is 'sha256 of the file as it was applied';
comment on column :schema.schema_migrations.applied_at is 'When it was completed';
comment on column :schema.schema_migrations.applied_by is 'Role that logged in';
comment on column :schema.schema_migrations.duration_ms is 'How long it took, in milliseconds';
comment on column :schema.schema_migrations.position is 'Position of its fact in migration_events';
