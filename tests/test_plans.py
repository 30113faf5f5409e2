"""Plans that are made by hand: what is converted, and what is refused."""

import numpy as np
import pytest
import tensorflow as tf
from helpers import INVALID, assert_equal

from keras_mixup import ChoicePlan, Plan, choose, cutmix, mixup

X, Y = np.float32([[0, 0], [8, 8]]), np.float32([[0], [1]])
CALLS = pytest.mark.parametrize("call", ["eager", "graph"])


def apply(call, mix, plan, element=(X, Y)):
    if call == "eager":
        return mix.apply_plan(element, plan)
    traced = tf.function(lambda: mix.apply_plan(element, plan))
    return traced()


@CALLS
@pytest.mark.parametrize("lam", [2, -0.1, np.nan, np.inf])
def test_lam_out_of_range_is_refused(call, lam):
    for dtype in ("float32", "float64", "float16"):
        values = np.array([0.5, lam], dtype)
        for given in (values, tf.constant(values), values.tolist()):
            with pytest.raises(INVALID, match=r"`lam` .* in \[0, 1\].*Received"):
                apply(call, mixup(), Plan([1, 0], given))
    pair = (X, Y), (X, Y)
    with pytest.raises(INVALID, match="`lam`"):
        apply(call, mixup(), Plan((), [0.5, lam]), pair)
    plans = Plan([1, 0], [0.5, lam]), cutmix().draw_plan((np.zeros((2, 3, 3, 1), "f"), Y), (1, 2))
    with pytest.raises(INVALID, match="`lam`"):
        apply(call, choose(mixup(), None), ChoicePlan([0, 0], (plans[0], Plan([1, 0], [1, 1]))))


@pytest.mark.parametrize("lam", [2, np.nan])
def test_lam_out_of_range_is_nan_where_nothing_can_be_raised(lam):
    compiled = tf.function(
        lambda lam: mixup().apply_plan((X, Y), Plan([1, 0], lam)), jit_compile=True
    )
    mixed = compiled(tf.constant([0.5, lam], tf.float32))
    assert np.isnan(mixed[0][1]).all()
    assert np.isnan(mixed[1][1]).all()
    assert np.isfinite(mixed[1][0]).all()


def test_a_plan_for_another_batch_is_refused_when_it_runs():
    """A plan of size 1 was broadcast where the size of the batch was not known."""
    for plan in (Plan([0], [0.5]), Plan([1, 0], [0.5]), Plan([0, 0, 0], [0.5, 0.5])):

        def mixed(x, y, plan=plan):
            return mixup().apply_plan((x, y), plan)

        signature = [tf.TensorSpec([None, 2]), tf.TensorSpec([None, 1])]
        with pytest.raises(
            (INVALID, ValueError), match=r"one value per example|of shape \[3\]|of shape \[2\]"
        ):
            tf.function(mixed, input_signature=signature)(X, Y)
    compiled = tf.function(
        lambda x, y: mixup().apply_plan((x, y), Plan([0], [0.5])),
        input_signature=signature,
        jit_compile=True,
    )
    assert np.isnan(compiled(X, Y)[1]).all()  # where nothing can be raised


@CALLS
def test_indices_out_of_range_are_refused(call):
    for partner in ([1, 2], [-1, 0], np.array([1, 2**40])):
        with pytest.raises(INVALID, match=r"`partner` .* from 0 to B - 1"):
            apply(call, mixup(), Plan(partner, [0.5, 0.5]))
    plan = Plan([1, 0], [0.5, 0.5])
    for chosen in ([0, 2], [-1, 0]):
        with pytest.raises(INVALID, match=r"`chosen` .* from 0 to 1"):
            apply(call, choose(mixup(), None), ChoicePlan(chosen, (plan, plan)))


@CALLS
@pytest.mark.parametrize("integer", ["int32", "int64", "uint8", "uint64"])
@pytest.mark.parametrize("number", ["float16", "bfloat16", "float32", "float64"])
def test_any_integers_and_floats_are_taken(call, integer, number):
    partner, lam = tf.constant([1, 0], integer), tf.cast([0.75, 0.5], number)
    mixed = apply(call, mixup(), Plan(partner, lam))
    assert_equal([mixed[0].numpy()], [np.float32([[2, 2], [4, 4]])])
    as_array = apply(call, mixup(), Plan(partner.numpy(), lam.numpy()))
    assert_equal([mixed[0].numpy()], [as_array[0].numpy()])


def test_partners_that_are_floats_are_refused():
    with pytest.raises(ValueError, match=r"`partner`.*int32.*Received: "):
        mixup().apply_plan((X, Y), Plan([1.0, 0.0], [0.5, 0.5]))
