"""Flyway: its configuration, the names of its files, its placeholders and its history."""
