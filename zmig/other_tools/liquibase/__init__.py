"""Liquibase's changelogs: which files there are in which order, and the changesets of an SQL file."""
