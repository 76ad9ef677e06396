"""What the console knows: the table, the runs, the details of one migration. Values and folds, without a screen."""
