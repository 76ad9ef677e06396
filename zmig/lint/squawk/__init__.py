"""The program squawk: what it is given, how it is run, and what remains of what it says."""
