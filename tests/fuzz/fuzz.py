"""Coverage-guided fuzzing of one target: `python tests/fuzz/fuzz.py token --seconds 60`; others are `jwks` and `rule`.

Wants `pip install atheris` (wheels up to Python 3.12 or so) and the package on the path. It ends with libFuzzer's summary and status 0, or
with the broken promise and the input that broke it, written to the working directory.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris  # type: ignore[import-not-found, unused-ignore]

with atheris.instrument_imports(include=["cognito_guard"]):
    from targets import TARGETS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--max-length", type=int, default=4096, help="of an input, in bytes")
    chosen = parser.parse_args()
    target = TARGETS[chosen.target]
    with TemporaryDirectory(prefix="cognito-guard-fuzz-") as folder:
        corpus, words = Path(folder, "corpus"), Path(folder, "words")
        corpus.mkdir()
        for at, seed in enumerate(target.seeds()):
            target.run(seed)
            (corpus / f"seed{at}").write_bytes(seed)
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
        flags = [
            f"-max_total_time={chosen.seconds}",
            f"-max_len={chosen.max_length}",
            f"-dict={words}",
            "-timeout=10",
            "-print_final_stats=1",
        ]
        atheris.Setup([sys.argv[0], *flags, str(corpus)], target.run)
        atheris.Fuzz()


def _escaped(word: bytes) -> str:
    """As libFuzzer's dictionaries write octets."""
    return "".join(f"\\x{octet:02x}" for octet in word)


if __name__ == "__main__":
    main()
