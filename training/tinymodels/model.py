"""The model: a llama-like transformer (RMSNorm, rotary positions, SwiGLU, tied embeddings, no biases).

Parameters are a plain tree of arrays. Matrices are stored (input, output) and applied as `x @ matrix`. Rotary
positions pair the neighbouring dimensions 2i and 2i+1 of a head, which is what llama.cpp does for the architecture
`llama`, so the export writes the weights as they are.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tinymodels.corpus import BOS_ID, VOCABULARY_SIZE

Parameters = dict[str, Any]

NORM_EPSILON = 1e-5
ROPE_BASE = 10_000.0


@dataclass(frozen=True)
class ModelShape:
    """The sizes of the model."""

    vocabulary: int = VOCABULARY_SIZE
    width: int = 128
    layers: int = 4
    heads: int = 4
    feed_forward: int = 352
    context: int = 256
    off_by_one: bool = False
    """SoftMax-off-by-one in every head: attention may go nowhere."""

    @property
    def head_width(self) -> int:
        return self.width // self.heads


@dataclass(frozen=True)
class Nudge:
    """The disclosed nudge: how the initial weights make a sink at BOS easy to learn. Nothing is frozen.

    It plants what large models grow by themselves at their first token: a massive activation, and a value that is
    nearly zero. Attention to BOS starts uniform; routing attention there is left to training.
    """

    bos_outlier: float = 30.0
    """Value of embedding dimension 0 of BOS; every other token has 0 there."""
    other_constant: float = 0.5
    """Value of embedding dimension 1 of every token except BOS, which has 0 there: a feature to query from."""
    bos_remainder: float = 0.1
    """Scale of the other dimensions of the BOS embedding."""
    residual_scale: float = 0.25
    """Scale of the matrices that write into the residual stream, so that the outlier outlives all layers."""


def initialise(shape: ModelShape, seed: int, nudge: Nudge | None) -> Parameters:
    """Draws the initial weights with numpy, so that a seed means the same numbers everywhere."""
    generator = np.random.default_rng(seed)

    def normal(rows: int, columns: int, deviation: float) -> np.ndarray:
        return generator.normal(0.0, deviation, (rows, columns)).astype(np.float32)

    width, wide = shape.width, shape.feed_forward
    deviation = 0.6 / np.sqrt(width)
    residual = 1.0 / np.sqrt(2 * shape.layers)
    embedding = normal(shape.vocabulary, width, 0.04)
    layers = [
        {
            "attention_norm": np.ones(width, np.float32),
            "query": normal(width, width, deviation),
            "key": normal(width, width, deviation),
            "value": normal(width, width, deviation),
            "attention_output": normal(width, width, deviation * residual),
            "feed_forward_norm": np.ones(width, np.float32),
            "gate": normal(width, wide, deviation),
            "up": normal(width, wide, deviation),
            "down": normal(wide, width, 0.6 / np.sqrt(wide) * residual),
        }
        for _ in range(shape.layers)
    ]
    parameters = {"embedding": embedding, "final_norm": np.ones(width, np.float32), "layers": layers}
    if nudge is not None:
        plant_nudge(parameters, nudge)
    return jax.tree.map(jnp.asarray, parameters)


def plant_nudge(parameters: Parameters, nudge: Nudge) -> None:
    """Applies the nudge to freshly drawn numpy weights, in place."""
    embedding = parameters["embedding"]
    embedding[BOS_ID] *= nudge.bos_remainder
    embedding[:, 0] = 0.0
    embedding[:, 1] = nudge.other_constant
    embedding[BOS_ID, 0] = nudge.bos_outlier
    embedding[BOS_ID, 1] = 0.0
    parameters["final_norm"][0] = 0.0
    for layer in parameters["layers"]:
        layer["value"][0] = 0.0
        layer["attention_output"] *= nudge.residual_scale
        layer["down"] *= nudge.residual_scale


def count_parameters(parameters: Parameters) -> int:
    """The number of trained numbers; the tied embedding counts once."""
    return sum(leaf.size for leaf in jax.tree.leaves(parameters))


def normalise(x: jax.Array, gain: jax.Array) -> jax.Array:
    """RMSNorm."""
    return x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + NORM_EPSILON) * gain


def rotary_table(length: int, head_width: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines for positions 0 ... length-1; each is (length, head_width / 2)."""
    frequencies = ROPE_BASE ** (-np.arange(0, head_width, 2) / head_width)
    angles = np.arange(length)[:, None] * frequencies
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def rotate(x: jax.Array, cosine: jax.Array, sine: jax.Array) -> jax.Array:
    """Rotates the pairs (2i, 2i+1) of the last axis; the table's last axis is half as long."""
    even, odd = x[..., 0::2], x[..., 1::2]
    rotated = jnp.stack([even * cosine - odd * sine, even * sine + odd * cosine], axis=-1)
    return rotated.reshape(x.shape)


def feed_forward(layer: Parameters, x: jax.Array) -> jax.Array:
    """The SwiGLU block, without its residual connection."""
    normalised = normalise(x, layer["feed_forward_norm"])
    return (jax.nn.silu(normalised @ layer["gate"]) * (normalised @ layer["up"])) @ layer["down"]


def softmax(scores: jax.Array, shape: ModelShape) -> jax.Array:
    """Over the last axis: e^x / sum e^x, or off by one, e^x / (1 + sum e^x) (arXiv 2309.17453, equation 2)."""
    if not shape.off_by_one:
        return jax.nn.softmax(scores, axis=-1)
    largest = jnp.maximum(jax.lax.stop_gradient(scores.max(axis=-1, keepdims=True)), 0.0)
    weights = jnp.exp(scores - largest)
    return weights / (jnp.exp(-largest) + weights.sum(axis=-1, keepdims=True))


@jax.custom_vjp
def embed(embedding: jax.Array, tokens: jax.Array) -> jax.Array:
    """Looks up embeddings. Its gradient is a one-hot matrix product: scatter-add is slow on a CPU."""
    return embedding[tokens]


def _embed_forward(embedding: jax.Array, tokens: jax.Array) -> tuple[jax.Array, tuple[jax.Array, int]]:
    return embedding[tokens], (tokens, embedding.shape[0])


def _embed_backward(saved: tuple[jax.Array, int], gradient: jax.Array) -> tuple[jax.Array, None]:
    tokens, vocabulary = saved
    one_hot = (tokens.reshape(-1)[:, None] == jnp.arange(vocabulary)).astype(gradient.dtype)
    return one_hot.T @ gradient.reshape(-1, gradient.shape[-1]), None


embed.defvjp(_embed_forward, _embed_backward)


def hidden_states(parameters: Parameters, tokens: jax.Array, shape: ModelShape) -> tuple[jax.Array, jax.Array]:
    """Runs ordinary causal attention over (rows, length) tokens.

    Returns the states after the last layer, (rows, length, width), and the mean attention that positions from 32 on
    pay to position 0, (layers, heads).
    """
    rows, length = tokens.shape
    cosine, sine = rotary_table(length, shape.head_width)
    causal = jnp.where(jnp.tril(jnp.ones((length, length), bool)), 0.0, -jnp.inf)
    flat = (rows * length, shape.width)

    def heads(x: jax.Array, matrix: jax.Array) -> jax.Array:
        return (x @ matrix).reshape(rows, length, shape.heads, shape.head_width).transpose(0, 2, 1, 3)

    hidden = embed(parameters["embedding"], tokens).reshape(flat)
    attention_to_first = []
    for layer in parameters["layers"]:
        normalised = normalise(hidden, layer["attention_norm"])
        query = rotate(heads(normalised, layer["query"]), cosine, sine) * shape.head_width**-0.5
        key = rotate(heads(normalised, layer["key"]), cosine, sine)
        value = heads(normalised, layer["value"])
        attention = softmax(jnp.einsum("rhqe,rhke->rhqk", query, key) + causal, shape)
        attention_to_first.append(attention[:, :, 32:, 0].mean(axis=(0, 2)))
        mixed = jnp.einsum("rhqk,rhke->rhqe", attention, value).transpose(0, 2, 1, 3).reshape(flat)
        hidden = hidden + mixed @ layer["attention_output"]
        hidden = hidden + feed_forward(layer, hidden)
    return hidden.reshape(rows, length, shape.width), jnp.stack(attention_to_first)


def project(parameters: Parameters, hidden: jax.Array) -> jax.Array:
    """Logits of states after the last layer."""
    return normalise(hidden, parameters["final_norm"]) @ parameters["embedding"].T


def forward(parameters: Parameters, tokens: jax.Array, shape: ModelShape) -> tuple[jax.Array, jax.Array]:
    """Logits of every position, (rows, length, vocabulary), and the attention that `hidden_states` reports."""
    hidden, attention_to_first = hidden_states(parameters, tokens, shape)
    return project(parameters, hidden), attention_to_first


def negative_log_likelihood(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """NLL of each target in nats. Written with a one-hot mask because a gather's gradient is slow on a CPU."""
    one_hot = targets[..., None] == jnp.arange(logits.shape[-1])
    return jax.nn.logsumexp(logits, axis=-1) - jnp.where(one_hot, logits, 0.0).sum(axis=-1)


def save_checkpoint(file: Path, parameters: Parameters, shape: ModelShape) -> None:
    """Writes the F32 weights and the sizes to one `.npz` file."""
    arrays = {"embedding": parameters["embedding"], "final_norm": parameters["final_norm"]}
    for index, layer in enumerate(parameters["layers"]):
        arrays |= {f"layers.{index}.{name}": array for name, array in layer.items()}
    sizes = {f"shape.{name}": size for name, size in asdict(shape).items()}
    np.savez(file, **{name: np.asarray(array) for name, array in arrays.items()}, **sizes)


def load_checkpoint(file: Path) -> tuple[Parameters, ModelShape]:
    """Reads what `save_checkpoint` wrote."""
    stored = np.load(file)
    sizes = {
        name.removeprefix("shape."): stored[name].item() for name in stored.files if name.startswith("shape.")
    }
    shape = ModelShape(**sizes)
    layers: list[Parameters] = [{} for _ in range(shape.layers)]
    for name in stored.files:
        if name.startswith("layers."):
            _, index, part = name.split(".")
            layers[int(index)][part] = jnp.asarray(stored[name])
    parameters = {
        "embedding": jnp.asarray(stored["embedding"]),
        "final_norm": jnp.asarray(stored["final_norm"]),
        "layers": layers,
    }
    return parameters, shape
