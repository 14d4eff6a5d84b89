"""Takes out of a text what looks like a secret: keys, tokens, passwords in addresses and settings.

What stands before a secret stays, so that whoever reads it knows what was there. Patterns can only
know forms: what must never be kept is not to be written at all. Each takes time in proportion to
the text, whatever it is: what repeats is bounded, or taken whole.
"""

import re
from typing import Final

_NAME: Final = (
    r"(?:secret(?:[_-]?access)?(?:[_-]?key)?|pass(?:word|wd|phrase)|pwd|token"
    r"|(?:api|access|private|account|signing|encryption)[_-]?key(?:[_-]?id)?)"
)
"""What a setting, a field or a parameter that holds a secret is called, or ends with."""
_MIXED: Final = r"(?=[^\s\d]{0,80}\d)(?=[^\sA-Za-z]{0,80}[A-Za-z])"
"""Before letters and digits mixed, as in no word."""
_SECRETS: Final = [
    re.compile(pattern)
    for pattern in (
        # https://datatracker.ietf.org/doc/html/rfc7468
        r"(-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----)(?!…)(?s:.)*?(?:-----END[A-Z ]{0,50}-----|\Z)",
        # Keys by how they begin: OpenAI and Stripe, Mailgun, AWS, GitHub, GitLab, Slack, Google,
        # Hugging Face; and JSON Web Tokens.
        r"\b(sk-|[rs]k_(?:live|test)_)[-_A-Za-z0-9*]{8,}",
        rf"\b(key-){_MIXED}[-_A-Za-z0-9*]{{8,}}",
        r"\b(AKIA|ASIA)[A-Z0-9*]{8,}",
        r"\b(gh[oprsu]_|github_pat_|glpat-|xox[abeoprs]-|hf_)[-_A-Za-z0-9]{10,}",
        r"\b(AIza)[-_A-Za-z0-9]{30,}",
        r"\b(eyJ)[-_A-Za-z0-9]{8,}(?:\.[-_A-Za-z0-9]*){1,4}",
        # https://datatracker.ietf.org/doc/html/rfc7235
        r"(?i)(\bauthorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?[a-z]{1,20}\s)[^\s\"',]{8,}",
        rf"(?i)(\b(?:bearer|basic)\s{{1,3}}){_MIXED}[-.~+/=\w]{{12,}}",
        # https://datatracker.ietf.org/doc/html/rfc3986#section-3.2.1
        r"(://[^\s/?#@:]{0,100}:)[^\s/?#]{1,200}(?=@)",
        # What a name says: parameters of addresses, settings, fields of JSON.
        r"(?i)((?:signature|credential|\bsig)=)[^\s\"'&;,<>]{4,}",
        rf"(?i)({_NAME}=)[^\s\"'&;,<>]{{4,}}",
        rf"(?i)({_NAME}[\\\"']{{0,2}}\s{{0,3}}[:=]\s{{0,3}}\\?[\"'])[^\"'\n]{{4,}}",
        rf"(?i)({_NAME}\s{{0,3}}[:=]\s{{1,3}}){_MIXED}[-.~+/=\w]{{8,}}",
    )
]
"""What is found of each is its first group, which stays, and then the secret."""


def without_secrets(text: str) -> str:
    """Return a text without what looks like a secret."""
    for pattern in _SECRETS:
        text = pattern.sub(r"\1…", text)
    return text
