"""The terminal console of zmig."""
