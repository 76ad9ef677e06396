"""Batched statements: what their text says of the rows that each round takes. No I/O."""
