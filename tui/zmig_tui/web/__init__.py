"""The console in a browser: a server on this machine, and a process of the console for each page."""
