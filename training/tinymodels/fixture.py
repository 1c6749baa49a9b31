"""The fixture that proves another engine reads a model as the trainer does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tinymodels.cache import score_dense
from tinymodels.corpus import BOS_ID, Corpus
from tinymodels.gguf_file import read_gguf

TOKENIZATION_SAMPLES = (
    "The quick brown fox jumps over the lazy dog.",
    "It's what they've said; we'll see. I'd say you're right, I'm sure he'd won't.",
    "IT'S CAPITAL: DON'T, WE'LL, THEY'RE",
    "In 1790 there were 3,929,214 people; by 2020 331449281. 3.14159 x 10^8",
    "double  spaces,   three spaces, trailing spaces   ",
    "  leading spaces\n\nan empty line\n   an indented line\n\n\nthree newlines\n",
    "tabs\tand\r\nwindows line ends\r\n\t\tindented",
    "naïve café — “curly quotes”, an ellipsis… and a soft­hyphen",
    "e\u0301 combining accent, no-break\u00a0space, thin\u2009space, ideographic\u3000space",
    "Ελληνικά, русский текст, 日本語のテキスト, 한국어, العربية, हिन्दी",
    "emoji 🙂 👩‍👩‍👧 🇺🇳, fractions ½ Ⅷ ², signs € £ ¥ ±",
    "code: for (let i = 0; i < n; i++) { total += values[i]['key']; } // _under_score__",
    '"Mr. Speaker," he said--and paused--"we\'re (nearly) done!?"',
    "'tis 'twas rock'n'roll O'Brien's '60s ''quoted''",
    "ÿ þ À",
    "a",
    " ",
    "\n",
    "",
)


def write_fixture(file: Path, model: Path, corpus: Corpus) -> None:
    """Writes JSON lines: texts with their token ids, and streams with the evaluator's NLL of each token after BOS.

    The evaluator attends densely, with the weights that the model file holds (F16) and arithmetic in F32.
    """
    tokenizer = corpus.tokenizer
    parameters, shape = read_gguf(model)

    def scored(source: str, tokens: np.ndarray, start: int) -> dict[str, object]:
        text = tokenizer.decode(tokens[start : start + shape.context - 16].tolist()).strip("\ufffd")
        stream = np.array([BOS_ID, *tokenizer.encode(text).ids], np.int32)[: shape.context]
        nll = score_dense(parameters, stream, shape)
        return {
            "kind": "scored",
            "source": source,
            "text": text,
            "tokens": stream.tolist(),
            "nll": [round(float(value), 5) for value in nll],
        }

    records = [
        *(
            {"kind": "tokenization", "text": text, "tokens": tokenizer.encode(text).ids}
            for text in TOKENIZATION_SAMPLES
        ),
        scored("State of the Union, held out", corpus.held_out, 0),
        scored("State of the Union, held out", corpus.held_out, 150_000),
        scored("Moby Dick", corpus.moby_dick, 0),
        scored("Moby Dick", corpus.moby_dick, 240_000),
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    file.write_text("".join(lines), encoding="utf-8")
