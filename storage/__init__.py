"""What is kept: ports, the embedded back end, records, the checkpointer. The lowest floor."""
