"""What is in a database, object by object, and how two of them differ."""
