"""What agents can do: documents, deliverables and operations, with policy and effects."""
