"""Objects as files: what a killed writer leaves of one goes when it is deleted."""

from pathlib import Path

import pytest

from storage.embedded.files import FileBlobs


class Killed(BaseException):
    """The process is dead."""


def test_deleted_nothing_is_left_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise Killed

    blobs = FileBlobs(tmp_path, "artifacts")
    for key in ("pages/1", "pages/2"):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr("storage.embedded.files.os.fsync", killed)
            blobs.put(key, key.encode())
    assert not [*blobs.list()]
    blobs.put("pages/1", b"pages/1")  # whoever goes on
    blobs.delete("pages/1")
    left = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert left == [b"pages/2"]  # another may just be at it
