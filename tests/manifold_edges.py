"""Corners of mixing in a model, on every backend: masks, gradients, dtypes, odd models.

Made of Keras and NumPy alone, like `manifold_checks`; the reference is a network cut by hand.
"""

import keras
import numpy as np
import pytest
from manifold_checks import CLOSE, mixed, numpy, plan_of

from keras_mixup import MixPoint, manifold_mixup

L = keras.layers

IDS = np.array([[1, 2, 0, 0], [3, 4, 5, 0], [6, 0, 0, 0], [7, 8, 9, 1]])
LAM4, PARTNER4 = np.float32([0.4, 0.8, 1.0, 0.0]), np.array([1, 2, 3, 0])


def union(mask, lam=LAM4, partner=PARTNER4):
    """The steps that either example has, where it has a share."""
    lam = lam.reshape(-1, *[1] * (mask.ndim - 1))
    return (mask & (lam != 0)) | (mask[partner] & (lam != 1))


def pooled(h, mask):
    return (h * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)


def wrap(model, *layers, masks=(), **kwargs):
    return manifold_mixup(layers=layers, num_classes=2, **kwargs).wrap(model, masks=masks)


def tokens(mask_zero=False):
    keras.utils.set_random_seed(6)
    embedding = L.Embedding(10, 4, mask_zero=mask_zero, name="embedding")
    return embedding, keras.Input((None,), dtype="int32", name="ids")


def expected_pool(embedding, ids=IDS):
    h = mixed(embedding.get_weights()[0][ids], LAM4, PARTNER4)
    return pooled(h, union(ids != 0))


def check_only_the_calls_of_this_graph_count_as_masks_given_by_hand():
    for again in (False, True):
        embedding, ids = tokens(mask_zero=True)
        pool = L.GlobalAveragePooling1D()
        outputs = pool(embedding(ids))
        other, given = keras.Input((None, 4)), keras.Input((None,), dtype="bool")
        elsewhere = pool(other, mask=given)  # in another graph, or in this one
        inputs = [ids, other, given] if again else ids
        model = keras.Model(inputs, [outputs, elsewhere] if again else outputs)
        x = [IDS, np.ones((4, 4, 4), "float32"), np.ones((4, 4), bool)] if again else IDS
        output = numpy(wrap(model, "embedding")(plan_of(x, LAM4, 0, PARTNER4), training=True))
        output = output[0] if again else output
        np.testing.assert_allclose(output, expected_pool(embedding), **CLOSE)


def by_hand(ids, embedding):
    mask = keras.ops.not_equal(ids, 0)
    return L.GlobalAveragePooling1D()(embedding(ids), mask=mask)


def by_position(ids, embedding):
    return L.GlobalAveragePooling1D()(embedding(ids), keras.ops.not_equal(ids, 0))


def through_a_layer_between(ids, embedding):
    between = L.Identity()(embedding(ids))
    return L.GlobalAveragePooling1D()(between, mask=keras.ops.not_equal(ids, 0))


def check_masks_given_by_hand_are_united():
    for build in (by_hand, by_position, through_a_layer_between):
        embedding, ids = tokens()
        model = keras.Model(ids, build(ids, embedding))
        for each in (model, keras.models.clone_model(model)):
            each.set_weights(model.get_weights())
            output = wrap(each, "embedding")(plan_of(IDS, LAM4, 0, PARTNER4), training=True)
            np.testing.assert_allclose(
                numpy(output), expected_pool(embedding), err_msg=build.__name__, **CLOSE
            )


def check_masks_of_a_model_that_was_loaded():
    """In its file, the masks that Keras filled in look like those given by hand."""
    embedding, ids = tokens(mask_zero=True)
    model = keras.Model(ids, L.GlobalAveragePooling1D()(L.Identity()(embedding(ids))))
    loaded = keras.Model.from_config(model.get_config())
    loaded.set_weights(model.get_weights())
    output = wrap(loaded, "embedding")(plan_of(IDS, LAM4, 0, PARTNER4), training=True)
    np.testing.assert_allclose(numpy(output), expected_pool(embedding), **CLOSE)


class Pool(L.Layer):
    """Calls its mask what BERT-like models call theirs."""

    supports_masking = True

    def call(self, x, padding_mask):
        weights = keras.ops.cast(padding_mask, x.dtype)[..., None]
        return keras.ops.sum(x * weights, 1) / keras.ops.sum(weights, 1)


def check_inputs_that_are_masks():
    """An input passed to a layer as its mask needs no name; one that is computed with does."""

    def computed(h, mask):
        weights = keras.ops.expand_dims(keras.ops.cast(mask, "float32"), -1)
        return keras.ops.sum(h * weights, 1) / keras.ops.sum(weights, 1)

    mask = IDS != 0
    for dtype in ("bool", "int32", "float32"):
        for pool, named in ((Pool(), False), (Pool(), True), (computed, True)):
            if dtype == "float32" and not named:
                continue  # it could be a number that is added to scores
            embedding, ids = tokens()
            given = keras.Input((None,), dtype=dtype, name="padding_mask")
            inputs = {"ids": ids, "padding_mask": given}
            model = keras.Model(inputs, pool(L.Identity()(embedding(ids)), given))
            wrapped = wrap(model, "embedding", masks=("padding_mask",) if named else ())
            plan = plan_of({"ids": IDS, "padding_mask": mask.astype(dtype)}, LAM4, 0, PARTNER4)
            np.testing.assert_allclose(
                numpy(wrapped(plan, training=True)), expected_pool(embedding), **CLOSE
            )
            again = keras.saving.deserialize_keras_object(
                keras.saving.serialize_keras_object(wrapped), custom_objects={"Pool": Pool}
            )
            assert again.masks == wrapped.masks


def check_layers_before_the_point_have_the_mask_of_the_original():
    embedding, ids = tokens()
    given = keras.Input((None,), dtype="bool", name="padding_mask")
    lstm = L.LSTM(3, return_sequences=True, name="lstm")
    first = lstm(embedding(ids), mask=given)
    model = keras.Model({"ids": ids, "padding_mask": given}, Pool()(first, given))
    mask = IDS != 0
    h = numpy(lstm(embedding(IDS), mask=keras.ops.convert_to_tensor(mask)))
    plan = plan_of({"ids": IDS, "padding_mask": mask}, LAM4, 0, PARTNER4)
    for masks in ((), ("padding_mask",)):
        output = wrap(model, "lstm", masks=masks)(plan, training=True)
        expected = pooled(mixed(h, LAM4, PARTNER4), union(mask))
        np.testing.assert_allclose(numpy(output), expected, **CLOSE)


def check_masks_of_two_points_and_of_a_nested_model():
    """The mask is united by the point that was drawn, and passed into a nested model."""
    embedding, ids = tokens()
    given = keras.Input((None,), dtype="bool", name="padding_mask")
    flags = keras.Input((None,), dtype="bool", name="m")
    inside = {"h": keras.Input((None, 4), name="h"), "m": flags}
    dense = L.Dense(4, "tanh", name="dense")
    tower = keras.Model(inside, Pool()(dense(inside["h"]), inside["m"]), name="tower")
    model = keras.Model(
        {"ids": ids, "padding_mask": given}, tower({"h": embedding(ids), "m": given})
    )
    wrapped = wrap(model, "embedding", "tower/dense", masks=("padding_mask",))
    mask = IDS != 0
    x = {"ids": IDS, "padding_mask": mask}
    h = embedding.get_weights()[0][IDS]
    first = numpy(wrapped(plan_of(x, LAM4, 0, PARTNER4), training=True))
    expected = numpy(dense(mixed(h, LAM4, PARTNER4)))
    np.testing.assert_allclose(first, pooled(expected, union(mask)), **CLOSE)
    second = numpy(wrapped(plan_of(x, LAM4, 1, PARTNER4), training=True))
    expected = mixed(numpy(dense(h)), LAM4, PARTNER4)
    np.testing.assert_allclose(second, pooled(expected, union(mask)), **CLOSE)


def check_masks_at_the_input():
    """Those of numbers: the model mixes both, each in its own way."""
    h = np.random.default_rng(0).normal(size=(4, 4, 3)).astype("float32")
    mask = IDS != 0
    for dtype in ("bool", "int32", "float32"):
        for as_list in (False, True):
            x, given = keras.Input((None, 3), name="x"), keras.Input((None,), dtype=dtype, name="m")
            model = keras.Model([x, given] if as_list else {"x": x, "m": given}, Pool()(x, given))
            values = [h, mask.astype(dtype)]
            sent = values if as_list else dict(zip(("x", "m"), values))
            output = wrap(model, "input", masks=("m",))(
                plan_of(sent, LAM4, 0, PARTNER4), training=True
            )
            expected = pooled(mixed(h, LAM4, PARTNER4), union(mask))
            np.testing.assert_allclose(numpy(output), expected, **CLOSE)


def check_masks_of_attention():
    """One for pairs of steps is united as well; one that all examples share stays."""
    embedding, ids = tokens()
    attend = L.MultiHeadAttention(1, 3)
    causal = keras.ops.convert_to_tensor(np.tril(np.ones((1, 4, 4), bool)))
    mask = IDS != 0
    for shared in (False, True):
        h = embedding(ids)
        allowed = causal if shared else keras.ops.expand_dims(keras.ops.not_equal(ids, 0), 1)
        model = keras.Model(ids, attend(h, h, attention_mask=allowed))
        output = wrap(model, "embedding")(plan_of(IDS, LAM4, 0, PARTNER4), training=True)
        h = mixed(embedding.get_weights()[0][IDS], LAM4, PARTNER4)
        allowed = causal if shared else union(mask)[:, None]
        np.testing.assert_allclose(
            numpy(output), numpy(attend(h, h, attention_mask=allowed)), **CLOSE
        )


def check_the_mask_of_what_is_not_mixed_stays():
    embedding, ids = tokens()
    context = keras.Input((None, 4), name="context")
    given = keras.Input((None,), dtype="bool", name="context_mask")
    attend = L.MultiHeadAttention(1, 3)
    outputs = attend(embedding(ids), context, value_mask=given)
    model = keras.Model({"ids": ids, "context": context, "context_mask": given}, outputs)
    values = np.random.default_rng(0).normal(size=(4, 4, 4)).astype("float32")
    x = {"ids": IDS, "context": values, "context_mask": IDS != 0}
    output = wrap(model, "embedding")(plan_of(x, LAM4, 0, PARTNER4), training=True)
    h = mixed(embedding.get_weights()[0][IDS], LAM4, PARTNER4)
    expected = attend(h, values, value_mask=keras.ops.convert_to_tensor(IDS != 0))
    np.testing.assert_allclose(numpy(output), numpy(expected), **CLOSE)


def check_masks_that_cannot_be_known_are_refused():
    ops = keras.ops

    def multiplied(h, ids, given):
        return h * ops.expand_dims(ops.cast(ops.not_equal(ids, 0), "float32"), -1)

    def input_multiplied(h, ids, given):
        return h * ops.expand_dims(ops.cast(given, "float32"), -1)

    def of_both(h, ids, given):
        mask = ops.logical_and(ops.not_equal(ids, 0), ops.any(ops.not_equal(h, 0), -1))
        return L.GlobalAveragePooling1D()(h, mask=mask)

    def added(h, ids, given):
        return Pool()(h, padding_mask=ops.cast(given, "float32"))

    for build in (multiplied, input_multiplied, of_both, added):
        for dtype in ("bool", "int32"):
            embedding, ids = tokens()
            given = keras.Input((None,), dtype=dtype, name="padding_mask")
            outputs = build(embedding(ids), ids, given)
            model = keras.Model({"ids": ids, "padding_mask": given}, outputs)
            with pytest.raises(ValueError, match=r"masks=\("):
                wrap(model, "embedding")
            if build in (input_multiplied, added):  # the advice is right
                wrap(model, "embedding", masks=("padding_mask",))
    embedding, ids = tokens()
    model = keras.Model({"ids": ids}, by_hand(ids, embedding))
    with pytest.raises(ValueError, match="`masks` must name inputs"):
        wrap(model, "embedding", masks=("padding_mask",))


def check_a_mask_derived_from_the_mixture_is_that_of_the_mixture():
    x = np.random.default_rng(0).normal(size=(4, 4, 3)).astype("float32") * (IDS != 0)[..., None]
    inputs = keras.Input((None, 3))
    dense = L.Dense(3, use_bias=False, name="dense")
    h = dense(inputs)
    mask = keras.ops.any(keras.ops.not_equal(h, 0), axis=-1)
    model = keras.Model(inputs, L.GlobalAveragePooling1D()(h, mask=mask))
    output = wrap(model, "dense")(plan_of(x, LAM4, 0, PARTNER4), training=True)
    h = mixed(numpy(dense(x)), LAM4, PARTNER4)
    np.testing.assert_allclose(numpy(output), pooled(h, (h != 0).any(-1)), **CLOSE)


def check_masks_pass_through_a_point_placed_by_hand():
    class Reader(keras.Model):
        def __init__(self):
            super().__init__()
            self.embed = L.Embedding(10, 4)
            self.point = MixPoint("point")
            self.pool = Pool()

        def call(self, ids):
            h, mask = self.point((self.embed(ids), keras.ops.not_equal(ids, 0)))
            return self.pool(h, mask)

    model = Reader()
    model(IDS)
    output = wrap(model, "point")(plan_of(IDS, LAM4, 0, PARTNER4), training=True)
    np.testing.assert_allclose(numpy(output), expected_pool(model.embed), **CLOSE)
    with pytest.raises(ValueError, match="through the MixPoint"):
        wrap(model, "point", masks=("padding_mask",))


CHECKS = {
    name.removeprefix("check_"): check
    for name, check in list(globals().items())
    if name.startswith("check_")
}
