"""The prompts: one short file per agent. Changing a word changes the version."""

import hashlib
from functools import cache
from importlib.resources import files


@cache
def prompt(agent: str) -> str:
    """Return the prompt of an agent."""
    return files(__name__).joinpath(f"{agent}.md").read_text(encoding="utf-8").strip()


@cache
def prompts_version() -> str:
    """Return a hash over all prompts."""
    found = [file for file in files(__name__).iterdir() if file.name.endswith(".md")]
    texts = sorted((file.name, file.read_text(encoding="utf-8")) for file in found)
    return hashlib.sha256(repr(texts).encode()).hexdigest()[:12]
