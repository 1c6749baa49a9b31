"""What each policy scores: the negative log-likelihood of every token of a stream, cache and all.

Entry i of every result is the NLL, in nats, of the token at stream position
i + 1, computed from what the cache holds once the token at position i is in it. As in the paper (arXiv 2309.17453,
section 3.2), keys are cached before rotation and rotated by their rank in the cache. A budget counts all cells, the
current token's included.

`score_window` and `score_dense` work on the whole stream at once: a token's key and value never change after it
was processed, so only the set of tokens that each query sees differs. `score_step_by_step` is the same thing as an
actual cache, one token at a time, in numpy: slow, simple, and there to check the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from tinymodels.corpus import BOS_ID
from tinymodels.model import (
    NORM_EPSILON,
    ModelShape,
    Parameters,
    feed_forward,
    hidden_states,
    negative_log_likelihood,
    normalise,
    project,
    rotary_table,
    rotate,
    softmax,
)

QUERIES_AT_ONCE = 128
WINDOWS_AT_ONCE = 32

Attention = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]


def cached_positions(length: int, budget: int, kept: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Which stream positions are cached when each token is processed, in cache order.

    A full cache loses its oldest token that is not in `kept`. Returns (length, budget) stream positions, meaningful up
    to each row's cell count, and (length,) cell counts.
    """
    positions = np.zeros((length, budget), np.int32)
    counts = np.minimum(np.arange(length) + 1, budget).astype(np.int32)
    stays = np.zeros(length, bool)
    stays[[position for position in kept if position < length]] = True
    cached: list[int] = []
    for token in range(length):
        if len(cached) == budget:
            del cached[next(index for index, position in enumerate(cached) if not stays[position])]
        cached.append(token)
        positions[token, : len(cached)] = cached
    return positions, counts


def in_blocks(function: Callable[..., jax.Array], *arrays: jax.Array) -> jax.Array:
    """Maps a function over blocks of `QUERIES_AT_ONCE` rows, so that attention matrices stay small."""
    length = arrays[0].shape[0]
    padding = -length % QUERIES_AT_ONCE

    def split(array: jax.Array) -> jax.Array:
        padded = jnp.concatenate([array, jnp.repeat(array[-1:], padding, axis=0)])
        return padded.reshape(-1, QUERIES_AT_ONCE, *array.shape[1:])

    blocks = jax.lax.map(lambda parts: function(*parts), tuple(split(array) for array in arrays))
    return blocks.reshape(-1, *blocks.shape[2:])[:length]


def score_stream(parameters: Parameters, tokens: jax.Array, shape: ModelShape, attend: Attention) -> jax.Array:
    """Runs all layers over one stream; `attend` turns its queries, keys and values into attention outputs."""
    inputs, targets = tokens[:-1], tokens[1:]
    hidden = parameters["embedding"][inputs]
    for layer in parameters["layers"]:
        normalised = normalise(hidden, layer["attention_norm"])
        query, key, value = (
            (normalised @ layer[name]).reshape(-1, shape.heads, shape.head_width) for name in ("query", "key", "value")
        )
        mixed = attend(query * shape.head_width**-0.5, key, value).reshape(-1, shape.width)
        hidden = hidden + mixed @ layer["attention_output"]
        hidden = hidden + feed_forward(layer, hidden)
    return negative_log_likelihood(project(parameters, hidden), targets)


@partial(jax.jit, static_argnames="shape")
def _score_cached(
    parameters: Parameters, tokens: jax.Array, positions: jax.Array, counts: jax.Array, *, shape: ModelShape
) -> jax.Array:
    budget = positions.shape[1]
    cosine, sine = (jnp.asarray(table) for table in rotary_table(budget, shape.head_width))

    def attend(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
        def block(queries: jax.Array, cached: jax.Array, cells: jax.Array) -> jax.Array:
            keys = rotate(key[cached], cosine[None, :, None], sine[None, :, None])
            current = cells - 1
            queries = rotate(queries, cosine[current][:, None], sine[current][:, None])
            scores = jnp.einsum("qhe,qche->qhc", queries, keys)
            live = jnp.arange(budget)[None, :] < cells[:, None]
            attention = softmax(jnp.where(live[:, None], scores, -jnp.inf), shape)
            return jnp.einsum("qhc,qche->qhe", attention, value[cached])

        return in_blocks(block, query, positions, counts)

    return score_stream(parameters, tokens, shape, attend)


def score_window(
    parameters: Parameters, tokens: np.ndarray, shape: ModelShape, *, budget: int, kept: Sequence[int] = ()
) -> np.ndarray:
    """The last tokens, and those at the stream positions `kept`, which never leave.

    Nothing kept is window attention, the first four are StreamingLLM with four sinks, any others are anchors.
    """
    positions, counts = cached_positions(len(tokens) - 1, budget, kept)
    return np.asarray(_score_cached(parameters, jnp.asarray(tokens, jnp.int32), positions, counts, shape=shape))


@partial(jax.jit, static_argnames="shape")
def _score_dense(parameters: Parameters, tokens: jax.Array, *, shape: ModelShape) -> jax.Array:
    length = tokens.shape[0] - 1
    cosine, sine = (jnp.asarray(table)[:, None] for table in rotary_table(length, shape.head_width))

    def attend(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
        rotated = rotate(key, cosine, sine)

        def block(queries: jax.Array, positions: jax.Array) -> jax.Array:
            queries = rotate(queries, cosine[positions], sine[positions])
            scores = jnp.einsum("qhe,che->qhc", queries, rotated)
            seen = jnp.arange(length)[None, :] <= positions[:, None]
            attention = softmax(jnp.where(seen[:, None], scores, -jnp.inf), shape)
            return jnp.einsum("qhc,che->qhe", attention, value)

        return in_blocks(block, query, jnp.arange(length))

    return score_stream(parameters, tokens, shape, attend)


def score_dense(parameters: Parameters, tokens: np.ndarray, shape: ModelShape) -> np.ndarray:
    """Dense attention: nothing is ever evicted."""
    return np.asarray(_score_dense(parameters, jnp.asarray(tokens, jnp.int32), shape=shape))


@partial(jax.jit, static_argnames="shape")
def _score_last(parameters: Parameters, windows: jax.Array, targets: jax.Array, *, shape: ModelShape) -> jax.Array:
    hidden, _ = hidden_states(parameters, windows, shape)
    return negative_log_likelihood(project(parameters, hidden[:, -1]), targets)


def score_recompute(
    parameters: Parameters, tokens: np.ndarray, shape: ModelShape, *, budget: int, head: Literal["none", "bos"], first: int
) -> np.ndarray:
    """Sliding window with recomputation: a fresh forward pass over the last tokens, for every token.

    With the head `bos`, one of the `budget` cells is BOS, in front. Positions before `first` are not computed: NaN.
    """
    recent = budget - 1 if head == "bos" else budget
    scored = np.arange(max(first, budget), len(tokens))
    result = np.full(len(tokens) - 1, np.nan, np.float32)
    for start in range(0, len(scored), WINDOWS_AT_ONCE):
        targets = scored[start : start + WINDOWS_AT_ONCE]
        padded = np.pad(targets, (0, WINDOWS_AT_ONCE - len(targets)), mode="edge")
        windows = tokens[padded[:, None] - recent + np.arange(recent)]
        if head == "bos":
            windows = np.concatenate([np.full((len(padded), 1), BOS_ID, windows.dtype), windows], axis=1)
        scores = _score_last(parameters, windows.astype(np.int32), tokens[padded].astype(np.int32), shape=shape)
        result[targets - 1] = np.asarray(scores)[: len(targets)]
    return result


def score_step_by_step(
    parameters: Parameters, tokens: np.ndarray, shape: ModelShape, *, budget: int, sinks: int = 0
) -> np.ndarray:
    """The cache of a sink window as a list that tokens are appended to and removed from. Double precision, slow."""
    weights = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), parameters)
    cosine, sine = rotary_table(budget, shape.head_width)
    caches: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in weights["layers"]]

    def norm(x: np.ndarray, gain: np.ndarray) -> np.ndarray:
        return x / np.sqrt((x * x).mean() + NORM_EPSILON) * gain

    def turn(x: np.ndarray, position: int) -> np.ndarray:
        pairs = (x[:, 0::2] + 1j * x[:, 1::2]) * (cosine[position] + 1j * sine[position])
        return np.stack([pairs.real, pairs.imag], axis=-1).reshape(x.shape)

    result = []
    for token, target in zip(tokens[:-1], tokens[1:], strict=True):
        hidden = weights["embedding"][token]
        for layer, cache in zip(weights["layers"], caches, strict=True):
            normalised = norm(hidden, layer["attention_norm"])
            query, key, value = (
                (normalised @ layer[name]).reshape(shape.heads, shape.head_width) for name in ("query", "key", "value")
            )
            if len(cache) == budget:
                del cache[sinks]
            cache.append((key, value))
            query = turn(query, len(cache) - 1)
            keys = np.stack([turn(cached, rank) for rank, (cached, _) in enumerate(cache)])
            values = np.stack([cached for _, cached in cache])
            scores = np.einsum("he,che->hc", query, keys) / np.sqrt(shape.head_width)
            attention = np.exp(scores)
            attention /= attention.sum(axis=1, keepdims=True) + shape.off_by_one
            hidden = hidden + np.einsum("hc,che->he", attention, values).reshape(-1) @ layer["attention_output"]
            normalised = norm(hidden, layer["feed_forward_norm"])
            gate = normalised @ layer["gate"]
            hidden = hidden + (gate / (1 + np.exp(-gate)) * (normalised @ layer["up"])) @ layer["down"]
        logits = weights["embedding"] @ norm(hidden, weights["final_norm"])
        largest = logits.max()
        result.append(largest + np.log(np.exp(logits - largest).sum()) - logits[target])
    return np.array(result)
