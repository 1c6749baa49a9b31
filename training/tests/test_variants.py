"""The configuration says what is trained, and what it does not know is an error."""

from dataclasses import replace

import numpy as np
import pytest

from tinymodels.corpus import BOS_ID
from tinymodels.report import TABLE_3
from tinymodels.train import draw_batch
from tinymodels.variants import TRAINING_FOLDER, make_variant, read_variants

DEFAULTS = {
    "seeds": [0],
    "front": "bos",
    "checkpoint_every": 0,
    "shape": {"width": 8},
    "training": {"steps": 1, "rows_per_step": 2, "rows_per_micro_batch": 2},
    "optimizer": {},
}


def test_every_variant_can_be_read():
    variants = read_variants()
    assert {name for name, variant in variants.items() if variant.shipped is not None} == {
        "sink",
        "plain",
        "zero-sink",
        "natural",
    }
    assert all(variant.shipped in (None, *variant.seeds) for variant in variants.values())


def test_the_configuration_for_a_gpu_has_the_three_runs_of_table_3():
    variants = read_variants(TRAINING_FOLDER / "variants-gpu.toml")
    assert set(variants) == set(TABLE_3)
    vanilla, off_by_one, token = (variants[name] for name in TABLE_3)
    assert replace(vanilla.shape, off_by_one=True) == off_by_one.shape
    assert (vanilla.front, off_by_one.front, token.front) == ("nothing", "nothing", "bos")


def test_the_controls_differ_from_what_they_control_in_one_thing():
    variants = read_variants()
    sink, plain, zero_sink = (variants[name] for name in ("sink", "plain", "zero-sink"))
    assert (plain.shape, plain.training, plain.optimizer) == (sink.shape, sink.training, sink.optimizer)
    assert plain.nudge is None and sink.nudge == zero_sink.nudge is not None
    assert zero_sink.shape.off_by_one and not sink.shape.off_by_one


def test_a_variant_takes_the_defaults_and_replaces_its_own_keys():
    variant = make_variant("mine", DEFAULTS, {"front": "nothing", "shape": {"heads": 2}})
    assert (variant.front, variant.shape.width, variant.shape.heads) == ("nothing", 8, 2)


@pytest.mark.parametrize("own", [{"shape": {"heigth": 8}}, {"front": "eos"}, {"seed": 1}])
def test_what_it_does_not_know_is_an_error(own):
    with pytest.raises((TypeError, ValueError)):
        make_variant("mine", DEFAULTS, own)


def test_variants_read_the_same_text_whatever_stands_in_front():
    text = np.arange(1, 200)
    with_bos, with_nothing = (
        draw_batch(text, np.random.default_rng(3), rows=4, length=16, front=front) for front in ("bos", "nothing")
    )
    assert (with_bos[0][:, 0] == BOS_ID).all()
    np.testing.assert_array_equal(with_bos[0][:, 1:], with_nothing[0])
    np.testing.assert_array_equal(with_bos[1][:, 1:], with_nothing[1])
