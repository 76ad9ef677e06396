"""What a manifest says: its text, its schema, its meaning. Text in, values out; nothing is opened."""
