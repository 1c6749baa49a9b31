"""The fast evaluator must agree with a cache that is filled token by token."""

from dataclasses import replace

import numpy as np
import pytest

from tinymodels.cache import (
    cached_positions,
    score_dense,
    score_recompute,
    score_window,
    score_step_by_step,
)
from tinymodels.corpus import BOS_ID
from tinymodels.model import ModelShape, Nudge, Parameters, initialise

SHAPE = ModelShape(vocabulary=64, width=32, layers=2, heads=2, feed_forward=48, context=32)
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def parameters() -> Parameters:
    """Random weights with sharp attention, so that a wrong position changes the result."""
    drawn = initialise(SHAPE, seed=3, nudge=Nudge())
    for layer in drawn["layers"]:
        layer["query"] *= 6.0
        layer["key"] *= 6.0
    return drawn


@pytest.fixture(scope="module")
def tokens() -> np.ndarray:
    text = np.random.default_rng(5).integers(1, SHAPE.vocabulary, 90)
    return np.concatenate([[BOS_ID], text]).astype(np.int32)


@pytest.mark.parametrize(("sinks", "window"), [(0, 16), (1, 15), (4, 12), (4, 1), (8, 200)])
def test_sink_window_equals_the_step_by_step_cache(parameters, tokens, sinks, window):
    expected = score_step_by_step(parameters, tokens, SHAPE, budget=sinks + window, sinks=sinks)
    actual = score_window(parameters, tokens, SHAPE, budget=sinks + window, kept=range(sinks))
    np.testing.assert_allclose(actual, expected, atol=TOLERANCE)


def test_dense_equals_a_cache_that_never_evicts(parameters, tokens):
    expected = score_step_by_step(parameters, tokens, SHAPE, budget=len(tokens))
    np.testing.assert_allclose(score_dense(parameters, tokens, SHAPE), expected, atol=TOLERANCE)


def test_recompute_equals_a_fresh_pass_over_each_window(parameters, tokens):
    recomputed = score_recompute(parameters, tokens, SHAPE, budget=16, head="none", first=0)
    for position in (16, 40, 89):
        fresh = score_dense(parameters, tokens[position - 16 : position + 1], SHAPE)
        assert recomputed[position - 1] == pytest.approx(fresh[-1], abs=TOLERANCE)
    assert np.isnan(recomputed[:15]).all()


def test_recompute_with_bos_spends_one_cell_on_it(parameters, tokens):
    recomputed = score_recompute(parameters, tokens, SHAPE, budget=16, head="bos", first=0)
    window = np.concatenate([[BOS_ID], tokens[40 - 15 : 41]])
    assert recomputed[39] == pytest.approx(score_dense(parameters, window, SHAPE)[-1], abs=TOLERANCE)


def test_positions_are_the_sinks_and_the_latest_tokens():
    positions, counts = cached_positions(8, budget=5, kept=(0, 1))
    assert counts.tolist() == [1, 2, 3, 4, 5, 5, 5, 5]
    assert positions[4].tolist() == [0, 1, 2, 3, 4]
    assert positions[7].tolist() == [0, 1, 5, 6, 7]


def test_anchors_stay_where_they_are_and_everything_else_leaves():
    positions, _ = cached_positions(9, budget=4, kept=(2, 5))
    assert positions[4].tolist() == [1, 2, 3, 4]
    assert positions[5].tolist() == [2, 3, 4, 5]
    assert positions[8].tolist() == [2, 5, 7, 8]


def test_softmax_off_by_one_equals_the_step_by_step_cache_and_another_softmax_does_not(parameters, tokens):
    shape = replace(SHAPE, off_by_one=True)
    expected = score_step_by_step(parameters, tokens, shape, budget=16, sinks=4)
    actual = score_window(parameters, tokens, shape, budget=16, kept=range(4))
    np.testing.assert_allclose(actual, expected, atol=TOLERANCE)
    ordinary = score_window(parameters, tokens, SHAPE, budget=16, kept=range(4))
    assert np.abs(actual - ordinary).max() > 100 * TOLERANCE


def test_the_policies_differ_once_something_was_evicted(parameters, tokens):
    window = score_window(parameters, tokens, SHAPE, budget=16)
    sinks = score_window(parameters, tokens, SHAPE, budget=16, kept=range(4))
    assert np.abs(window - sinks)[:16].max() < TOLERANCE
    assert np.abs(window - sinks)[17:].max() > 100 * TOLERANCE
