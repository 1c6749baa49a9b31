"""Writes a checkpoint as a GGUF file, and the fixture that proves another engine reads it alike."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
from tokenizers import Tokenizer

from sinkmodel.cache import score_dense
from sinkmodel.corpus import BOS_ID, VOCABULARY_SIZE, Corpus, end_of_text_id
from sinkmodel.evaluate import stream_of
from sinkmodel.model import (
    DISCLOSURE,
    NORM_EPSILON,
    ROPE_BASE,
    ModelShape,
    Parameters,
    load_checkpoint,
    round_to_half,
)

DESCRIPTION = (
    "A model of one million parameters that shows an attention sink, for demonstrations and tests. "
    f"Disclosure: {DISCLOSURE}."
)

END_OF_TEXT = "<eos>"

TENSOR_NAMES = {
    "attention_norm": "attn_norm",
    "query": "attn_q",
    "key": "attn_k",
    "value": "attn_v",
    "attention_output": "attn_output",
    "feed_forward_norm": "ffn_norm",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
}

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


def write_gguf(file: Path, parameters: Parameters, shape: ModelShape, tokenizer: Tokenizer) -> None:
    """Writes architecture `llama`: matrices in F16, norm gains in F32, byte-level BPE with BOS in front."""
    bpe = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(bpe["vocab"], key=bpe["vocab"].get)
    end_of_text = end_of_text_id(tokenizer)
    tokens[end_of_text] = END_OF_TEXT
    controls = {BOS_ID, end_of_text}
    types = [gguf.TokenType.CONTROL if index in controls else gguf.TokenType.NORMAL for index in range(len(tokens))]

    writer = gguf.GGUFWriter(file, "llama")
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name("sink")
    writer.add_description(DESCRIPTION)
    writer.add_license("mit")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_layer_norm_rms_eps(NORM_EPSILON)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_vocab_size(VOCABULARY_SIZE)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([" ".join(pair) for pair in bpe["merges"]])
    writer.add_bos_token_id(BOS_ID)
    writer.add_eos_token_id(end_of_text)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)

    def add(name: str, array: np.ndarray) -> None:
        array = np.asarray(array, np.float32)
        stored = array.astype(np.float16) if array.ndim == 2 else array
        if not np.isfinite(stored).all():
            raise ValueError(f"{name} does not fit in F16")
        writer.add_tensor(f"{name}.weight", np.ascontiguousarray(stored))

    add("token_embd", parameters["embedding"])
    add("output_norm", parameters["final_norm"])
    for index, layer in enumerate(parameters["layers"]):
        for part, name in TENSOR_NAMES.items():
            add(f"blk.{index}.{name}", np.asarray(layer[part]).T)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_fixture(file: Path, parameters: Parameters, shape: ModelShape, corpus: Corpus) -> None:
    """Writes JSON lines: texts with their token ids, and streams with the evaluator's NLL of each token after BOS.

    The evaluator attends densely, with the weights that the file holds (F16) and arithmetic in F32.
    """
    tokenizer, rounded = corpus.tokenizer, round_to_half(parameters)

    def scored(source: str, tokens: np.ndarray, start: int) -> dict[str, object]:
        text = tokenizer.decode(tokens[start : start + shape.context - 16].tolist()).strip("\ufffd")
        stream = stream_of(np.array(tokenizer.encode(text).ids), shape.context)
        nll = score_dense(rounded, stream, shape)
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


def export(corpus: Corpus, checkpoint: Path, model: Path, fixture: Path | None = None) -> None:
    """Exports one checkpoint, with its fixture where a path is given."""
    parameters, shape = load_checkpoint(checkpoint)
    model.parent.mkdir(parents=True, exist_ok=True)
    write_gguf(model, parameters, shape, corpus.tokenizer)
    if fixture is not None:
        write_fixture(fixture, parameters, shape, corpus)
