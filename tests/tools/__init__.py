"""Other migration tools: what zmig reads of their projects, and of databases that they have made."""
