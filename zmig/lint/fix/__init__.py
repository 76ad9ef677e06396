"""`zmig lint --fix`: statements rewritten, and files split into entries, where that is proved to come to the same."""
