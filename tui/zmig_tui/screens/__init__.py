"""The main screen, its dialogs, and what its keys do."""
