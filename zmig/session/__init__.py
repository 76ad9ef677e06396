"""One open database beside its manifest: connection, lock and store, and what is read and decided through them."""
