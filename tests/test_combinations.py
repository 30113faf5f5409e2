"""What a choice, a clean twin and a mix in a model do."""

import numpy as np
import tensorflow as tf
from helpers import SLICES, arrays, assert_equal, head, provenance

from keras_mixup import Mix, WithClean, choose, coefficient, cutmix, mixup, regmixup

X = np.arange(7 * 4 * 5 * 3, dtype="float32").reshape(7, 4, 5, 3)
IDS = np.array([0, 1, 2, 0, 1, 2, 1])


# ---------------------------------------------------------------- a choice


def test_a_choice_returns_the_widest_dtype():
    x = X.astype("uint8")
    both = choose(mixup(num_classes=3, dtype="float32"), cutmix(num_classes=3), None, seed=0)
    assert both(x, IDS)[0].dtype == tf.float32
    same = choose(mixup(num_classes=3), cutmix(num_classes=3), None, seed=0)
    assert same(x, IDS)[0].dtype == tf.uint8


def test_choice_follows_its_weights():
    """10,000 draws: a share is within 0.031 of its weight except with probability 1e-9."""
    mix = choose(
        *(Mix(coefficient=coefficient.Constant(lam)) for lam in (0.9, 0.7, 0.6)),
        weights=[5, 3, 2],
        seed=0,
    )
    x = np.zeros((10_000, 1), "float32")
    plan = mix.draw_plan((x, x), seed=(1, 2))
    shares = np.bincount(plan.chosen, minlength=3) / 10_000
    np.testing.assert_allclose(shares, [0.5, 0.3, 0.2], atol=0.031)
    per_batch = choose(mixup(), cutmix(), per_batch=True)
    assert len(set(per_batch.draw_plan((X, X[:, 0, 0]), seed=(1, 2)).chosen.numpy())) == 1


# ---------------------------------------------------------------- a clean twin


def in_turns(one, other):
    """The rows of both, in turns."""
    return np.stack([one, other], axis=1).reshape(-1, *one.shape[1:])


def test_regmixup_is_the_clean_batch_and_its_twin():
    """Row 2 i is example i, row 2 i + 1 is example i mixed."""
    x, y = provenance(5)
    element = (x.astype("uint8") * 200, y, np.float32([1, 2, 3, 4, 5]))
    one, both = mixup(20.0, num_classes=5, seed=3), regmixup(num_classes=5, seed=3)
    twin = head(SLICES(element).batch(5).apply(one))
    doubled = head(SLICES(element).batch(5).apply(both))
    clean = (element[0], np.eye(5, dtype="float32"), element[2])
    assert_equal(doubled, tuple(in_turns(*pair) for pair in zip(clean, twin)))
    assert both.seed == 3


def test_kept_inputs_and_odd_batches_double_too():
    x, y = provenance(7)
    dataset = SLICES(({"image": x, "id": y}, y)).batch(3)
    both = WithClean(choose(mixup(1.0, num_classes=7, keep=("id",)), cutmix(num_classes=7)))
    found = arrays(dataset.apply(both))
    assert [len(labels) for _, labels in found] == [6, 6, 2]
    np.testing.assert_array_equal(found[0][0]["id"], [0, 0, 1, 1, 2, 2])
    static = SLICES((x, y)).batch(3, drop_remainder=True).apply(regmixup(num_classes=7))
    assert static.element_spec[0].shape == (6, 4, 5, 7)


# ---------------------------------------------------------------- plans and members


def test_a_choice_makes_the_draws_of_its_members_and_each_its_own():
    """Every member draws for all examples; those of equal members differ."""
    mix = choose(mixup(1.0), mixup(1.0), None)
    x = np.zeros((64, 2), "float32")
    plan = mix.draw_plan((x, x), (1, 2))
    assert len(plan.plans) == 3
    one, other, unmixed = (part.lam.numpy() for part in plan.plans)
    assert np.all(one != other)
    np.testing.assert_array_equal(unmixed, 1)
    assert {0, 1, 2} == set(plan.chosen.numpy())


def test_a_member_of_weight_zero_is_never_chosen():
    x = np.zeros((1000, 1), "float32")
    for weights, expected in (((0, 1), {1}), ((1, 0), {0}), ((0, 1e-9, 0), {1})):
        mix = choose(*[mixup(alpha) for alpha in (0.1, 0.2, 0.3)[: len(weights)]], weights=weights)
        assert set(mix.draw_plan((x, x), (1, 2)).chosen.numpy()) == expected


def test_each_row_is_that_of_the_member_chosen_for_it():
    x, y = provenance(6)
    members = [mixup(1.0, num_classes=6), cutmix(num_classes=6), None]
    mix = choose(*members)
    plan = mix.draw_plan((x, y), (1, 2))._replace(chosen=[0, 1, 2, 2, 1, 0])
    mixed = [np.asarray(leaf) for leaf in mix.apply_plan((x, y), plan)]
    plain = (x, np.eye(6, dtype="float32"))
    for row, chosen in enumerate(plan.chosen):
        alone = plain
        if members[chosen] is not None:
            alone = members[chosen].apply_plan((x, y), plan.plans[chosen])
        for leaf, expected in zip(mixed, alone):
            np.testing.assert_array_equal(leaf[row], np.asarray(expected)[row])
