"""What other migration tools write: their files, their history tables, checksums and locks. No I/O."""
