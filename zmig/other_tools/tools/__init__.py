"""One module for each tool, which holds its `TOOL`."""
