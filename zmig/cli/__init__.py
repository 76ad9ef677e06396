"""The command line: it parses, asks the engine, and prints. `zmig.cli.main.main` is the entry."""
