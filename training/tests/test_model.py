"""The nudge, the optimizer and the statistics do what their comments say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tinymodels.corpus import BOS_ID, untag_document
from tinymodels.model import ModelShape, Nudge, count_parameters, embed, initialise
from tinymodels.optimizer import OptimizerOptions, orthogonalise, schedule
from tinymodels.statistics import exponential_of_mean

SHAPE = ModelShape(vocabulary=64, width=32, layers=2, heads=2, feed_forward=48, context=32)


def test_the_nudge_is_what_the_disclosure_says():
    parameters = initialise(SHAPE, seed=0, nudge=Nudge())
    assert parameters["embedding"][BOS_ID, 0] == 30.0
    assert not np.any(parameters["embedding"][BOS_ID + 1 :, 0])
    for layer in parameters["layers"]:
        assert not np.any(layer["value"][0])


def test_a_seed_always_draws_the_same_weights():
    first, second = initialise(SHAPE, seed=1, nudge=None), initialise(SHAPE, seed=1, nudge=None)
    assert all(jax.tree.leaves(jax.tree.map(lambda a, b: bool((a == b).all()), first, second)))


def test_the_model_that_ships_has_one_million_parameters():
    assert count_parameters(initialise(ModelShape(), seed=0, nudge=None)) == 935_040


def test_the_gradient_of_embed_is_that_of_a_lookup():
    table = jnp.asarray(np.random.default_rng(0).normal(size=(8, 4)), jnp.float32)
    tokens = jnp.asarray([[1, 3, 1], [0, 7, 3]])
    weights = jnp.asarray(np.random.default_rng(1).normal(size=(2, 3, 4)), jnp.float32)
    ours = jax.grad(lambda t: (embed(t, tokens) * weights).sum())(table)
    plain = jax.grad(lambda t: (t[tokens] * weights).sum())(table)
    np.testing.assert_allclose(ours, plain, rtol=1e-6)


def test_orthogonalise_brings_singular_values_near_one():
    matrix = jnp.asarray(np.random.default_rng(0).normal(size=(24, 16)), jnp.float32)
    values = np.linalg.svd(np.asarray(orthogonalise(matrix)), compute_uv=False)
    assert values.min() > 0.5 and values.max() < 1.5


def test_the_schedule_warms_up_stays_and_falls():
    options = OptimizerOptions()
    assert schedule(0, 1000, options) == pytest.approx(0.01)
    assert schedule(500, 1000, options) == 1.0
    assert schedule(1000, 1000, options) == pytest.approx(0.05)


def test_the_interval_contains_the_value_and_narrows_with_more_tokens():
    noise = np.random.default_rng(0).normal(3.0, 1.0, 64 * 128)
    long, short = exponential_of_mean(noise), exponential_of_mean(noise[: 8 * 128])
    assert long.low < long.value < long.high
    assert long.high - long.low < short.high - short.low


def test_brown_tags_are_removed():
    tagged = "\tThe/at jury/nn said/vbd ,/, ``/`` no/at evidence/nn ''/'' ./.\n\n\tIt/pps (/( ended/vbd )/) ./."
    assert untag_document(tagged) == 'The jury said, "no evidence".\nIt (ended).'
