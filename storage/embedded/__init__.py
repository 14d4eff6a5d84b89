"""The embedded back end: a real home on one machine, SQLite and files."""
