-- description: Search by likeness, and ids that nobody can guess
create extension if not exists pg_trgm;
create extension if not exists pgcrypto with schema public;
