"""What several test modules share; everything here acts on the real thing."""
