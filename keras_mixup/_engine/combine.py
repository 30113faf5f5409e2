"""`choose`, `WithClean` and `in_model`: mixes made from other mixes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_mixup import _arguments
from keras_mixup._engine.combinations import Choice, InModel, Twin, linear
from keras_mixup._engine.data import Data
from keras_mixup._engine.methods import UNMIXED
from keras_mixup._engine.mix import Mix, mix_of


def choose(
    *mixes: Mix | None,
    weights: Sequence[float] | None = None,
    per_batch: bool = False,
    seed: int | None = None,
) -> Mix:
    """Applies one of several mixes, or none, chosen at random per example.

    Each example is mixed by `mixes[k]` with probability weights[k] / sum(weights). A choice can be
    a member of another choice.

    Args:
        *mixes: what `mixup`, `cutmix`, `Mix` or `choose` returns; None leaves the example
            unchanged. Their `num_classes`, `keep`, `data_format` and `bounding_box_format` must
            agree where they are given.
        weights: one number >= 0 per mix, with a positive sum; None means equal weights.
        per_batch: whether to draw once for the whole batch instead of once per example.
        seed: an integer for reproducible draws. The seeds of the members are not used, except that
            a choice without a seed derives one from them if all members have one.

    Returns:
        A `Mix`. uint8 images are returned in the widest dtype that any member returns, which is
        float32 for `mixup` and `cutmix`.

    Raises:
        TypeError: if a member is not a mix.
        ValueError: if no mix is given; if `weights` has the wrong length, contains negative or
            non-finite numbers, or sums to zero; if the members disagree on `num_classes`, `keep`,
            `data_format` or `bounding_box_format`; if only some of them double the batch, or if
            one happens in a model.

    Example:
        >>> mix = choose(mixup(0.2, num_classes=10), cutmix(1.0, num_classes=10), None, seed=0)
        >>> train = ds.batch(128).apply(mix)

    References:
        timm's `switch_prob` and torchvision's `RandomChoice` do this per batch.
    """
    given = [_mix(mix) for mix in mixes if mix is not None]
    if not given:
        _arguments.fail(ValueError, "`choose` needs at least one mix.", "Pass a mix.", mixes=mixes)
    choice = Choice(
        methods=tuple(UNMIXED if mix is None else mix.method for mix in mixes),
        weights=(1.0,) * len(mixes) if weights is None else weights,
        per_batch=per_batch,
    )
    seeds = [mix.seed for mix in given if mix.seed is not None]
    if seed is None and len(seeds) == len(given):
        words = np.random.SeedSequence([value % 2**64 for value in seeds]).generate_state(1)
        seed = int(words[0])
    agreed = {
        field.name: _agreed(field.name, [getattr(mix, field.name) for mix in given], field.default)
        for field in dataclasses.fields(Data)
    }
    return mix_of(choice, Data(**agreed), seed)


def WithClean(mix: Mix) -> Mix:  # noqa: N802
    """Puts the clean batch and its mixed twin into one batch: B rows become 2 B.

    Row 2 i is example i with a soft label, and row 2 i + 1 is example i mixed. The mean loss over
    the batch is half the clean loss plus half the mixed loss. This also holds for each worker's
    part when the batch is sharded.

    Args:
        mix: the mix that makes the twin, which may be a choice.

    Returns:
        A `Mix`.

    Raises:
        TypeError: if the argument is not a mix, or if it already doubles the batch.
        ValueError: if the mix happens in a model.

    Example:
        >>> both = WithClean(choose(mixup(1.0, num_classes=10), cutmix(num_classes=10)))
        >>> train = ds.batch(64).apply(both)  # batches of 128

    References:
        Pinto, Yang, Lim, Torr, Dokania, 2022, arXiv:2206.14502.
    """
    mix = _mix(mix)
    return mix_of(Twin(mix.method), mix, mix.seed)


def in_model(mix: Mix, layers: Sequence[str] = ("input",)) -> Mix:
    """Moves a linear mix into the model: to its inputs, or to the outputs of some of its layers.

    The pipeline draws everything random and mixes labels and sample weights. It leaves the inputs
    unchanged and adds a few numbers per example, by which a model wrapped with `wrap` does the
    mixing.

    Args:
        mix: what `mixup`, `remix`, `cmixup`, or `Mix` with a linear blend returns.
        layers: names of the layers that may be mixed at their outputs, and "input" for the inputs;
            see `manifold_mixup`. One of them is drawn uniformly for each batch.

    Returns:
        A `Mix` that makes the same draws as `mix`. It does not support pairs, and cannot be used in
        `choose` or `WithClean`.

    Raises:
        TypeError: if the object is not a mix.
        ValueError: if the mix is not linear, returns another dtype than float32, or takes partners
            from another stream; if no layer is named, or if one is named twice.

    Example:
        >>> on_device = in_model(mixup(0.2, num_classes=10, seed=0))
        >>> train = ds.batch(128).apply(on_device)  # images still uint8
        >>> sorted(train.element_spec[0])
        ['mix_lam', 'mix_layer', 'mix_partner', 'mix_row', 'mix_x']
    """
    mix = _mix(mix)
    return mix_of(InModel(linear("mix", mix.method), layers), mix, mix.seed)


def _mix(value: Any) -> Mix:
    if not isinstance(value, Mix):
        _arguments.fail(
            TypeError,
            "A mix can only be made of other mixes.",
            "Pass what mixup(...), cutmix(...) or choose(...) returns.",
            mix=value,
        )
    return value


def _agreed(name: str, values: Sequence[Any], unset: Any) -> Any:
    """Returns the one value that the members specify, or `unset`."""
    given = [value for value in values if value != unset]
    if any(value != given[0] for value in given):
        _arguments.fail(
            ValueError,
            f"The members of a choice must agree on `{name}`.",
            "They mix the same data, so pass the same value to all of them.",
            **{name: values},
        )
    return given[0] if given else unset
