"""The training loop: one seed, one run, one checkpoint, one log of JSON lines."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from tinymodels.corpus import BOS_ID, Corpus
from tinymodels.model import (
    ModelShape,
    Parameters,
    count_parameters,
    forward,
    initialise,
    negative_log_likelihood,
    save_checkpoint,
)
from tinymodels.optimizer import OptimizerOptions, OptimizerState, initial_state, schedule, update
from tinymodels.variants import Front, Variant

HELD_OUT_ROWS = 24
HELD_OUT_SEED = 7
LOG_EVERY = 50


def draw_batch(
    tokens: np.ndarray, generator: np.random.Generator, rows: int, length: int, front: Front
) -> tuple[np.ndarray, np.ndarray]:
    """Draws random stretches of the text, with BOS in front or nothing. Returns inputs and targets.

    The same generator draws the same stretches whatever stands in front, so that variants read the same text.
    """
    starts = generator.integers(0, len(tokens) - length, rows)
    stretches = np.stack([tokens[start : start + length] for start in starts]).astype(np.int32)
    if front == "nothing":
        return stretches[:, :-1], stretches[:, 1:]
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
    """Held-out loss, and the attention to the first token, (layers, heads)."""
    logits, attention_to_first = forward(parameters, inputs, shape)
    return negative_log_likelihood(logits, targets).mean(), attention_to_first


def train(corpus: Corpus, variant: Variant, seed: int, checkpoint: Path, log: Path) -> None:
    """Trains one seed. Writes the checkpoint at the end, and a log line every `LOG_EVERY` steps.

    The first line of the log is the configuration; the last one tells the size of the run. Where the variant asks for
    checkpoints on the way, they lie beside the last one.
    """
    shape, training, optimizer = variant.shape, variant.training, variant.optimizer
    parameters = initialise(shape, seed, variant.nudge)
    state = initial_state(parameters)
    generator = np.random.default_rng([seed, 1])
    held_out = draw_batch(
        corpus.held_out, np.random.default_rng(HELD_OUT_SEED), HELD_OUT_ROWS, shape.context, variant.front
    )
    started, started_processor = time.monotonic(), time.process_time()
    recent: list[float] = []
    with log.open("w", encoding="utf-8") as lines:

        def write(record: dict[str, object]) -> None:
            print(json.dumps(record), file=lines, flush=True)

        write(
            {
                "variant": variant.name,
                "seed": seed,
                "parameters": count_parameters(parameters),
                "front": variant.front,
                "shape": asdict(shape),
                "training": asdict(training),
                "optimizer": asdict(optimizer),
                "nudge": asdict(variant.nudge) if variant.nudge else None,
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
                    "attention_to_first_by_layer_and_head": [
                        [round(float(share), 3) for share in heads] for heads in attention
                    ],
                    "processor_seconds": round(time.process_time() - started_processor, 1),
                }
            )
            recent.clear()

        for step in range(training.steps):
            if step % LOG_EVERY == 0:
                write_progress(step)
            if variant.checkpoint_every and step % variant.checkpoint_every == 0:
                save_checkpoint(checkpoint_at(checkpoint, step), parameters, shape)
            batch = draw_batch(corpus.training, generator, training.rows_per_step, shape.context, variant.front)
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


def checkpoint_at(checkpoint: Path, step: int) -> Path:
    """Where the checkpoint of a step on the way lies."""
    return checkpoint.with_stem(f"{checkpoint.stem}-step-{step}")
