"""The emergence curve: how a sink grows, and what a window costs meanwhile, over the checkpoints of one run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tinymodels.cache import score_window
from tinymodels.corpus import Corpus
from tinymodels.evaluate import FIRST_SCORED, PROTOCOL, SCORED_TOKENS, draw_anchors, rounded, rows_of, stream_of
from tinymodels.model import forward, load_checkpoint
from tinymodels.optimizer import schedule
from tinymodels.statistics import exponential_of_mean
from tinymodels.train import checkpoint_at
from tinymodels.variants import Variant

BUDGET = 128
SINKS = 4


def trace_emergence(corpus: Corpus, variant: Variant, seed: int, checkpoint: Path, results: Path) -> None:
    """Measures every checkpoint on the held-out text, in F32, and writes one row for each."""
    tokens = stream_of(corpus.held_out, FIRST_SCORED + SCORED_TOKENS, variant.front)
    primary = slice(FIRST_SCORED - 1, None)
    training = variant.training
    anchors = draw_anchors(BUDGET)[0]
    rows = []
    for step in (*range(0, training.steps, variant.checkpoint_every), training.steps):
        file = checkpoint if step == training.steps else checkpoint_at(checkpoint, step)
        parameters, shape = load_checkpoint(file)
        _, shares = forward(parameters, rows_of(corpus.held_out, shape, variant.front), shape)
        nll = {
            name: score_window(parameters, tokens, shape, budget=BUDGET, kept=kept)[primary]
            for name, kept in {"window": (), "sinks": range(SINKS), "anchors": anchors}.items()
        }
        rows.append(
            {
                "step": step,
                "tokens": step * training.rows_per_step * shape.context,
                "learning_rate_fraction": round(schedule(step, training.steps, variant.optimizer), 4),
                "attention_to_first": [[round(float(share), 4) for share in layer] for layer in np.asarray(shares)],
                "sink_window_perplexity": rounded(exponential_of_mean(nll["sinks"])),
                "window_to_sink_window": rounded(exponential_of_mean(nll["window"] - nll["sinks"])),
                "anchors_to_sink_window": rounded(exponential_of_mean(nll["anchors"] - nll["sinks"])),
            }
        )
    document = {
        "model": variant.name,
        "seed": seed,
        "text": "held_out",
        "budget": BUDGET,
        "sinks": SINKS,
        "anchors": anchors,
        "protocol": {**PROTOCOL, "weights": "of the checkpoint, F32"},
        "rows": rows,
    }
    results.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
