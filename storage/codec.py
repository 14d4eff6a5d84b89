"""What stands in checkpoints and segments: MessagePack, compressed, and encrypted where asked.

    01  zstd of MessagePack, by the dictionary below (RFC 8878; a raw-content dictionary)
    81  MessagePack of (cipher's name, ciphertext of what would stand there unencrypted)

A serializer that encrypts never gives the same bytes twice, so its two halves are used apart: what
it serializes is compared, hashed and compressed first, and encrypted last, item by item. The
dictionary is part of the format: another one gets a number of its own.
"""

import hashlib
from collections import deque
from functools import lru_cache
from typing import Any, Final

import ormsgpack
import zstandard
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer

Typed = tuple[str, bytes]
"""A serialized value: LangGraph's type tag and the bytes."""

_PLAIN: Final = b"\x01"
_ENCRYPTED: Final = b"\x81"
_DICTIONARY: Final = zstandard.ZstdCompressionDict(
    b"__error__ __interrupt__ __resume__ __pregel_tasks __no_writes__ null bytes "
    b"langchain_core.messages.system\xadSystemMessage langchain_core.messages.tool\xabToolMessage"
    b"\xaatool_calls\x91\x84\xa4name\xa4args\xa2id\xb1toolu_call_type\xa9tool_call"
    b"\xb2invalid_tool_calls\x90\xaetool_call_id\xa6status\xa7success\xa8artifact\xc0"
    b"\xb1response_metadata\x80\xabtoken_usage\xb1completion_tokens\xadprompt_tokens\xactotal_tokens"
    b"\xaamodel_name\xa6gpt-4o\xadfinish_reason\xa4stop\xb2system_fingerprint\xa8logprobs"
    b"\xaeusage_metadata\x83\xacinput_tokens\xadoutput_tokens\xactotal_tokens"
    b"\x95\xd9\x1elangchain_core.messages.human\xacHumanMessage\x86\xa7content"
    b"\xb1additional_kwargs\x80\xb1response_metadata\x80\xa4type\xa5human\xa4name\xc0\xa2id\xd9$"
    b"\xb3model_validate_json\xafmodel_construct"
    b"\x94\xbclangchain_core.messages.ai\xa9AIMessage\x89\xa7content\xb1additional_kwargs\x80"
    b"\xb1response_metadata\x80\xa4type\xa2ai\xa4name\xc0\xa2id\xd9$\xaatool_calls\x90"
    b"\xb2invalid_tool_calls\x90\xaeusage_metadata\xc0\xb3model_validate_json"
    b"the and of to in is that for it as with be by on not this are or from at which have an will "
    b"\xa7msgpack\x86\xa1v\x04\xa2ts\xd9 2026-01-01T00:00:00.000000+00:00\xa2id\xd9$1f0"
    b"\xb0channel_versions\x83\xa9__start__\x01\xafbranch:to:\xaeversions_seen\x82\xa9__input__\x80"
    b"\xa9__start__\x81\xa9__start__\x01\xb0updated_channels\x92\xa8messages\xadpending_sends\x90"
    b"\xa7msgpack\x84\xa6source\xa5input\xa4loop\xa6update\xa4fork\xa4step\x00\xa7parents\x80"
    b"\xa6run_id\xd9$\xa8messages\x95\xa1l",
    dict_type=zstandard.DICT_TYPE_RAWCONTENT,
)
_LEVEL: Final = 6
_IDLE: Final = 16
"""Compressors that are kept for whoever comes next."""
_DICTIONARY.precompute_compress(level=_LEVEL)


class _Zstd:
    """Compressors, each for one thread at a time: LangGraph begins new threads at every turn."""

    def __init__(self) -> None:
        self._compressors: deque[zstandard.ZstdCompressor] = deque(maxlen=_IDLE)
        self._decompressors: deque[zstandard.ZstdDecompressor] = deque(maxlen=_IDLE)

    def compress(self, data: bytes) -> bytes:
        """Return a frame."""
        try:
            idle = self._compressors.pop()
        except IndexError:
            idle = zstandard.ZstdCompressor(
                level=_LEVEL, dict_data=_DICTIONARY, write_dict_id=False
            )
        compressed = idle.compress(data)
        self._compressors.append(idle)
        return compressed

    def decompress(self, frame: bytes) -> bytes:
        """Return what a frame holds."""
        try:
            idle = self._decompressors.pop()
        except IndexError:
            idle = zstandard.ZstdDecompressor(dict_data=_DICTIONARY)
        data = idle.decompress(frame)
        self._decompressors.append(idle)
        return data


_zstd = _Zstd()


class Codec:
    """Reads and writes what stands in items, by a serializer of LangGraph's."""

    def __init__(self, serde: SerializerProtocol) -> None:
        self._serde, self._cipher = serde, None
        if isinstance(serde, EncryptedSerializer):
            self._serde, self._cipher = serde.serde, serde.cipher

    def dumps(self, value: Any) -> Typed:
        """Serialize a value, unencrypted."""
        return self._serde.dumps_typed(value)

    def loads(self, typed: Typed) -> Any:
        """Return the value that was serialized."""
        return self._serde.loads_typed(typed)

    def pack(self, content: Any) -> bytes:
        """Return the bytes to store for what MessagePack can hold."""
        packed = _PLAIN + _zstd.compress(ormsgpack.packb(content))
        if self._cipher is None:
            return packed
        return _ENCRYPTED + ormsgpack.packb(self._cipher.encrypt(packed))

    def unpack(self, stored: bytes) -> Any:
        """Return what `pack` was given, with lists for tuples.

        Raises:
            ValueError: it is encrypted, and the serializer has no key.
        """
        if stored[:1] == _ENCRYPTED:
            if self._cipher is None:
                raise ValueError("The thread is encrypted; give the saver its EncryptedSerializer.")
            stored = self._cipher.decrypt(*ormsgpack.unpackb(stored[1:]))
        return ormsgpack.unpackb(_zstd.decompress(stored[1:]))


def digest(data: bytes, key: str) -> bytes:
    """Return the name of content in a partition: 16 bytes that two contents do not share.

    Keyed by the partition, so that nobody sees which threads hold the same.
    """
    return hashlib.blake2b(data, digest_size=16, key=_key(key)).digest()


@lru_cache(maxsize=256)
def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
