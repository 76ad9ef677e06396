"""What the console shows, as lines of text. Values in, lines out, and no Textual."""
