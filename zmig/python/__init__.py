"""The Python code of migrations: found, imported, and what comes back from it."""
