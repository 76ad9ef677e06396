"""The console's parts: they draw what the view models say, and tell which key was meant for them."""
