"""`choose` and `WithClean`: what they take, and the seed and the data of what they return."""

import pytest

from keras_mixup import WithClean, choose, cutmix, mixup, regmixup


@pytest.mark.parametrize(
    ("mixes", "arguments", "error"),
    [
        ((), {}, ValueError),
        ((None,), {}, ValueError),
        ((mixup(), lambda x, y: (x, y)), {}, TypeError),
        ((mixup(), cutmix()), {"weights": [1]}, ValueError),
        ((mixup(), cutmix()), {"weights": [0, 0]}, ValueError),
        ((mixup(), cutmix()), {"weights": {0: 0.9, 1: 0.1}}, TypeError),
        ((mixup(), cutmix()), {"weights": [1, -1]}, ValueError),
        ((mixup(), cutmix()), {"weights": [1, float("nan")]}, ValueError),
        ((mixup(), cutmix()), {"per_batch": "yes"}, TypeError),
        ((mixup(num_classes=3), cutmix(num_classes=4)), {}, ValueError),
        ((mixup(keep=("a",)), cutmix(keep=("b",))), {}, ValueError),
    ],
)
def test_bad_choices_are_refused(mixes, arguments, error):
    with pytest.raises(error, match="Received: "):
        choose(*mixes, **arguments)


def test_a_choice_of_seeded_mixes_is_seeded():
    assert choose(mixup(seed=1), cutmix(seed=2)) == choose(mixup(seed=1), cutmix(seed=2))
    assert choose(mixup(seed=1), cutmix(seed=2)).seed is not None
    assert choose(mixup(seed=1), cutmix()).seed is None


def test_a_twin_cannot_be_chosen_or_doubled():
    with pytest.raises(ValueError, match=r"WithClean\(choose"):
        choose(regmixup(num_classes=3), None)
    with pytest.raises(TypeError, match=r"keeps the size.*Received: "):
        WithClean(regmixup(num_classes=3))
    with pytest.raises(TypeError, match=r"A mix was expected.*Received: "):
        WithClean("mixup")


def test_the_seed_of_a_choice_is_its_own_or_comes_from_all_members():
    one, other = mixup(seed=1), cutmix(seed=2)
    assert choose(one, other, seed=5).seed == 5
    assert choose(one, None, other).seed == choose(one, other).seed
    seeds = [choose(mixup(seed=a), cutmix(seed=b)).seed for a, b in ((1, 2), (2, 1), (1, 3))]
    assert len(set(seeds)) == 3
    assert choose(mixup(seed=-1), cutmix(seed=2**63 - 1)).seed is not None
    assert WithClean(one).seed == 1


def test_the_data_of_a_choice_are_what_some_member_says():
    mix = choose(
        mixup(num_classes=3, keep=("id",)),
        cutmix(keep=("id",), data_format="channels_first"),
        cutmix(bounding_box_format="xyxy"),
        None,
    )
    found = mix.num_classes, mix.keep, mix.data_format, mix.bounding_box_format
    assert found == (3, ("id",), "channels_first", "xyxy")
    assert WithClean(mixup(num_classes=3, keep=("id",))).keep == ("id",)
    with pytest.raises(ValueError, match=r"agree on `data_format`.*Received: data_format="):
        choose(cutmix(data_format="channels_last"), cutmix(data_format="channels_first"))
