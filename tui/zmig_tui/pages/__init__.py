"""What the console shows, as lines of text: values in, lines out, without a screen."""
