"""What agents can do: documents, search, deliverables and operations, with their policy and effects."""
