"""The Streamlit pages. They know only the orchestrator, and never run a graph."""
