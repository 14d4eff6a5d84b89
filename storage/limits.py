"""What an item, a transaction and a key may hold: DynamoDB's and S3's limits, on every back end.

Both back ends check before they write, so that what works on a laptop works in an account.
"""

from collections.abc import Sequence

from storage.errors import InvalidInput, TooLarge
from storage.ports import Action, Item, Put, Value

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
MAX_ITEM_BYTES = 400 * 1024
MAX_PK_BYTES = 2048
MAX_SK_BYTES = 1024
MAX_ACTIONS = 100
MAX_TRANSACTION_BYTES = 4 * 1024 * 1024
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
MAX_BLOB_KEY_BYTES = 1024


def _value_size(value: Value) -> int:
    """Bytes of a value as DynamoDB counts them, to the safe side for numbers and nesting."""
    match value:
        case None | bool():
            return 1
        case int():
            if not -(2**63) <= value < 2**63:
                raise InvalidInput(f"An integer of an item fits 64 bits; {value} does not.")
            return 21
        case float():
            return 21
        case str():
            return len(value.encode())
        case bytes():
            return len(value)
        case list():
            return 9 + sum(5 + _value_size(element) for element in value)
        case dict():
            return 9 + sum(10 + len(k.encode()) + _value_size(v) for k, v in value.items())
    raise InvalidInput(f"An item cannot hold a {type(value).__name__}.")


def item_size(item: Item) -> int:
    """Return at least the bytes of an item by DynamoDB's rule: names and values in UTF-8.

    Source: "DynamoDB item sizes and formats" in the developer guide. For numbers and for what is
    nested it counts the most that either back end needs.
    """
    names_and_numbers = len("pkskversionexpires_atbodyw") + 2 * 21 + 8
    return (
        names_and_numbers
        + len(item.pk.encode())
        + len(item.sk.encode())
        + _value_size(dict(item.body))
    )


def measured(item: Item) -> int:
    """Return the item's size in bytes.

    Raises:
        TooLarge: a key exceeds the limits.
        InvalidInput: a key is empty, or the body holds what cannot be stored.
    """
    for name, text, most in (("pk", item.pk, MAX_PK_BYTES), ("sk", item.sk, MAX_SK_BYTES)):
        if not text:
            raise InvalidInput(f"The {name} of an item is empty.")
        if len(text.encode(errors="replace")) > most:
            raise TooLarge(f"The {name} {text[:60]!r}… has more than {most} bytes.")
    try:
        return item_size(item)
    except UnicodeEncodeError as error:
        raise InvalidInput(f"The item {item.sk[:60]!r} holds text that is no Unicode.") from error


def check_item(item: Item) -> int:
    """Return the item's size in bytes.

    Raises:
        TooLarge: a key or the item exceeds the limits.
        InvalidInput: a key is empty, or the body holds what cannot be stored.
    """
    size = measured(item)
    if size > MAX_ITEM_BYTES:
        raise TooLarge(
            f"The item {item.sk[:60]!r} has {size} bytes; at most {MAX_ITEM_BYTES} fit. "
            "Keep large content in a bucket."
        )
    return size


def check_transaction(actions: Sequence[Action]) -> None:
    """Hold a transaction to the limits.

    Raises:
        TooLarge: more than 100 actions or 4 MB.
        InvalidInput: two actions on one item.
    """
    if len(actions) > MAX_ACTIONS:
        raise TooLarge(f"A transaction has {len(actions)} actions; at most {MAX_ACTIONS} fit.")
    size = sum(check_item(action.item) for action in actions if isinstance(action, Put))
    if size > MAX_TRANSACTION_BYTES:
        raise TooLarge(f"A transaction has {size} bytes; at most {MAX_TRANSACTION_BYTES} fit.")
    keys = [key_of(action) for action in actions]
    if len(set(keys)) != len(keys):
        raise InvalidInput("A transaction touches one item twice.")


def key_of(action: Action) -> tuple[str, str, str]:
    """Return `(table, pk, sk)` of an action."""
    if isinstance(action, Put):
        return action.table, action.item.pk, action.item.sk
    return action.table, action.pk, action.sk


def check_blob_key(key: str) -> None:
    """Hold an object's key to the limits.

    Raises:
        InvalidInput: the key is empty or too long.
    """
    if not key or len(key.encode()) > MAX_BLOB_KEY_BYTES:
        raise InvalidInput(f"An object's key has 1 to {MAX_BLOB_KEY_BYTES} bytes: {key[:60]!r}.")


def what_failed(actions: Sequence[Action], failed: Sequence[int]) -> str:
    """Say which condition did not hold: the first of them."""
    first = actions[failed[0]]
    sk = first.item.sk if isinstance(first, Put) else first.sk
    return f"The condition {first.when} on {sk!r} does not hold."
