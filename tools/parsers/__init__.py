"""One reader for each kind of document; `tools.parsing` decides which of them reads a file."""
