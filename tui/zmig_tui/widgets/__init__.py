"""The parts of screens: a table, lines, fields, their colours. They draw models and pages."""
