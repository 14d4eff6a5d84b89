"""Four documents written for the project, so that a demo needs nothing from outside."""
