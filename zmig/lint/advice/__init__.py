"""What to write instead: for a rule and a statement, what is wrong in its own names, and the corrected SQL. Pure."""
