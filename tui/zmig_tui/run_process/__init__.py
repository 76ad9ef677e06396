"""A run in a process of its own, which goes on without the console that began it, and which any console attaches to."""
