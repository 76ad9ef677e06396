"""The checks of zmig's own rules, by what they are about. Pure: they take what was read, and yield remarks."""
