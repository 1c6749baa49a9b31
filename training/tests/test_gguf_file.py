"""What is written to GGUF is read back, whatever the architecture pairs."""

from dataclasses import replace

import numpy as np
import pytest

from tinymodels.cache import score_dense
from tinymodels.corpus import BOS_ID, VOCABULARY_SIZE, train_tokenizer
from tinymodels.gguf_file import pair_halves, pair_neighbours, read_gguf, write_gguf
from tinymodels.model import initialise
from tinymodels.variants import read_variants


@pytest.fixture(scope="module")
def tokenizer():
    generator = np.random.default_rng(0)
    words = ["".join(generator.choice(list("abcdefghijklmnop"), 9)) for _ in range(2000)]
    return train_tokenizer([" ".join(words)])


@pytest.mark.parametrize("name", ["sink", "plain", "zero-sink", "natural"])
def test_a_model_that_is_read_back_predicts_the_same(tmp_path, tokenizer, name):
    variant = read_variants()[name]
    variant = replace(variant, shape=replace(variant.shape, width=32, feed_forward=48, layers=2))
    parameters = initialise(variant.shape, 0, variant.nudge)
    for layer in parameters["layers"]:
        layer["query"] *= 6.0
        layer["key"] *= 6.0
    write_gguf(tmp_path / "model.gguf", variant, parameters, tokenizer)
    read, shape = read_gguf(tmp_path / "model.gguf")
    assert shape == variant.shape
    tokens = np.concatenate([[BOS_ID], np.random.default_rng(1).integers(1, VOCABULARY_SIZE, 100)]).astype(np.int32)
    np.testing.assert_allclose(
        score_dense(read, tokens, shape), score_dense(parameters, tokens, variant.shape), atol=0.02
    )


def test_pairing_by_halves_is_undone():
    matrix = np.random.default_rng(0).normal(size=(6, 16))
    halves = pair_halves(matrix, 2)
    assert halves[0, :8].tolist() == matrix[0, [0, 2, 4, 6, 1, 3, 5, 7]].tolist()
    np.testing.assert_array_equal(pair_neighbours(halves, 2), matrix)
