"""Prints the results files as Markdown, for the model card."""

from __future__ import annotations

import json
from pathlib import Path

ROWS = {
    "dense": "dense",
    "window": "window 0+L",
    "sinks_1": "sink window 1+(L−1)",
    "sinks_4": "sink window 4+(L−4)",
    "sinks_8": "sink window 8+(L−8)",
    "recompute_with_bos": "recompute, BOS kept",
    "recompute_without_bos": "recompute, BOS not kept",
}
TEXTS = {"held_out": "held-out addresses", "moby_dick": "Moby Dick"}


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


def report(results: list[Path]) -> str:
    """Perplexities of the first file, then the ratios of all of them."""
    documents = [json.loads(file.read_text(encoding="utf-8")) for file in results]
    first = documents[0]
    columns = [(text, budget) for text in TEXTS for budget in first["texts"][text]["budgets"]]
    perplexities = table(
        [f"perplexity, seed {first['seed']}", *(f"{TEXTS[text]}, L = {budget}" for text, budget in columns)],
        [
            [
                label,
                *(cell(first["texts"][text]["budgets"][budget]["perplexity"].get(row), 1) for text, budget in columns),
            ]
            for row, label in ROWS.items()
        ],
    )
    ratios = table(
        ["window : sink window (4)", *(f"{TEXTS[text]}, L = {budget}" for text, budget in columns)],
        [
            [
                f"seed {document['seed']}",
                *(
                    cell(document["texts"][text]["budgets"][budget]["ratio_to_sinks_4"]["window"], 2)
                    for text, budget in columns
                ),
            ]
            for document in documents
        ],
    )
    return f"{perplexities}\n\n{ratios}\n\nCaption: {first['disclosure']}."
