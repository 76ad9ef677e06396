"""Taking over from another migration tool: its files become entries of a manifest, its history becomes facts."""
