"""What an SQL file says: statements, what they mean for a transaction, messages made of them. No I/O."""
