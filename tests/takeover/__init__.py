"""Trials with the real other tools: half of a project is applied by one of them, and the rest by zmig."""
