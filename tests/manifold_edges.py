"""Corners of mixing in a model, on every backend: masks, gradients, dtypes, odd models.

Made of Keras and NumPy alone, like `manifold_checks`; the reference is a network cut by hand.
"""

import functools
import gc
import warnings
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from manifold_checks import CLASSES, CLOSE, LAM, PARTNER, blobs, identity, mixed, numpy, plan_of

from keras_mixup import MixedModel, MixPoint, in_model, manifold_mixup, mixup

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


def check_masks_that_a_nested_model_makes():
    """Of ids, or of an input that it passes on as a mask; the point is before it."""
    mask = IDS != 0

    def of_ids(h, other):
        return L.GlobalAveragePooling1D()(h, mask=keras.ops.not_equal(other, 0))

    def passed_on(h, other):
        return L.GlobalAveragePooling1D()(h, mask=other)

    for build, dtype in ((of_ids, "int32"), (passed_on, "bool")):
        for names in (("h", "other"), ("other", "h")):  # Keras finds inputs in a list by name
            embedding, ids = tokens()
            given = keras.Input((None,), dtype=dtype, name="given")
            inside = {
                "h": keras.Input((None, 4), name="h"),
                "other": keras.Input((None,), dtype=dtype, name="other"),
            }
            outputs = build(inside["h"], inside["other"])
            tower = keras.Model([inside[name] for name in names], outputs, name="tower")
            outputs = tower({"h": embedding(ids), "other": given})
            model = keras.Model({"ids": ids, "given": given}, outputs)
            x = {"ids": IDS, "given": IDS if dtype == "int32" else mask}
            output = wrap(model, "embedding")(plan_of(x, LAM4, 0, PARTNER4), training=True)
            np.testing.assert_allclose(numpy(output), expected_pool(embedding), **CLOSE)


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
            reads_it = build in (input_multiplied, added)
            # Keras 3.13 refuses inputs that the outputs do not depend on.
            inputs = {"ids": ids, "padding_mask": given} if reads_it else {"ids": ids}
            model = keras.Model(inputs, outputs)
            with pytest.raises(ValueError, match=r"masks=\("):
                wrap(model, "embedding")
            if reads_it:  # the advice is right
                wrap(model, "embedding", masks=("padding_mask",))
    embedding, ids = tokens()
    model = keras.Model({"ids": ids}, by_hand(ids, embedding))
    with pytest.raises(ValueError, match="`masks` must name inputs"):
        wrap(model, "embedding", masks=("padding_mask",))


def check_a_mask_derived_from_the_mixture_is_that_of_the_mixture():
    """Though a part of it went around the point, as in a residual network."""
    ops = keras.ops
    x = np.random.default_rng(0).normal(size=(4, 4, 3)).astype("float32") * (IDS != 0)[..., None]
    for residual in (False, True):
        inputs = keras.Input((None, 3))
        dense = L.Dense(3, use_bias=False, name="dense")
        h = dense(inputs) + inputs if residual else dense(inputs)
        h = ops.where(h > 0, h, 0.1 * h)
        mask = ops.any(ops.not_equal(h, 0), axis=-1)
        model = keras.Model(inputs, L.GlobalAveragePooling1D()(h, mask=mask))
        output = wrap(model, "dense")(plan_of(x, LAM4, 0, PARTNER4), training=True)
        h = mixed(numpy(dense(x)), LAM4, PARTNER4) + residual * x
        h = np.where(h > 0, h, np.float32(0.1) * h)
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


def check_a_model_that_was_not_wrapped_is_not_trained():
    """Not even if its input is called like a part of what the pipeline sends."""

    class Reads(keras.Model):
        def __init__(self):
            super().__init__()
            self.head = L.Dense(CLASSES)

        def call(self, inputs):
            return self.head(inputs["x"])

    x, y = blobs(16)
    manifold = manifold_mixup(layers=("input",), num_classes=CLASSES, seed=0)
    named = keras.Input((4,), name="x")
    listed = [keras.Input((4,), name="x")]
    models = [
        keras.Model(named, L.Dense(CLASSES)(named)),
        keras.Model({"x": named}, L.Dense(CLASSES)(named)),
        keras.Model(listed, L.Dense(CLASSES)(listed[0])),
        keras.Sequential([named, L.Dense(CLASSES)]),
        keras.Sequential([L.Dense(CLASSES)]),
        Reads(),
    ]
    for data in ((x, y), ({"x": x}, y)):
        train = tf.data.Dataset.from_tensor_slices(data).batch(8).apply(manifold)
        for model in models:
            model.compile("sgd", "mse")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Keras says that the structure is another one
                with pytest.raises(Exception, match=r"mix_x|'x'"):
                    model.fit(train, shuffle=False, verbose=0)


def check_a_class_with_its_own_training_is_refused():
    def own(name):
        base = getattr(keras.Model, name)
        return type("Own", (keras.Model,), {name: lambda *args, **kwargs: base(*args, **kwargs)})

    inputs = keras.Input((4,))
    for name in ("train_step", "test_step", "predict_step", "compute_loss", "compute_metrics"):
        model = own(name)(inputs, L.Dense(CLASSES, name="dense")(inputs))
        with pytest.raises(ValueError, match=rf"subclass of MixedModel.*{name}"):
            wrap(model, "input")
        # The advice is right.
        subclass = type("Sub", (MixedModel,), {name: getattr(type(model), name)})
        assert isinstance(subclass(model, points=("input",)), MixedModel)
    other = type("Other", (keras.Model,), {"describe": lambda self: "other"})
    wrap(other(inputs, L.Dense(CLASSES, name="dense")(inputs)), "input")


def check_the_loss_is_scaled_as_that_of_the_model():
    inputs = keras.Input((4,))
    for policy in ("mixed_float16", "float32"):
        keras.config.set_dtype_policy(policy)
        model = keras.Model(inputs, L.Dense(CLASSES, name="dense")(inputs))
        keras.config.set_dtype_policy("float32" if policy != "float32" else "mixed_float16")
        wrapped = wrap(model, "input", "dense")
        keras.config.set_dtype_policy("float32")
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(wrapped))
        for each in (model, wrapped, again):
            each.compile("adam", "mse")
            assert type(each.optimizer).__name__ == type(model.optimizer).__name__
        plan = plan_of(np.ones((8, 4), "float32"), LAM, 1, PARTNER)
        assert numpy(wrapped(plan)).dtype == numpy(model(plan["mix_x"])).dtype


def check_outputs_that_have_no_mixture_are_refused():
    def ids(name):
        return L.Discretization([0.0, 1.0], name=name)

    def phases(x):
        return keras.ops.cast(x, "complex64")

    def real(x):
        return keras.ops.real(x)

    for shape in ((None, 4), (8, 4)):
        inputs = keras.Input(batch_shape=shape)
        embedded = L.Flatten()(L.Embedding(3, 2)(ids("ids")(inputs)))
        with pytest.raises(ValueError, match=r"cannot be mixed.*'ids'.*int"):
            wrap(keras.Model(inputs, embedded), "ids")
        waves = L.Lambda(phases, name="waves", output_shape=(4,), dtype="complex64")(inputs)
        model = keras.Model(inputs, L.Lambda(real, output_shape=(4,))(waves))
        if "complex" in str(waves.dtype):
            with pytest.raises(ValueError, match=r"cannot be mixed.*'waves'.*complex"):
                wrap(model, "waves")

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.ids, self.point, self.embed = ids("ids"), MixPoint("point"), L.Embedding(3, 2)

        def call(self, inputs):
            return self.embed(self.point(self.ids(inputs)))

    x = np.ones((8, 4), "float32")
    model = Own()
    model(x)
    with pytest.raises(ValueError, match=r"cannot be mixed.*'point'.*int"):
        wrap(model, "point")(plan_of(x, LAM, 0, PARTNER), training=True)
    with pytest.raises(ValueError, match=r"cannot be mixed.*'input'.*complex"):
        wrap(identity((4,), "complex64"), "input")
    with pytest.raises(ValueError, match=r"cannot be mixed.*'input'.*complex"):
        wrap(identity((4,)), "input")(plan_of(x.astype("complex64"), LAM, 0, PARTNER))


class Folding(L.Layer):
    """Looks at a batch in groups of 32 examples."""

    def call(self, x):
        return keras.ops.reshape(keras.ops.reshape(x, (-1, 32, x.shape[-1])), (-1, x.shape[-1]))

    def compute_output_spec(self, x):
        assert x.shape[0] is None or x.shape[0] % 32 == 0
        return keras.KerasTensor(x.shape, x.dtype)


class Reshaped(L.Layer):
    """Folds features into the batch, or out of it."""

    def __init__(self, features, **kwargs):
        super().__init__(**kwargs)
        self.features = features

    def call(self, x):
        return keras.ops.reshape(x, (-1, self.features))

    def compute_output_spec(self, x):
        rows = x.shape[0] and x.shape[0] * x.shape[1] // self.features
        return keras.KerasTensor((rows, self.features), x.dtype)


def check_layers_that_need_a_batch_of_a_certain_size():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, L.Dense(4, name="dense")(Folding(name="folding")(inputs)))
    wrap(model, "folding", "dense")
    folded = Reshaped(2, name="folded")(Folding()(inputs))
    unfolded = Reshaped(4)(folded)
    with pytest.raises(ValueError, match="'folded' has no batch axis"):
        wrap(keras.Model(inputs, unfolded), "folded")


def check_a_list_of_inputs_of_which_one_is_kept():
    image, number = keras.Input((2,), name="image"), keras.Input((1,), name="id", dtype="int32")
    model = keras.Model([image, number], [image * 1, number * 1])
    values = {"image": np.arange(16, dtype="float32").reshape(8, 2), "id": np.arange(8)[:, None]}
    # Keras takes the inputs of such a model by their names as well.
    for keep, x in ((("id",), values), (("1",), [values["image"], values["id"]])):
        wrapped = in_model(mixup(num_classes=3, keep=keep)).wrap(model)
        image_mixed, kept = wrapped(plan_of(x, LAM, 0, PARTNER), training=True)
        np.testing.assert_array_equal(numpy(kept), values["id"])
        np.testing.assert_allclose(
            numpy(image_mixed), mixed(values["image"], LAM, PARTNER), **CLOSE
        )


def check_wrapping_leaves_nothing_behind():
    embedding, ids = tokens()
    shared = L.Dense(4, name="shared")
    inside = keras.Input((None, 4))
    tower = keras.Model(inside, L.Dense(4, name="deep")(shared(inside)), name="tower")
    pool = L.GlobalAveragePooling1D()
    model = keras.Model(ids, pool(tower(embedding(ids)), mask=keras.ops.not_equal(ids, 0)))

    def nodes():
        operations = [*model.operations, *tower.operations]
        return [(len(op._inbound_nodes), len(op._outbound_nodes)) for op in operations]

    before = nodes()
    for _ in range(3):
        wrap(model, "embedding", "tower/deep", "tower")
        with pytest.raises(ValueError, match="no layer"):
            wrap(model, "embedding", "other")
    assert nodes() == before
    wrapped = weakref.ref(wrap(model, "embedding"))
    gc.collect()
    assert wrapped() is None


def check_a_trained_model_leaves(folder):
    """`export` of the wrapped model is that of the model, and nothing of ours is in a file."""
    x, y = blobs(16)
    train = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
    for build in (Functional, Subclassed):
        model = build()
        manifold = manifold_mixup(layers=("input", "point"), num_classes=CLASSES, seed=0)
        wrapped = manifold.wrap(model)
        wrapped.compile("sgd", "mse")
        wrapped.fit(train.apply(manifold), shuffle=False, verbose=0)
        for name, each in (("model", model), ("wrapped", wrapped)):
            each.export(folder / name, format="tf_saved_model", verbose=False)
            archive = tf.saved_model.load(folder / name)
            np.testing.assert_allclose(archive.serve(x), numpy(model(x)), **CLOSE)


def Functional():  # noqa: N802
    inputs = keras.Input((4,))
    return keras.Model(inputs, L.Dense(CLASSES)(L.Dense(4, name="point")(inputs)))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.first, self.last = L.Dense(4), L.Dense(CLASSES)
        self.point = MixPoint("point")

    def call(self, x):
        return self.last(self.point(self.first(x)))


class Points(keras.Model):
    """A point in a function that may be compiled, or run in part, on its own."""

    def __init__(self, run):
        super().__init__()
        self.first, self.point = L.Dense(4), MixPoint("point")
        self.within = run(lambda h: self.point(h) * 1)

    def call(self, x):
        return self.within(self.first(x))


def compiled():
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit
    return tf.function


def never(function):
    ops = keras.ops
    return lambda h: ops.cond(ops.any(ops.greater(h, 1e9)), lambda: function(h), lambda: h * 1)


def recomputed():
    if keras.backend.backend() == "torch":
        import torch.utils.checkpoint

        # What keras.remat uses, without reentry, compares what is saved and raises an error.
        return lambda function: functools.partial(
            torch.utils.checkpoint.checkpoint, function, use_reentrant=True
        )
    return keras.remat


def check_points_that_are_not_run_with_the_rest_of_the_model():
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    plan = plan_of(x, LAM, 0, PARTNER)
    y = np.zeros((8, 4), "float32")
    runs = [never, recomputed()] + ([] if keras.backend.backend() == "torch" else [compiled()])
    for run in runs:
        for build_first in (True, False):
            model = Points(run)
            if build_first:
                model(x)
            wrapped = wrap(model, "point")
            wrapped.compile("sgd", "mse")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Keras warns of what it cannot build
                with pytest.raises(ValueError, match="MixPoint"):
                    wrapped.train_on_batch(plan, y)
                if run is never or run is compiled():
                    with pytest.raises(ValueError, match="MixPoint"):
                        wrapped(plan)
    model = Points(keras.remat)
    model(x)
    wrapped = wrap(model, "point")
    wrapped.compile("sgd", "mse")
    with pytest.raises(Exception, match=r"MixPoint|different number of tensors"):
        wrapped.train_on_batch(plan, y)


def check_rematerialized_layers_are_refused():
    class Block(L.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.dense, self.point = L.Dense(4), MixPoint("point")

        def build(self, shape):
            self.dense.build(shape)

        def call(self, x):
            return self.point(self.dense(x))

    inputs = keras.Input((4,))
    with keras.RematScope(mode="full"):
        block = Block(name="block")
        inside = keras.Input((4,))
        tower = keras.Model(inside, L.Dense(4, name="deep")(inside), name="tower")
        own = Subclassed()
    own(np.ones((8, 4), "float32"))
    with pytest.raises(ValueError, match="RematScope"):
        wrap(own, "point")
    for layer, name in ((block, "point"), (tower, "tower/deep")):
        with pytest.raises(ValueError, match="RematScope"):
            wrap(keras.Model(inputs, layer(inputs)), name)


def check_layers_beside_points_may_be_rematerialized():
    """The gradients are those without it, though wrapped, and points made, in the scope."""
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    y = np.ones((8, 4), "float32")
    for index in range(3):
        weights = []
        for mode in (None, "full"):
            keras.utils.set_random_seed(0)
            inputs = keras.Input((4,))
            with keras.RematScope(mode=mode):
                h = L.Dense(4, "tanh", name="first")(inputs)
                h = L.Dense(4, "tanh", name="second")(MixPoint("point")(h))
                model = keras.Model(inputs, L.Dense(4)(h))
                wrapped = wrap(model, "first", "point", "second")
            # On TensorFlow, Keras rematerializes these layers only in eager execution.
            eagerly = keras.backend.backend() == "tensorflow"
            wrapped.compile(keras.optimizers.SGD(1.0), "mse", run_eagerly=eagerly)
            before = model.get_weights()
            wrapped.train_on_batch(plan_of(x, LAM, index, PARTNER), y)
            weights.append(model.get_weights())
            assert max(np.abs(one - other).max() for one, other in zip(before, weights[-1])) > 0.01
        for one, other in zip(*weights):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


CHECKS = {
    name.removeprefix("check_"): check
    for name, check in list(globals().items())
    if name.startswith("check_") and name != "check_a_trained_model_leaves"
}
