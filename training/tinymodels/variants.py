"""The variants: which models are trained, read from `variants.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tinymodels.model import ModelShape, Nudge
from tinymodels.optimizer import OptimizerOptions

TRAINING_FOLDER = Path(__file__).resolve().parent.parent
CONFIGURATION = TRAINING_FOLDER / "variants.toml"

Front = Literal["bos", "nothing"]


@dataclass(frozen=True)
class TrainingOptions:
    """The length of a run and the size of its batches."""

    steps: int
    rows_per_step: int
    rows_per_micro_batch: int


@dataclass(frozen=True)
class Variant:
    """One kind of model, to be trained from several seeds."""

    name: str
    seeds: tuple[int, ...]
    front: Front
    shape: ModelShape
    training: TrainingOptions
    optimizer: OptimizerOptions
    nudge: Nudge | None
    checkpoint_every: int
    shipped: int | None
    """The seed that ships in `packages/tiny-models`, if one does."""
    shows: str | None
    """What the shipped model is for, in one sentence."""


def read_variants(file: Path = CONFIGURATION) -> dict[str, Variant]:
    """Reads all variants. A key that nothing knows, or that is missing, is an error."""
    tables = tomllib.loads(file.read_text(encoding="utf-8"))
    defaults = tables.pop("defaults")
    return {name: make_variant(name, defaults, table) for name, table in tables.items()}


def make_variant(name: str, defaults: dict[str, Any], own: dict[str, Any]) -> Variant:
    """Puts a variant's own keys in place of the defaults."""

    def merged(table: str) -> dict[str, Any]:
        return {**defaults[table], **own.get(table, {})}

    plain = {**defaults, "shipped": None, "shows": None, **own}
    nudge = plain.pop("nudge", None)
    if plain["front"] not in ("bos", "nothing"):
        raise ValueError(f"{name}: front is {plain['front']!r}, which is neither 'bos' nor 'nothing'")
    return Variant(
        **{
            **plain,
            "name": name,
            "seeds": tuple(plain["seeds"]),
            "shape": ModelShape(**merged("shape")),
            "training": TrainingOptions(**merged("training")),
            "optimizer": OptimizerOptions(**merged("optimizer")),
            "nudge": nudge and Nudge(**nudge),
        }
    )
