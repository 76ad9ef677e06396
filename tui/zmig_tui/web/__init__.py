"""`zmig tui --web`: a server on this machine, and a process of the console for each page in a browser."""
