"""What others have made, installed for the time of a benchmark to be measured beside ours."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def installed(peers: Sequence[str]) -> Iterator[None]:
    """Install packages, without what they depend on, in a folder that is deleted afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        command = [*pip, "--disable-pip-version-check", "--target", folder, *peers]
        subprocess.run(command, check=True)
        sys.path.insert(0, folder)
        try:
            yield
        finally:
            sys.path.remove(folder)
