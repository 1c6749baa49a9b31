"""Measures a checkpoint under every policy and writes one small JSON file of results.

The weights are rounded to F16 first, so the figures belong to the exported file.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from sinkmodel.cache import score_dense, score_recompute, score_sink_window, score_step_by_step
from sinkmodel.corpus import BOS_ID, Corpus, end_of_text_id
from sinkmodel.model import (
    DISCLOSURE,
    ModelShape,
    Parameters,
    count_parameters,
    forward,
    load_checkpoint,
    round_to_half,
)
from sinkmodel.statistics import BLOCK, CONFIDENCE, RESAMPLES, SEED, Estimate, exponential_of_mean

BUDGETS = (128, 256)
RECOMPUTED_BUDGETS = (128,)
"""Recomputation does a forward pass per token; the larger budget would take longer than the training."""
SINKS = (1, 4, 8)
FIRST_SCORED = 256
SCORED_TOKENS = 64 * BLOCK
DENSE_RANGES = ((1, 256), (256, 512), (512, 1024), (1024, 2048), (2048, 4096), (4096, 8192))
CHECKED_TOKENS = 400
CHECK_BUDGET = 64
CHECK_TOLERANCE = 1e-3


def stream_of(text: np.ndarray, length: int) -> np.ndarray:
    """BOS and the beginning of a text, `length` tokens in all."""
    return np.concatenate([[BOS_ID], text[: length - 1]]).astype(np.int32)


def cross_check(parameters: Parameters, tokens: np.ndarray, shape: ModelShape) -> float:
    """The largest NLL difference, in nats, between the evaluator and a cache that is filled step by step.

    Raises an error when the two differ by more than `CHECK_TOLERANCE`.
    """
    largest = 0.0
    for sinks in (0, 4):
        options = {"sinks": sinks, "window": CHECK_BUDGET - sinks}
        expected = score_step_by_step(parameters, tokens, shape, **options)
        largest = max(largest, float(np.abs(score_sink_window(parameters, tokens, shape, **options) - expected).max()))
    options = {"sinks": 0, "window": len(tokens)}
    expected = score_step_by_step(parameters, tokens, shape, **options)
    largest = max(largest, float(np.abs(score_dense(parameters, tokens, shape) - expected).max()))
    if largest > CHECK_TOLERANCE:
        raise RuntimeError(f"the evaluator and the step-by-step cache differ by {largest} nats")
    return largest


def rounded(estimate: Estimate) -> dict[str, float]:
    """An estimate as JSON, four digits after the point."""
    return {name: round(value, 4) for name, value in asdict(estimate).items()}


def measure_text(parameters: Parameters, text: np.ndarray, shape: ModelShape) -> dict[str, object]:
    """Scores the beginning of one text under all policies and budgets."""
    tokens = stream_of(text, FIRST_SCORED + SCORED_TOKENS)
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
            scores[name] = score_sink_window(parameters, tokens, shape, sinks=sinks, window=budget - sinks)
        for keep_bos in (True, False) if budget in RECOMPUTED_BUDGETS else ():
            name = "recompute_with_bos" if keep_bos else "recompute_without_bos"
            scores[name] = score_recompute(
                parameters, tokens, shape, budget=budget, keep_bos=keep_bos, first=FIRST_SCORED
            )
        budgets[str(budget)] = {
            "perplexity": {name: rounded(exponential_of_mean(nll[primary])) for name, nll in scores.items()},
            "ratio_to_sinks_4": {
                name: rounded(exponential_of_mean((nll - scores["sinks_4"])[primary]))
                for name, nll in scores.items()
                if name != "sinks_4"
            },
        }
    return {"dense_perplexity_by_stream_position": by_range, "budgets": budgets}


def next_token_probability(parameters: Parameters, text: np.ndarray, shape: ModelShape, token: int) -> dict[str, float]:
    """The mean and the largest probability that a token gets as the next one, within the trained length."""
    rows = text[: 32 * (shape.context - 1)].reshape(32, -1).astype(np.int32)
    inputs = np.concatenate([np.full((32, 1), BOS_ID, np.int32), rows], axis=1)
    logits = np.asarray(forward(parameters, inputs, shape)[0], np.float64)
    logits -= logits.max(axis=-1, keepdims=True)
    probability = np.exp(logits[..., token]) / np.exp(logits).sum(axis=-1)
    return {"mean": float(f"{probability.mean():.3g}"), "largest": float(f"{probability.max():.3g}")}


def nudge_after_training(parameters: Parameters) -> dict[str, float]:
    """What became of the planted numbers: nothing is frozen."""
    embedding = np.asarray(parameters["embedding"])
    value_rows = [np.abs(np.asarray(layer["value"][0])).max() for layer in parameters["layers"]]
    return {
        "bos_embedding_dimension_0": round(float(embedding[BOS_ID, 0]), 3),
        "largest_other_embedding_dimension_0": round(float(np.abs(embedding[BOS_ID + 1 :, 0]).max()), 3),
        "largest_entry_of_row_0_of_value_matrices": round(float(max(value_rows)), 3),
    }


def evaluate(corpus: Corpus, checkpoint: Path, seed: int, results: Path) -> None:
    """Evaluates one checkpoint and writes the results file."""
    stored, shape = load_checkpoint(checkpoint)
    parameters = round_to_half(stored)
    difference = cross_check(parameters, stream_of(corpus.held_out, CHECKED_TOKENS), shape)
    document = {
        "model": "sink",
        "seed": seed,
        "parameters": count_parameters(parameters),
        "disclosure": DISCLOSURE,
        "protocol": {
            "weights": "matrices rounded to F16, as in the exported file; arithmetic in F32",
            "stream": f"BOS and the first {FIRST_SCORED + SCORED_TOKENS - 1} tokens of the text",
            "scored": f"stream positions {FIRST_SCORED} to {FIRST_SCORED + SCORED_TOKENS - 1}: every cache is full",
            "perplexity": "per BPE-1024 token; ranges of stream positions include their start, not their end",
            "budget": "cells in use, the current token included; position is the rank in the cache; stride 1",
            "interval": {
                "confidence": CONFIDENCE,
                "method": "moving-block bootstrap, paired for ratios",
                "block": BLOCK,
                "resamples": RESAMPLES,
                "seed": SEED,
            },
        },
        "cross_check": {
            "tokens": CHECKED_TOKENS,
            "largest_nll_difference": float(f"{difference:.3g}"),
            "tolerance": CHECK_TOLERANCE,
        },
        "nudge_after_training": nudge_after_training(parameters),
        "next_token_probability": {
            "end_of_text": next_token_probability(parameters, corpus.held_out, shape, end_of_text_id(corpus.tokenizer)),
            "bos": next_token_probability(parameters, corpus.held_out, shape, BOS_ID),
        },
        "texts": {
            "held_out": measure_text(parameters, corpus.held_out, shape),
            "moby_dick": measure_text(parameters, corpus.moby_dick, shape),
        },
    }
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
