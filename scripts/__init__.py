"""The command line and programs that are run once."""
