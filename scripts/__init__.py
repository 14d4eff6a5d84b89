"""The command line and programs that are run once."""

__version__ = "0.1.0"
