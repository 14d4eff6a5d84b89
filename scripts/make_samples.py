"""Generate the sample PDFs and the sample DOCX from `samples/sources/`, always to the same bytes.

After a change of a source or of a library run `python -m scripts.make_samples` and commit the
result; `tests/scripts/test_samples.py` compares it with what is committed. The travel policy needs
no generator: it is Markdown already.
"""

from pathlib import Path

from scripts.samples.sources.markup import parse
from scripts.samples.sources.pdf import make_pdf
from scripts.samples.sources.word import make_docx

SAMPLES = Path(__file__).parent / "samples"


def generate() -> dict[str, bytes]:
    """Return the bytes of each generated sample, by its file name."""
    made = {}
    for path in sorted((SAMPLES / "sources").glob("*.md")):
        source = parse(path.read_text(encoding="utf-8"))
        name = source.meta["file"]
        made[name] = make_docx(source) if name.endswith(".docx") else make_pdf(source)
    return made


def main() -> None:
    """Write the generated samples."""
    for name, content in generate().items():
        (SAMPLES / name).write_bytes(content)
        print(f"{name}: {len(content):,} bytes")


if __name__ == "__main__":
    main()
