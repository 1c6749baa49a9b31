"""The training loop: one seed, one run, one checkpoint, one log of JSON lines."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from sinkmodel.corpus import BOS_ID, Corpus
from sinkmodel.model import (
    ModelShape,
    Nudge,
    Parameters,
    count_parameters,
    forward,
    initialise,
    negative_log_likelihood,
    save_checkpoint,
)
from sinkmodel.optimizer import OptimizerOptions, OptimizerState, initial_state, schedule, update

HELD_OUT_ROWS = 24
HELD_OUT_SEED = 7
LOG_EVERY = 50


@dataclass(frozen=True)
class TrainingOptions:
    """The length of a run and the size of its batches."""

    steps: int = 1800
    rows_per_step: int = 8
    rows_per_micro_batch: int = 2
    """Gradients are summed over micro batches of this size, so that activations stay in the CPU's cache."""


def draw_batch(
    tokens: np.ndarray, generator: np.random.Generator, rows: int, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draws rows that are BOS followed by a random stretch of the text. Returns inputs and targets."""
    starts = generator.integers(0, len(tokens) - length, rows)
    stretches = np.stack([tokens[start : start + length] for start in starts]).astype(np.int32)
    first = np.full((rows, 1), BOS_ID, np.int32)
    return np.concatenate([first, stretches[:, :-1]], axis=1), stretches


def mean_loss(parameters: Parameters, inputs: jax.Array, targets: jax.Array, shape: ModelShape) -> jax.Array:
    """Mean NLL per token, in nats."""
    logits, _ = forward(parameters, inputs, shape)
    return negative_log_likelihood(logits, targets).mean()


def loss_and_gradient(
    parameters: Parameters, inputs: jax.Array, targets: jax.Array, shape: ModelShape, micro_rows: int
) -> tuple[jax.Array, Parameters]:
    """The mean loss of a batch and its gradient, summed over micro batches."""
    batches = inputs.shape[0] // micro_rows

    def add(total: tuple[jax.Array, Parameters], batch: tuple[jax.Array, jax.Array]):
        loss, gradient = jax.value_and_grad(mean_loss)(parameters, *batch, shape)
        return jax.tree.map(lambda sum_, part: sum_ + part / batches, total, (loss, gradient)), None

    zero = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, parameters))
    split = (inputs.reshape(batches, micro_rows, -1), targets.reshape(batches, micro_rows, -1))
    return jax.lax.scan(add, zero, split)[0]


@partial(jax.jit, static_argnames=("shape", "options", "micro_rows"))
def training_step(
    parameters: Parameters,
    state: OptimizerState,
    inputs: jax.Array,
    targets: jax.Array,
    fraction: jax.Array,
    *,
    shape: ModelShape,
    options: OptimizerOptions,
    micro_rows: int,
) -> tuple[Parameters, OptimizerState, jax.Array]:
    """One optimizer step."""
    loss, gradient = loss_and_gradient(parameters, inputs, targets, shape, micro_rows)
    parameters, state = update(parameters, gradient, state, fraction, options)
    return parameters, state, loss


@partial(jax.jit, static_argnames="shape")
def probe(
    parameters: Parameters, inputs: jax.Array, targets: jax.Array, *, shape: ModelShape
) -> tuple[jax.Array, jax.Array]:
    """Held-out loss, and the attention to BOS by layer."""
    logits, attention_to_first = forward(parameters, inputs, shape)
    return negative_log_likelihood(logits, targets).mean(), attention_to_first.mean(axis=1)


def train(
    corpus: Corpus,
    seed: int,
    checkpoint: Path,
    log: Path,
    *,
    shape: ModelShape = ModelShape(),
    training: TrainingOptions = TrainingOptions(),
    optimizer: OptimizerOptions = OptimizerOptions(),
    nudge: Nudge | None = Nudge(),
) -> None:
    """Trains one seed. Writes the checkpoint at the end, and a log line every `LOG_EVERY` steps.

    The first line of the log is the configuration; the last one tells the size of the run.
    """
    parameters = initialise(shape, seed, nudge)
    state = initial_state(parameters)
    generator = np.random.default_rng([seed, 1])
    held_out = draw_batch(corpus.held_out, np.random.default_rng(HELD_OUT_SEED), HELD_OUT_ROWS, shape.context)
    started, started_processor = time.monotonic(), time.process_time()
    recent: list[float] = []
    with log.open("w", encoding="utf-8") as lines:

        def write(record: dict[str, object]) -> None:
            print(json.dumps(record), file=lines, flush=True)

        write(
            {
                "seed": seed,
                "parameters": count_parameters(parameters),
                "shape": asdict(shape),
                "training": asdict(training),
                "optimizer": asdict(optimizer),
                "nudge": asdict(nudge) if nudge else None,
                "training_tokens_in_corpus": len(corpus.training),
            }
        )

        def write_progress(step: int) -> None:
            loss, attention = probe(parameters, *held_out, shape=shape)
            write(
                {
                    "step": step,
                    "tokens": step * training.rows_per_step * shape.context,
                    "training_loss": round(float(np.mean(recent)), 4) if recent else None,
                    "held_out_loss": round(float(loss), 4),
                    "attention_to_bos_by_layer": [round(float(share), 3) for share in attention],
                    "processor_seconds": round(time.process_time() - started_processor, 1),
                }
            )
            recent.clear()

        for step in range(training.steps):
            if step % LOG_EVERY == 0:
                write_progress(step)
            batch = draw_batch(corpus.training, generator, training.rows_per_step, shape.context)
            fraction = np.float32(schedule(step, training.steps, optimizer))
            parameters, state, loss = training_step(
                parameters,
                state,
                *batch,
                fraction,
                shape=shape,
                options=optimizer,
                micro_rows=training.rows_per_micro_batch,
            )
            recent.append(float(loss))
        write_progress(training.steps)
        save_checkpoint(checkpoint, parameters, shape)
        write(
            {
                "finished": True,
                "steps": training.steps,
                "tokens": training.steps * training.rows_per_step * shape.context,
                "wall_seconds": round(time.monotonic() - started, 1),
                "processor_seconds": round(time.process_time() - started_processor, 1),
            }
        )
