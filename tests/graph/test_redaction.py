"""What looks like a secret is taken out of a text; prose stays as it was."""

import pytest

from graph.redaction import without_secrets

SECRET = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


@pytest.mark.parametrize(
    "form",
    [
        "Incorrect API key: sk-proj-{}.",
        "Stripe said sk_live_{}",
        "Mailgun has key-{}",
        "the token ghp_{} of GitHub",
        "github_pat_{}",
        "glpat-{}",
        "xoxb-{}",
        "hf_{}",
        "AIza{}",
        "a JSON Web Token: eyJhbGciOi.{}.x-y_z",
        "Bearer {}",
        "{{'Authorization': 'Bearer {}'}}",
        "authorization: Basic {}==",
        "aws_secret_access_key={}/+x",
        "AWS_SESSION_TOKEN = {}",
        "password: {}",
        '{{"password": "{}", "user": "ann"}}',
        "{{'client_secret': 'two words {}'}}",
        '{{\\"api_key\\": \\"{}\\"}}',
        "AccountName=x;AccountKey={}==;EndpointSuffix=core",
        "postgres://ann:{}@db/x",
        "redis://:{}@db:6379/0",
        "mongodb+srv://ann:p@ss:{}@cluster/x",
        "https://b.s3.amazonaws.com/k?X-Amz-Signature={}&X-Amz-Date=1",
        "https://b.s3.amazonaws.com/k?X-Amz-Credential=AKIA{}%2Faws4_request",
        "https://x.blob.core.windows.net/k?sig={}%3D&se=1",
        "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\n{}",
    ],
)
def test_a_secret_is_taken_out_and_what_stands_around_it_stays(form: str) -> None:
    found = without_secrets(f"It failed. {form.format(SECRET)}\nTry again.")
    assert SECRET[:8] not in found
    assert SECRET[-8:] not in found
    assert found.startswith("It failed. ")
    assert without_secrets(found) == found
    if not form.startswith("-----BEGIN PRIVATE"):  # a key without its end may have none
        assert found.endswith("\nTry again.")


def test_the_identifier_of_an_aws_key_is_taken_out() -> None:
    assert without_secrets("ASIAIOSFODNN7EXAMPLE may not") == "ASIA… may not"


@pytest.mark.parametrize(
    "prose",
    [
        "The keyboard, the keynote-speakers and the skateboard; a key-value-store and disk_space.",
        "Signature: John Smith. Secretary: Jane Doe2. Credentials: MBA. Date: 12-May-2024.",
        "Bearer instruments are payable to the bearer in 2024; Basic understanding is enough.",
        "Authorization: The board has authorized it.",
        "Token: the unit of account. The password: it is in the drawer.",
        "It took 1,000,000 tokens: max_tokens=16 and input_tokens=2048.",
        "http://127.0.0.1:9000/v1 cannot be reached; write to ann@example.com.",
        "monkey=banana1 disk_space_error task-123456789 r-0a1b2c3d4e5f",
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ],
)
def test_prose_stays_as_it_is(prose: str) -> None:
    assert without_secrets(prose) == prose


@pytest.mark.parametrize(
    "unit",
    ["key-", "secret_", "password: ", 'token="', "://a:", "-----BEGIN PRIVATE KEY-----", "eyJaa."],
)
def test_a_text_made_to_take_for_ever_does_not(unit: str) -> None:
    """In time that grows with the square of its length, each would take minutes."""
    assert without_secrets(unit * (200_000 // len(unit)))
