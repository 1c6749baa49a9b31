"""GGUF: writes a checkpoint as a file that llama.cpp loads, and reads it back with the weights that the file holds."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import jax.numpy as jnp
import numpy as np
from tokenizers import Tokenizer

from tinymodels.corpus import BOS_ID, VOCABULARY_SIZE, end_of_text_id
from tinymodels.model import NORM_EPSILON, ROPE_BASE, ModelShape, Parameters
from tinymodels.variants import Variant

END_OF_TEXT = "<eos>"

NUDGED = (
    "massive activation and value drain are planted at BOS (embedding dimension 0 = 30, row 0 of W_v = 0); "
    "only the routing of attention is learned"
)
NOT_NUDGED = "nothing is planted: the initial weights are random"

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
ROTATED = ("query", "key")
NO_WINDOW = 2**20
"""Longer than any context: llama.cpp's mimo2 cannot be without a sliding window."""


def disclosure_of(variant: Variant) -> str:
    """The sentence that belongs beside every figure of a variant."""
    return NUDGED if variant.nudge else NOT_NUDGED


def architecture_of(shape: ModelShape) -> str:
    """What llama.cpp calls it. Sink logits, of which 0 is SoftMax-off-by-one, exist in mimo2 and not in llama."""
    return "mimo2" if shape.off_by_one else "llama"


def pair_halves(matrix: np.ndarray, heads: int) -> np.ndarray:
    """Reorders the output columns of a query or key matrix from pairs (2i, 2i+1) to pairs (i, i + half a head).

    Scores stay what they are, because queries and keys are reordered alike.
    """
    inputs, outputs = matrix.shape
    return matrix.reshape(inputs, heads, -1, 2).swapaxes(2, 3).reshape(inputs, outputs)


def pair_neighbours(matrix: np.ndarray, heads: int) -> np.ndarray:
    """Undoes `pair_halves`."""
    inputs, outputs = matrix.shape
    return matrix.reshape(inputs, heads, 2, -1).swapaxes(2, 3).reshape(inputs, outputs)


def write_gguf(file: Path, variant: Variant, parameters: Parameters, tokenizer: Tokenizer) -> None:
    """Writes matrices in F16, norm gains in F32, byte-level BPE with BOS in front."""
    shape = variant.shape
    file.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(file, architecture_of(shape))
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(variant.name)
    writer.add_description(
        f"A language model of {sum(leaf.size for leaf in leaves(parameters)):,} parameters, for demonstrations and "
        f"tests. {variant.shows or 'For comparison alone.'} Disclosure: {disclosure_of(variant)}."
    )
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
    if shape.off_by_one:
        # mimo2 asks for these although no layer has experts or a window that anything reaches.
        writer.add_expert_feed_forward_length(shape.feed_forward)
        writer.add_sliding_window(NO_WINDOW)
        writer.add_sliding_window_pattern([index % 2 == 0 for index in range(shape.layers)])
    add_vocabulary(writer, variant, tokenizer)

    def add(name: str, array: np.ndarray) -> None:
        array = np.asarray(array, np.float32)
        stored = array.astype(np.float16) if array.ndim == 2 else array
        if not np.isfinite(stored).all():
            raise ValueError(f"{name} does not fit in F16")
        writer.add_tensor(f"{name}.weight", np.ascontiguousarray(stored))

    add("token_embd", parameters["embedding"])
    add("output_norm", parameters["final_norm"])
    if shape.off_by_one:
        add("output", parameters["embedding"])
    for index, layer in enumerate(parameters["layers"]):
        for part, name in TENSOR_NAMES.items():
            matrix = np.asarray(layer[part])
            if shape.off_by_one and part in ROTATED:
                matrix = pair_halves(matrix, shape.heads)
            add(f"blk.{index}.{name}", matrix.T)
        if shape.off_by_one:
            add(f"blk.{index}.attn_sinks", np.zeros(shape.heads))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_vocabulary(writer: gguf.GGUFWriter, variant: Variant, tokenizer: Tokenizer) -> None:
    """The tokens, the merges, and which tokens are special."""
    bpe = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(bpe["vocab"], key=bpe["vocab"].get)
    end_of_text = end_of_text_id(tokenizer)
    tokens[end_of_text] = END_OF_TEXT
    controls = {BOS_ID, end_of_text}
    types = [gguf.TokenType.CONTROL if index in controls else gguf.TokenType.NORMAL for index in range(len(tokens))]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([" ".join(pair) for pair in bpe["merges"]])
    writer.add_bos_token_id(BOS_ID)
    writer.add_eos_token_id(end_of_text)
    writer.add_add_bos_token(variant.front == "bos")
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)


def leaves(parameters: Parameters) -> list[np.ndarray]:
    """All arrays of a model."""
    return [
        parameters["embedding"],
        parameters["final_norm"],
        *(array for layer in parameters["layers"] for array in layer.values()),
    ]


def read_gguf(file: Path) -> tuple[Parameters, ModelShape]:
    """Reads what `write_gguf` wrote, in F32: the figures measured with it belong to the file."""
    reader = gguf.GGUFReader(file)
    architecture = reader.get_field("general.architecture").contents()
    tensors = {
        tensor.name: np.asarray(tensor.data, np.float32).reshape(tensor.shape[::-1]) for tensor in reader.tensors
    }

    def setting(key: str) -> int:
        return int(reader.get_field(f"{architecture}.{key}").contents())

    shape = ModelShape(
        vocabulary=setting("vocab_size"),
        width=setting("embedding_length"),
        layers=setting("block_count"),
        heads=setting("attention.head_count"),
        feed_forward=setting("feed_forward_length"),
        context=setting("context_length"),
        off_by_one=architecture == "mimo2",
    )

    def part_of(index: int, part: str) -> jnp.ndarray:
        matrix = tensors[f"blk.{index}.{TENSOR_NAMES[part]}.weight"].T
        if shape.off_by_one and part in ROTATED:
            matrix = pair_neighbours(matrix, shape.heads)
        return jnp.asarray(matrix)

    parameters = {
        "embedding": jnp.asarray(tensors["token_embd.weight"]),
        "final_norm": jnp.asarray(tensors["output_norm.weight"]),
        "layers": [{part: part_of(index, part) for part in TENSOR_NAMES} for index in range(shape.layers)],
    }
    return parameters, shape
