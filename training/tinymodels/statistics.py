"""Perplexities and their ratios, with intervals from a moving-block bootstrap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BLOCK = 128
RESAMPLES = 2000
SEED = 1
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A perplexity or a ratio of perplexities, and its 95 % interval."""

    value: float
    low: float
    high: float


def exponential_of_mean(series: np.ndarray) -> Estimate:
    """exp(mean) of a series of neighbouring tokens.

    NLLs give a perplexity; paired differences of NLLs give a ratio of perplexities. Neighbouring tokens are not
    independent, so blocks of `BLOCK` tokens are drawn, with all overlapping starts. The deviations are widened by
    sqrt(n / (n - 1)), n the number of blocks in the series, because a small sample looks too calm.
    """
    if not np.isfinite(series).all():
        raise ValueError("the series has missing values")
    blocks = len(series) // BLOCK
    if blocks < 2:
        raise ValueError(f"need at least {2 * BLOCK} tokens, got {len(series)}")
    series = series.astype(np.float64)
    sums = np.concatenate([[0.0], np.cumsum(series)])
    means = (sums[BLOCK:] - sums[:-BLOCK]) / BLOCK
    draws = np.random.default_rng(SEED).integers(0, len(means), (RESAMPLES, blocks))
    deviations = (means[draws].mean(axis=1) - means.mean()) * np.sqrt(blocks / (blocks - 1))
    tail = (1 - CONFIDENCE) / 2
    low, high = series.mean() + np.quantile(deviations, [tail, 1 - tail])
    return Estimate(float(np.exp(series.mean())), float(np.exp(low)), float(np.exp(high)))
