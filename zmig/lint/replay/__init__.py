"""The catalog as the migrations so far leave it, and what each statement does to it: its effects. Pure.

Values (`objects`, `effects`, `catalog`) know nothing of a parser; what reads PostgreSQL's syntax trees needs the
package postgast, and is imported by `zmig.lint.replay.replay`.
"""
