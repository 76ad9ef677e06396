"""SQL within SQL, and within Python: what is in DO blocks, bodies of functions and strings that are executed. Pure."""
