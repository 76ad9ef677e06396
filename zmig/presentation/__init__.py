"""What people read about errors, plans and runs, in words that the command line and the console share."""
