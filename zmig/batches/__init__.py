"""Batched statements: what their text tells of the rows that each round takes. Pure."""
