"""A run: its steps executed one by one, and recorded."""
