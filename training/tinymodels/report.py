"""Prints the results files as Markdown, for the model card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tinymodels.variants import Variant

ROWS = {
    "dense": "dense",
    "window": "window 0+L",
    "sinks_1": "sink window 1+(L−1)",
    "sinks_2": "sink window 2+(L−2)",
    "sinks_4": "sink window 4+(L−4)",
    "sinks_8": "sink window 8+(L−8)",
    "random_4": "4 random anchors, three draws",
    "recompute_bos": "recompute, BOS kept",
    "recompute_none": "recompute, BOS not kept",
}
TEXTS = {"held_out": "held-out addresses", "moby_dick": "Moby Dick"}
COLUMNS = [(text, budget) for text in TEXTS for budget in ("128", "256")]
TABLE_3 = {
    "table3-vanilla": "no token in front",
    "table3-off-by-one": "no token in front, SoftMax-off-by-one",
    "table3-sink-token": "a trained token in front of every sample",
}
LOSS_STEPS = (50, 100, 200, 400, 800, 1200)
CURVE = {"natural": 2, "natural-large": 2}
"""Variants whose curve is printed, and the thousands of steps between its rows."""

Document = dict[str, Any]


def cell(estimate: dict[str, float] | None, digits: int) -> str:
    """An estimate with its interval, or a dash where nothing was measured."""
    if estimate is None:
        return "–"
    value, low, high = (f"{estimate[name]:.{digits}f}" for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def read_results(results: Path, variant: Variant, kind: str) -> list[Document]:
    """The files of one kind of a variant's seeds, in order; seeds that were not run are left out."""
    files = [results / variant.name / f"seed-{seed}-{kind}.json" for seed in variant.seeds]
    return [json.loads(file.read_text(encoding="utf-8")) for file in files if file.exists()]


def measured(document: Document, text: str, budget: str, figure: str, row: str) -> dict[str, float] | None:
    """One estimate of an evaluation. Of several draws of anchors, the middle one with the bounds of all."""
    estimates = document["texts"][text]["budgets"][budget][figure]
    draws = sorted(
        (estimate for name, estimate in estimates.items() if name.startswith(f"{row}_draw_")),
        key=lambda estimate: estimate["value"],
    )
    if not draws:
        return estimates.get(row)
    return {
        "value": draws[len(draws) // 2]["value"],
        "low": min(draw["low"] for draw in draws),
        "high": max(draw["high"] for draw in draws),
    }


def perplexities(document: Document) -> str:
    """Every policy on one model."""
    header = [f"`{document['model']}`: perplexity", *(f"{TEXTS[text]}, L = {budget}" for text, budget in COLUMNS)]
    return table(
        header,
        [
            [label, *(cell(measured(document, text, budget, "perplexity", row), 1) for text, budget in COLUMNS)]
            for row, label in ROWS.items()
        ],
    )


def ratios(documents: list[Document], row: str, title: str, digits: int) -> str:
    """A policy against four sinks, for every seed."""
    return table(
        [title, *(f"{TEXTS[text]}, L = {budget}" for text, budget in COLUMNS)],
        [
            [
                f"`{document['model']}`, seed {document['seed']}",
                *(cell(measured(document, text, budget, "ratio_to_sinks_4", row), digits) for text, budget in COLUMNS),
            ]
            for document in documents
        ],
    )


def paper_table_3(variants: dict[str, Variant], results: Path) -> str:
    """The three ways of the paper's Table 3, and whether the models are such that they could tell."""
    rows = []
    for name, label in TABLE_3.items():
        for document in read_results(results, variants[name], "evaluation"):
            estimates = document["texts"]["held_out"]["budgets"]["128"]["perplexity"]
            attention = document["attention_to_first"]
            largest = max(share for layer in attention["by_layer_and_head"] for share in layer)
            rows.append(
                [
                    label,
                    str(document["seed"]),
                    f"{largest:.3f}",
                    f"{100 * attention['heads_with_a_sink']:.0f} %",
                    *(cell(estimates[row], 1) for row in ("window", "sinks_1", "sinks_4")),
                ]
            )
    header = ["in training", "seed", "largest share of a head", "heads above 0.3", "0+128", "1+127", "4+124"]
    return table(header, rows)


def loss_curves(variants: dict[str, Variant], results: Path) -> str:
    """Held-out loss over training in the three ways of Table 3: the paper's Figure 6."""
    losses: dict[str, dict[int, list[float]]] = {name: {} for name in TABLE_3}
    for name in TABLE_3:
        for seed in variants[name].seeds:
            log = results / name / f"seed-{seed}-training.jsonl"
            for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else ():
                record = json.loads(line)
                if "held_out_loss" in record:
                    losses[name].setdefault(record["step"], []).append(record["held_out_loss"])
    rows = [
        [f"{step:,}", *(f"{min(all_[step]):.2f} to {max(all_[step]):.2f}" for all_ in losses.values())]
        for step in LOSS_STEPS
        if all(step in all_ for all_ in losses.values())
    ]
    return table(["held-out loss after step", *TABLE_3.values()], rows)


def curve(documents: list[Document], every: int) -> str:
    """The emergence curve of one variant: all seeds side by side."""
    header = ["tokens", "learning rate"]
    for document in documents:
        seed = document["seed"]
        header += [f"seed {seed}: largest share of a head", "window : sinks", "anchors : sinks"]
    rows = []
    for aligned in zip(*(document["rows"] for document in documents), strict=True):
        if aligned[0]["step"] % (1000 * every):
            continue
        row = [f"{aligned[0]['tokens'] / 1e6:.1f} M", f"{100 * aligned[0]['learning_rate_fraction']:.0f} %"]
        for measurement in aligned:
            largest = max(share for layer in measurement["attention_to_first"] for share in layer)
            row += [
                f"{largest:.2f}",
                cell(measurement["window_to_sink_window"], 3),
                cell(measurement["anchors_to_sink_window"], 3),
            ]
        rows.append(row)
    return table(header, rows)


def report(variants: dict[str, Variant], results: Path) -> str:
    """All tables of the model card."""
    evaluations = {name: read_results(results, variant, "evaluation") for name, variant in variants.items()}
    shipped = [
        document
        for name, variant in variants.items()
        for document in evaluations[name]
        if document["seed"] == variant.shipped
    ]
    compared = [document for name in variants if name not in TABLE_3 for document in evaluations[name]]
    emergence = {name: read_results(results, variants[name], "emergence") for name in CURVE if name in variants}
    parts = [
        *(perplexities(document) for document in shipped),
        ratios(compared, "window", "window : sink window (4)", 3),
        *(curve(documents, CURVE[name]) for name, documents in emergence.items() if documents),
        paper_table_3(variants, results),
        loss_curves(variants, results),
    ]
    return "\n\n".join(parts)
