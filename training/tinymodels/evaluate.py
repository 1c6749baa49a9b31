"""Measures a GGUF file under every policy and writes one small JSON file of results."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from tinymodels.cache import score_dense, score_recompute, score_step_by_step, score_window
from tinymodels.corpus import BOS_ID, Corpus, end_of_text_id
from tinymodels.gguf_file import disclosure_of, read_gguf
from tinymodels.model import ModelShape, Parameters, count_parameters, forward
from tinymodels.statistics import BLOCK, CONFIDENCE, RESAMPLES, SEED, Estimate, exponential_of_mean
from tinymodels.variants import Front, Variant

BUDGETS = (128, 256)
RECOMPUTED = {("held_out", 128)}
"""Texts and budgets for which recomputation is measured: a forward pass over the budget for every single token."""
SINKS = (1, 2, 4, 8)
ANCHORS = 4
ANCHOR_DRAWS = 3
FIRST_ANCHOR = 8
"""Anchors are drawn behind the first tokens, which are what they are compared with."""
FIRST_SCORED = 256
SCORED_TOKENS = 64 * BLOCK
DENSE_RANGES = ((1, 256), (256, 512), (512, 1024), (1024, 2048), (2048, 4096), (4096, 8192))
SINK_SHARE = 0.3
"""Mean attention to the first token from which a head counts as one with a sink (Gu et al., arXiv 2410.10781)."""
FEW_TOKENS = 512
"""Engines that are compared with these figures, and are slow, may stop after so many."""
CHECKED_TOKENS = 400
CHECK_BUDGET = 64
CHECK_TOLERANCE = 1e-3


def stream_of(text: np.ndarray, length: int, front: Front = "bos") -> np.ndarray:
    """The beginning of a text, with BOS in front where the model knows it; `length` tokens in all."""
    first = [BOS_ID] if front == "bos" else []
    return np.concatenate([first, text[: length - len(first)]]).astype(np.int32)


def draw_anchors(budget: int) -> list[list[int]]:
    """Stream positions of random anchors, sorted, from the first fill of the cache."""
    generator = np.random.default_rng([SEED, budget])
    candidates = np.arange(FIRST_ANCHOR, budget)
    return [sorted(generator.choice(candidates, ANCHORS, replace=False).tolist()) for _ in range(ANCHOR_DRAWS)]


def cross_check(parameters: Parameters, tokens: np.ndarray, shape: ModelShape) -> float:
    """The largest NLL difference, in nats, between the evaluator and a cache that is filled step by step.

    Raises an error when the two differ by more than `CHECK_TOLERANCE`.
    """
    largest = 0.0
    for sinks in (0, 4):
        expected = score_step_by_step(parameters, tokens, shape, budget=CHECK_BUDGET, sinks=sinks)
        actual = score_window(parameters, tokens, shape, budget=CHECK_BUDGET, kept=range(sinks))
        largest = max(largest, float(np.abs(actual - expected).max()))
    expected = score_step_by_step(parameters, tokens, shape, budget=len(tokens))
    largest = max(largest, float(np.abs(score_dense(parameters, tokens, shape) - expected).max()))
    if largest > CHECK_TOLERANCE:
        raise RuntimeError(f"the evaluator and the step-by-step cache differ by {largest} nats")
    return largest


def rounded(estimate: Estimate) -> dict[str, float]:
    """An estimate as JSON, four digits after the point."""
    return {name: round(value, 4) for name, value in asdict(estimate).items()}


def measure_text(
    parameters: Parameters, corpus: Corpus, text: str, shape: ModelShape, variant: Variant
) -> dict[str, object]:
    """Scores the beginning of one text under all policies and budgets; variants that do not ship without recomputation."""
    front = variant.front
    tokens = stream_of(getattr(corpus, text), FIRST_SCORED + SCORED_TOKENS, front)
    primary = slice(FIRST_SCORED - 1, None)
    dense = score_dense(parameters, tokens, shape)
    by_range = [
        {"start": start, "end": end, "perplexity": round(float(np.exp(dense[start - 1 : end - 1].mean())), 4)}
        for start, end in DENSE_RANGES
    ]
    budgets = {}
    for budget in BUDGETS:
        scores = {"dense": dense}
        for sinks in (0, *SINKS):
            name = "window" if sinks == 0 else f"sinks_{sinks}"
            scores[name] = score_window(parameters, tokens, shape, budget=budget, kept=range(sinks))
        anchors = draw_anchors(budget)
        for draw, kept in enumerate(anchors):
            scores[f"random_{ANCHORS}_draw_{draw}"] = score_window(parameters, tokens, shape, budget=budget, kept=kept)
        is_recomputed = (text, budget) in RECOMPUTED and variant.shipped is not None
        for head in ("none", "bos") if is_recomputed else ():
            scores[f"recompute_{head}"] = score_recompute(
                parameters, tokens, shape, budget=budget, head=head, first=FIRST_SCORED
            )
        few = {name: nll[primary][:FEW_TOKENS] for name, nll in scores.items()}
        budgets[str(budget)] = {
            "anchors": anchors,
            "perplexity": {name: rounded(exponential_of_mean(nll[primary])) for name, nll in scores.items()},
            "ratio_to_sinks_4": {
                name: rounded(exponential_of_mean((nll - scores["sinks_4"])[primary]))
                for name, nll in scores.items()
                if name != "sinks_4"
            },
            "perplexity_of_few": {name: round(float(np.exp(nll.mean())), 4) for name, nll in few.items()},
        }
    return {"dense_perplexity_by_stream_position": by_range, "budgets": budgets}


def rows_of(text: np.ndarray, shape: ModelShape, front: Front) -> np.ndarray:
    """32 rows of the trained length, side by side in the text."""
    room = shape.context - (front == "bos")
    rows = text[: 32 * room].reshape(32, -1).astype(np.int32)
    return rows if front == "nothing" else np.concatenate([np.full((32, 1), BOS_ID, np.int32), rows], axis=1)


def attention_to_first(parameters: Parameters, text: np.ndarray, shape: ModelShape, front: Front) -> dict[str, object]:
    """The mean share of attention that the first token gets, by layer and head, and how many heads have a sink there."""
    _, shares = forward(parameters, rows_of(text, shape, front), shape)
    shares = np.asarray(shares)
    return {
        "by_layer_and_head": [[round(float(share), 4) for share in layer] for layer in shares],
        "heads_with_a_sink": round(float((shares > SINK_SHARE).mean()), 4),
        "threshold": SINK_SHARE,
    }


def next_token_probability(
    parameters: Parameters, text: np.ndarray, shape: ModelShape, front: Front, token: int
) -> dict[str, float]:
    """The mean and the largest probability that a token gets as the next one, within the trained length."""
    logits = np.asarray(forward(parameters, rows_of(text, shape, front), shape)[0], np.float64)
    logits -= logits.max(axis=-1, keepdims=True)
    probability = np.exp(logits[..., token]) / np.exp(logits).sum(axis=-1)
    return {"mean": float(f"{probability.mean():.3g}"), "largest": float(f"{probability.max():.3g}")}


def planted_after_training(parameters: Parameters) -> dict[str, float]:
    """What became of the planted numbers: nothing is frozen."""
    embedding = np.asarray(parameters["embedding"])
    value_rows = [np.abs(np.asarray(layer["value"][0])).max() for layer in parameters["layers"]]
    return {
        "bos_embedding_dimension_0": round(float(embedding[BOS_ID, 0]), 3),
        "largest_other_embedding_dimension_0": round(float(np.abs(embedding[BOS_ID + 1 :, 0]).max()), 3),
        "largest_entry_of_row_0_of_value_matrices": round(float(max(value_rows)), 3),
    }


PROTOCOL = {
    "weights": "as the exported file holds them, matrices in F16; arithmetic in F32",
    "scored": f"stream positions {FIRST_SCORED} to {FIRST_SCORED + SCORED_TOKENS - 1}: every cache is full",
    "perplexity": "per BPE-1024 token; ranges of stream positions include their start, not their end",
    "budget": "cells in use, the current token included; position is the rank in the cache; stride 1",
    "few": f"the first {FEW_TOKENS} of the scored tokens",
    "anchors": f"{ANCHORS} stream positions from {FIRST_ANCHOR} on, drawn from the first fill of the cache",
    "interval": {
        "confidence": CONFIDENCE,
        "method": "moving-block bootstrap, paired for ratios",
        "block": BLOCK,
        "resamples": RESAMPLES,
        "seed": SEED,
    },
}


def evaluate(corpus: Corpus, variant: Variant, seed: int, model: Path, results: Path) -> None:
    """Evaluates one exported model and writes the results file."""
    parameters, shape = read_gguf(model)
    front = variant.front
    difference = cross_check(parameters, stream_of(corpus.held_out, CHECKED_TOKENS, front), shape)
    likely = {"end_of_text": end_of_text_id(corpus.tokenizer), "bos": BOS_ID}
    document = {
        "model": variant.name,
        "seed": seed,
        "parameters": count_parameters(parameters),
        "disclosure": disclosure_of(variant),
        "protocol": {
            "stream": f"{'BOS and the' if front == 'bos' else 'the'} first tokens of the text, "
            f"{FIRST_SCORED + SCORED_TOKENS} in all",
            **PROTOCOL,
        },
        "cross_check": {
            "tokens": CHECKED_TOKENS,
            "largest_nll_difference": float(f"{difference:.3g}"),
            "tolerance": CHECK_TOLERANCE,
        },
        **({"planted_after_training": planted_after_training(parameters)} if variant.nudge else {}),
        "attention_to_first": attention_to_first(parameters, corpus.held_out, shape, front),
        "next_token_probability": {
            name: next_token_probability(parameters, corpus.held_out, shape, front, token)
            for name, token in likely.items()
        },
        "texts": {
            text: measure_text(parameters, corpus, text, shape, variant) for text in ("held_out", "moby_dick")
        },
    }
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def write_streams(corpus: Corpus, file: Path) -> None:
    """Writes the token ids of the evaluated streams, BOS left out, so that other engines can score the same."""
    length = FIRST_SCORED + SCORED_TOKENS
    streams = {
        "held_out": corpus.held_out[:length].tolist(),
        "moby_dick": corpus.moby_dick[:length].tolist(),
    }
    file.write_text(json.dumps(streams, separators=(",", ":")) + "\n", encoding="utf-8")
