"""Proofs that need a scratch database: that rollbacks undo, that files build what is live."""
