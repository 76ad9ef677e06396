"""The process that zmig is: signals, threads, child processes, the current folder."""
