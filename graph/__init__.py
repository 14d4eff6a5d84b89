"""The state machines, the orchestrator (the Python API) and the worker."""
