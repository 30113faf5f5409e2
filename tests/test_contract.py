"""What every recipe promises: reproducible, resumable, serialisable, shapes kept; identity."""

import hashlib
import inspect
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import RECIPES, arrays, assert_equal, differ, head, provenance

from keras_mixup import (
    Mix,
    blend,
    choose,
    coefficient,
    cutmix,
    cutmix_1d,
    cutmix_minmax,
    fmix,
    mixup,
    recipes,
    resizemix,
    specmix,
)
from keras_mixup._engine.run import key_of
from keras_mixup._random import batch_seed

COUNT = 11


def batches(recipe=RECIPES["mixup"], parallel=None, batch=4):
    return recipe.dataset(COUNT).batch(batch, num_parallel_calls=parallel)


def numpy(structure):
    return tf.nest.map_structure(lambda tensor: tensor.numpy(), structure)


# ---------------------------------------------------------------- apply


def test_same_seed_same_output_whatever_the_parallelism(recipe):
    def run(parallel):
        options = tf.data.Options()
        options.threading.private_threadpool_size = parallel
        dataset = batches(recipe, parallel).map(lambda x, y: (x, y), num_parallel_calls=parallel)
        dataset = dataset.apply(recipe(num_classes=COUNT, seed=5)).prefetch(parallel)
        return arrays(dataset.with_options(options).repeat(3))

    once = run(1)
    assert_equal(once, run(8))


def test_next_epoch_draws_anew(recipe):
    dataset = batches(recipe).apply(recipe(num_classes=COUNT, seed=5))
    assert differ(arrays(dataset), arrays(dataset))
    repeated = arrays(dataset.repeat(2))
    assert differ(repeated[:3], repeated[3:])


def test_other_seed_other_output(recipe):
    one, other = (
        arrays(batches(recipe).apply(recipe(num_classes=COUNT, seed=seed))) for seed in (1, 2)
    )
    assert differ(one, other)


def test_no_seed_is_fresh(recipe):
    mixes = [recipe(num_classes=COUNT) for _ in range(2)]
    one, other = (arrays(batches(recipe).repeat(10).apply(mix)) for mix in mixes)
    assert differ(one, other)


def test_numbered_batches_are_drawn_by_their_number(recipe):
    """By two workers that take turns, or after an interruption: as by one that does them all."""
    mix = recipe(num_classes=COUNT, seed=5)
    dataset = recipe.dataset(COUNT).repeat().batch(4).take(6)
    whole = dataset.apply(mix.indexed())
    expected = arrays(whole)
    assert_equal(arrays(whole), expected)
    for worker in range(2):
        part = dataset.shard(2, worker).apply(mix.indexed(start=worker, stride=2))
        assert_equal(arrays(part), expected[worker::2])
    assert_equal(arrays(dataset.skip(4).apply(mix.indexed(start=4))), expected[4:])


# ---------------------------------------------------------------- calls on an element


def shuffled(recipe):
    """Six batches of 4, or less, from two shuffled epochs: no two are alike."""
    return recipe.dataset(COUNT).shuffle(COUNT, seed=1).repeat(2).batch(4).cache()


def test_a_seeded_map_is_a_function_of_each_batch(recipe):
    """Whichever batches came before it, and whoever calls."""
    dataset = shuffled(recipe)
    given = arrays(dataset)
    mix = recipe(num_classes=COUNT, seed=5)
    mixed = dataset.map(mix)
    expected = arrays(mixed)
    assert len(expected) == 6
    assert_equal(arrays(mixed), expected)
    assert_equal(arrays(dataset.skip(2).map(mix)), expected[2:])
    again, step = recipe(num_classes=COUNT, seed=5), tf.function(lambda x, y: mix(x, y))
    for k in reversed(range(6)):
        assert_equal(numpy(again(*given[k])), expected[k])
        for one, other in zip(step(*given[k]), expected[k]):
            # Another graph may divide by a constant as a product: one rounding of the share.
            np.testing.assert_allclose(one, other, rtol=0, atol=np.finfo("float32").eps)
    assert differ(arrays(dataset.map(recipe(num_classes=COUNT, seed=6))), expected)


def test_a_seeded_map_in_parallel_and_in_any_order(recipe):
    """Which batch comes first may differ from run to run; what it becomes does not."""
    dataset, mix = shuffled(recipe).repeat(5), recipe(num_classes=COUNT, seed=5)

    def as_set(mixed):
        return sorted((x.tobytes(), y.tobytes()) for x, y in mixed.as_numpy_iterator())

    in_parallel = dataset.map(mix, num_parallel_calls=4, deterministic=False)
    assert as_set(in_parallel) == as_set(dataset.map(mix))


def drawn_for(*element):
    """The seed of what a seeded call draws for an element."""
    seeds = []

    def record(shape, seed):
        seeds.append(seed.numpy().tolist())
        return tf.ones(shape)

    Mix(coefficient=record, num_classes=8, seed=5)(*element)
    return seeds[0]


X, IDS = provenance(8)
ORDER = np.array([2, 5, 0, 7, 1, 4, 6, 3])
ONE_PIXEL = X.copy()
ONE_PIXEL[3, 0, 0, 0] += 0.5


@pytest.mark.parametrize(
    "element",
    [
        (X[ORDER], IDS[ORDER]),
        (X[::-1], IDS[::-1]),
        (X[ORDER], IDS),
        (X, IDS[ORDER]),
        (ONE_PIXEL, IDS),
        (X[:7], IDS[:7]),
        (X, IDS, np.ones(8)),
    ],
    ids=["shuffled", "backwards", "inputs moved", "labels moved", "a pixel", "size", "weights"],
)
def test_a_seeded_call_draws_anew_for_other_contents(element):
    assert drawn_for(X, IDS) == drawn_for(tf.constant(X), tf.constant(IDS))
    assert drawn_for(*element) != drawn_for(X, IDS)


def test_an_unseeded_call_is_fresh(recipe):
    mix = recipe(num_classes=COUNT)
    dataset = batches(recipe).take(1).repeat(20).map(mix)
    epochs = [arrays(dataset), arrays(dataset)]
    assert differ(*epochs)
    assert differ(epochs[0][:10], epochs[0][10:])
    element = head(batches(recipe))
    for call in (mix, tf.function(lambda x, y: mix(x, y))):
        results = [numpy(call(*element)) for _ in range(20)]
        assert differ(results[:10], results[10:])


# ---------------------------------------------------------------- global seeds, processes


@pytest.fixture
def set_global_seed():
    yield tf.random.set_seed
    tf.random.set_seed(None)


def test_a_global_seed_changes_nothing_of_a_seeded_mix(recipe, set_global_seed):
    def run():
        mix, dataset = recipe(num_classes=COUNT, seed=5), batches(recipe)
        mixed = [arrays(dataset.apply(mix).repeat(2)), arrays(dataset.map(mix))]
        return [*mixed, numpy(mix(*head(dataset)))]

    expected = run()
    set_global_seed(1)
    assert_equal(run(), expected)


def test_without_a_seed_a_dataset_follows_the_global_one(set_global_seed):
    def run(seed):
        set_global_seed(seed)
        return arrays(batches().apply(mixup(1.0, num_classes=COUNT)).repeat(2))

    assert_equal(run(1), run(1))
    assert differ(run(1), run(2))


def test_without_a_seed_a_map_follows_the_global_one_and_tells_epochs_apart(set_global_seed):
    """TensorFlow's random ops in a map repeat themselves in every epoch under a global seed."""

    def run(seed):
        set_global_seed(seed)
        dataset = RECIPES["mixup"].dataset(COUNT).shuffle(COUNT, seed=1).batch(4)
        mixed = dataset.map(mixup(1.0, num_classes=COUNT))
        return [arrays(mixed), arrays(mixed)]

    epochs = run(1)
    first, second = (sorted(y.max(axis=1).tolist() for _, y in epoch) for epoch in epochs)
    assert first != second
    assert_equal(run(1), epochs)
    assert differ(run(2), epochs)


def digest():
    """Of what seeded mixes give, as hexadecimal digits."""
    digest = hashlib.sha256()
    for recipe in (RECIPES["mixup"], RECIPES["choose"]):
        dataset, mix = batches(recipe), recipe(num_classes=COUNT, seed=5)
        mixed = [arrays(dataset.apply(mix).repeat(2)), arrays(dataset.map(mix))]
        for leaf in tf.nest.flatten(mixed):
            digest.update(leaf.tobytes())
    return digest.hexdigest()


@pytest.mark.slow
def test_same_output_in_another_process():
    script = (
        f"import sys; sys.path[:0] = {sys.path!r}; import test_contract as t; print(t.digest())"
    )
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert other.returncode == 0, other.stderr[-3000:]
    assert other.stdout.strip() == digest()


# ---------------------------------------------------------------- checkpoints, files


@pytest.mark.parametrize("batch", [3, 4])
def test_save_and_restore_in_mid_epoch(recipe, batch, tmp_path):
    dataset = recipe.dataset(COUNT).shuffle(COUNT, seed=2).repeat(3).batch(batch)
    dataset = dataset.apply(recipe(num_classes=COUNT, seed=5)).prefetch(2)
    iterator = iter(dataset)
    for _ in range(4):
        next(iterator)
    path = tf.train.Checkpoint(iterator=iterator).save(str(tmp_path / "iterator"))
    rest = numpy(list(iterator))
    resumed = iter(dataset)
    tf.train.Checkpoint(iterator=resumed).restore(path).assert_consumed()
    assert_equal(rest, numpy(list(resumed)))
    assert len(rest) > 3


def test_restore_over_two_epochs_of_the_mix_itself(recipe, tmp_path):
    """`repeat` after the mix: the next epoch's draws are restored too."""
    dataset = batches(recipe).apply(recipe(num_classes=COUNT, seed=5)).repeat(3)
    iterator = iter(dataset)
    next(iterator)
    path = tf.train.Checkpoint(iterator=iterator).save(str(tmp_path / "iterator"))
    rest = numpy(list(iterator))
    resumed = iter(dataset)
    tf.train.Checkpoint(iterator=resumed).restore(path)
    assert_equal(rest, numpy(list(resumed)))


def test_a_graph_and_a_file_hold_the_same_batches(recipe, tmp_path):
    """A dataset made of the serialised graph, as distributed services make one; and `save`."""

    def make():
        return batches(recipe).apply(recipe(num_classes=COUNT, seed=5))

    expected, dataset = arrays(make()), make()
    variant = tf.data.experimental.to_variant(dataset)
    graph = tf.raw_ops.DatasetToGraphV2(input_dataset=variant)
    again = tf.raw_ops.DatasetFromGraph(graph_def=graph)
    again = tf.data.experimental.from_variant(again, dataset.element_spec)
    assert_equal(arrays(again), expected)
    make().save(str(tmp_path / "saved"))
    assert_equal(arrays(tf.data.Dataset.load(str(tmp_path / "saved"))), expected)


# ---------------------------------------------------------------- shapes and identities


def test_static_shapes_and_cardinality_are_kept(recipe):
    mix = recipe(num_classes=COUNT, seed=5)
    for drop, size in ((False, None), (True, 4 * recipe.rows)):
        dataset = recipe.dataset(COUNT).batch(4, drop_remainder=drop)
        for mixed in (dataset.apply(mix), dataset.map(mix)):
            assert mixed.element_spec[0].shape.as_list() == [size, 4, 5, COUNT]
            assert mixed.element_spec[1].shape.as_list() == [size, COUNT]
            assert mixed.cardinality() == dataset.cardinality()
    endless = dataset.repeat().apply(mix)
    assert endless.cardinality() == tf.data.INFINITE_CARDINALITY
    unknown = dataset.filter(lambda x, y: True).apply(mix)
    assert unknown.cardinality() == tf.data.UNKNOWN_CARDINALITY
    assert len(arrays(unknown)) == len(arrays(dataset))


def test_batch_of_one_is_returned_as_it_is(recipe):
    x, y = recipe.data(3)
    x = x + 0.25
    for drop in (True, False):
        dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(1, drop_remainder=drop)
        for use in (dataset.apply, dataset.map):
            mixed = arrays(use(recipe(num_classes=3, seed=1)))
            for i, (x_mixed, y_mixed) in enumerate(mixed):
                expected = x[i : i + 1], np.eye(3, dtype="float32")[[i]]
                expected = [leaf.repeat(recipe.rows, axis=0) for leaf in expected]
                assert_equal([x_mixed, y_mixed], expected)


FLOATS = ("float16", "bfloat16", "float32", "float64")
IDENTITIES = {
    "alpha 0": mixup(0, num_classes=3, seed=0),
    "alpha 0, box": cutmix(0, num_classes=3, seed=0),
    "probability 0": mixup(1.0, probability=0, num_classes=3, seed=0),
    "probability 0, box": cutmix(probability=0, num_classes=3, seed=0),
    "probability 0, bounded box": cutmix_minmax(probability=0, num_classes=3, seed=0),
    "probability 0, small partner": resizemix(probability=0, num_classes=3, seed=0),
    "alpha 0, segment": cutmix_1d(0, num_classes=3, seed=0),
    "probability 0, bands": specmix(probability=0, num_classes=3, seed=0),
    "alpha 0, noise mask": fmix(0, num_classes=3, seed=0),
    "probability 0, noise mask": fmix(probability=0, num_classes=3, seed=0),
    "lam 1": Mix(coefficient=coefficient.Constant(1), num_classes=3, seed=0),
    "lam 1, box": Mix(
        coefficient=coefficient.Constant(1), blend=blend.Box(), num_classes=3, seed=0
    ),
    "nothing chosen": choose(
        mixup(1.0, num_classes=3), cutmix(num_classes=3), None, weights=[0, 0, 1], seed=0
    ),
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_identity_is_bit_for_bit(name):
    """Also beside partners that hold inf, NaN and a negative zero, in inputs of every dtype."""
    x = np.array([[np.inf, -0.0, 1.5], [np.nan, 3.0, 0.0], [-np.inf, 2.5, -0.0]], "float32")
    x = tuple(tf.cast(x.reshape(3, 1, 3, 1), dtype) for dtype in FLOATS)
    y = np.array([0, 1, 2])
    mix = IDENTITIES[name]
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(3)
    for x_mixed, y_mixed in (
        mix(x, y),
        next(iter(dataset.apply(mix))),
        next(iter(dataset.map(mix))),
    ):
        assert_equal(numpy(x_mixed), numpy(x))
        assert_equal([y_mixed.numpy()], [np.eye(3, dtype="float32")])


def test_lam_zero_is_the_partner_bit_for_bit():
    x = np.array([[np.inf], [np.nan], [-0.0], [7.0]], "float32")
    mix = Mix(coefficient=coefficient.Constant(0), seed=0)
    plan = mix.draw_plan((x, x), seed=(1, 2))
    x_mixed, _ = mix.apply_plan((x, x), plan)
    assert_equal([x_mixed.numpy()], [x[plan.partner.numpy()]])


# ---------------------------------------------------------------- plans and programs


@pytest.mark.parametrize("name", [name for name in recipes.__all__ if name in RECIPES])
def test_a_probability_per_batch_is_for_the_whole_batch(name):
    if "per_batch" not in inspect.signature(getattr(recipes, name)).parameters:
        pytest.skip("this recipe draws no lam")
    recipe = RECIPES[name]
    mix = recipe(num_classes=COUNT, per_batch=True, probability=0.5)
    lam = [mix.draw_plan(recipe.data(COUNT), (seed, 1)).lam.numpy() for seed in range(40)]
    assert all(len(set(batch)) == 1 for batch in lam)
    assert {True, False} == {batch[0] == 1 for batch in lam}


def test_plan_drawn_then_applied_is_a_pure_function(recipe):
    mix = recipe(num_classes=6)
    element = recipe.data(6)
    plan = mix.draw_plan(element, seed=(3, 4))
    results = [
        numpy(mix.apply_plan(element, p)) for p in (plan, plan, mix.draw_plan(element, seed=(3, 4)))
    ]
    assert_equal(results[0], results[1])
    assert_equal(results[0], results[2])
    other = mix.apply_plan(element, mix.draw_plan(element, seed=(3, 5)))
    assert differ(results[0], numpy(other))


def test_a_pipeline_does_what_its_plan_says_to_the_last_rounding(recipe):
    """The dataset's path, compiled where the blend allows it, against plain eager ops."""
    mix = recipe(num_classes=6, seed=5)
    x = np.random.default_rng(0).normal(size=(6, 5, 7, 3)).astype("float32")
    element = x, recipe.labels(np.arange(6), 6)
    dataset = tf.data.Dataset.from_tensors(element).repeat(3)
    # XLA may fuse a product and the sum: one rounding less, of numbers up to max |x|.
    atol = np.finfo("float32").eps * np.abs(x).max()
    for k, mixed in enumerate(dataset.apply(mix.indexed()).as_numpy_iterator()):
        plan = mix.draw_plan(element, batch_seed(key_of(mix.seed), tf.constant(k, tf.int64)))
        for one, other in zip(mix.apply_plan(element, plan), mixed):
            np.testing.assert_allclose(one, other, rtol=0, atol=atol)


def test_config_round_trip_through_json(recipe):
    mix = recipe(num_classes=COUNT, seed=5)
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(mix)))
    again = keras.saving.deserialize_keras_object(config)
    assert isinstance(again, Mix)
    assert again == mix
    assert_equal(arrays(batches(recipe).apply(mix)), arrays(batches(recipe).apply(again)))


def test_compiled_once_a_shape_over_ten_epochs():
    """One trace of Python code per dataset; a partial last batch is a second shape, not a third."""
    traces = []

    class Counting(blend.Linear):
        def __call__(self, x, x_partner, lam, seed):
            traces.append(1)
            return super().__call__(x, x_partner, lam, seed)

    dataset = batches().apply(Mix(blend=Counting(), num_classes=COUNT, seed=0))
    for _ in range(10):
        arrays(dataset)
    assert len(traces) == 1
    # A mix that only draws something else shares the program.
    other = Mix(coefficient=coefficient.Beta(3.0), blend=Counting(), num_classes=COUNT, seed=1)
    arrays(batches().apply(other))
    assert len(traces) == 1


def test_the_table_has_every_public_recipe():
    public = {
        name
        for name, function in inspect.getmembers(recipes, inspect.isfunction)
        if function.__module__ == recipes.__name__ and not name.startswith("_")
    }
    assert public == set(recipes.__all__)
    # Its inputs are mixed in the model: `test_manifold` holds what it promises.
    assert (public - {"manifold_mixup"}) | {"choose"} <= set(RECIPES)


@pytest.mark.parametrize(
    ("mix", "size"),
    [
        (cutmix_minmax(0.9, 1.0, num_classes=2, seed=0), (48, 48)),
        (cutmix(0.2, num_classes=2, seed=0), (12, 12)),
    ],
)
def test_labels_are_never_negative(mix, size):
    """Compiled code may divide by the number of pixels by multiplying with its reciprocal."""
    element = np.zeros((64, *size, 1), "float32"), np.arange(64) % 2
    for _, labels in tf.data.Dataset.from_tensors(element).repeat(10).apply(mix):
        assert labels.numpy().min() >= 0
        assert labels.numpy().max() <= 1


def test_labels_of_spectrograms_without_bands_are_exact():
    """In float32, 3920 times the reciprocal of 3920 is not 1."""
    element = np.zeros((8, 98, 40), "float32"), np.arange(8) % 2
    mix = specmix(probability=0, num_classes=2, seed=0)
    for mixed in (mix(*element), next(iter(tf.data.Dataset.from_tensors(element).apply(mix)))):
        np.testing.assert_array_equal(mixed[1], np.eye(2)[element[1]])


@keras.saving.register_keras_serializable("tests")
def some_function(*arguments):
    return arguments[0]


@pytest.mark.parametrize("part", ["coefficient", "pairing", "blend", "label"])
def test_functions_of_each_kind_come_back_from_a_config(part):
    """Each kind has a class of the same name."""
    mix = Mix(**{part: some_function})
    config = keras.saving.serialize_keras_object(mix)
    assert keras.saving.deserialize_keras_object(config) == mix
