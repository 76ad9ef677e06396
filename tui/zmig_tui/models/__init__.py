"""What the console knows: the table, the runs, the details of one migration. No I/O, and no Textual."""
