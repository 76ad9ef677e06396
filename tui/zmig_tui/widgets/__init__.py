"""The console's parts: they draw the models and pages."""
