"""Text for people: places in it, what is secret in it, how it is shown."""
