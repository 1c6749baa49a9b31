"""The optimizer: Muon for the matrices inside the layers, AdamW for the embedding and the norm gains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from tinymodels.model import Parameters

OptimizerState = dict[str, Any]

EMBEDDING = "embedding"


@dataclass(frozen=True)
class OptimizerOptions:
    """Peak learning rates and the constants of both methods."""

    adam_learning_rate: float = 3e-3
    adam_first_decay: float = 0.9
    adam_second_decay: float = 0.98
    adam_epsilon: float = 1e-8
    muon_learning_rate: float = 0.015
    muon_momentum: float = 0.95
    weight_decay: float = 0.05
    gradient_clip: float = 1.0
    """Largest global norm of a gradient."""
    warm_up_steps: int = 100
    constant_until: float = 0.6
    """Fraction of the run after which the learning rate falls linearly."""
    final_fraction: float = 0.05
    """What is left of the learning rate at the end of the run."""


def schedule(step: int, steps: int, options: OptimizerOptions) -> float:
    """The fraction of the peak learning rates at a step: warm up, constant, linear decay."""
    progress = step / steps
    decay = max(0.0, progress - options.constant_until) / (1.0 - options.constant_until)
    warm_up = min(1.0, (step + 1) / options.warm_up_steps)
    return warm_up * (1.0 - (1.0 - options.final_fraction) * decay)


def initial_state(parameters: Parameters) -> OptimizerState:
    """Zero moments. Muon uses the first one alone."""
    return {
        "step": jnp.zeros((), jnp.int32),
        "first": jax.tree.map(jnp.zeros_like, parameters),
        "second": jax.tree.map(jnp.zeros_like, parameters),
    }


def orthogonalise(matrix: jax.Array) -> jax.Array:
    """Five Newton-Schulz iterations: moves all singular values of a matrix near 1."""
    transposed = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if transposed else matrix
    x = x / (jnp.linalg.norm(x) + 1e-7)
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.T if transposed else x


def clip(gradient: Parameters, largest_norm: float) -> Parameters:
    """Scales the gradient down when its global norm is larger than allowed."""
    norm = jnp.sqrt(sum(jnp.sum(leaf * leaf) for leaf in jax.tree.leaves(gradient)))
    factor = jnp.minimum(1.0, largest_norm / (norm + 1e-9))
    return jax.tree.map(lambda leaf: leaf * factor, gradient)


def update(
    parameters: Parameters,
    gradient: Parameters,
    state: OptimizerState,
    fraction: jax.Array,
    options: OptimizerOptions,
) -> tuple[Parameters, OptimizerState]:
    """One step. `fraction` is the value of the schedule; both learning rates follow it."""
    step = state["step"] + 1
    gradient = clip(gradient, options.gradient_clip)

    def muon(parameter: jax.Array, slope: jax.Array, first: jax.Array, second: jax.Array) -> tuple[jax.Array, ...]:
        rate = fraction * options.muon_learning_rate
        first = options.muon_momentum * first + slope
        direction = orthogonalise(options.muon_momentum * first + slope)
        direction = direction * max(1.0, parameter.shape[1] / parameter.shape[0]) ** 0.5
        return parameter - rate * (direction + options.weight_decay * parameter), first, second

    def adam(parameter: jax.Array, slope: jax.Array, first: jax.Array, second: jax.Array) -> tuple[jax.Array, ...]:
        rate = fraction * options.adam_learning_rate
        first = options.adam_first_decay * first + (1 - options.adam_first_decay) * slope
        second = options.adam_second_decay * second + (1 - options.adam_second_decay) * slope * slope
        unbiased_first = first / (1 - options.adam_first_decay**step)
        unbiased_second = second / (1 - options.adam_second_decay**step)
        direction = unbiased_first / (jnp.sqrt(unbiased_second) + options.adam_epsilon)
        decay = options.weight_decay if parameter.ndim == 2 else 0.0
        return parameter - rate * (direction + decay * parameter), first, second

    def one(path: tuple[Any, ...], *leaves: jax.Array) -> tuple[jax.Array, ...]:
        inner_matrix = leaves[0].ndim == 2 and path[0].key != EMBEDDING
        return muon(*leaves) if inner_matrix else adam(*leaves)

    updated = jax.tree_util.tree_map_with_path(one, parameters, gradient, state["first"], state["second"])
    structure, triple = jax.tree.structure(parameters), jax.tree.structure((0, 0, 0))
    new_parameters, first, second = jax.tree.transpose(structure, triple, updated)
    return new_parameters, {"step": step, "first": first, "second": second}
