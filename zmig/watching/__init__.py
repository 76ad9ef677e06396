"""Looks at runs from outside: facts as they appear, what a backend does, who blocks it. Never writes, never locks."""
