"""The prompts: one short, versioned file per agent."""
