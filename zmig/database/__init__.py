"""The target database: connections, the run's lock, the event store, what the catalog says."""
