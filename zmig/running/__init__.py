"""A run: opened, prepared, executed step by step, recorded."""
