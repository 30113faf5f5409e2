"""The rules: what becomes of each kind of leaf, as a table.

`docs/contract.md` is the same table in prose, and a test compares the two. The first rule of a part
whose condition holds decides: it returns the field of the leaf, None if the leaf is left as it is,
or raises an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from keras_mixup._engine import kinds
from keras_mixup._engine.context import Context
from keras_mixup._engine.fields import Field
from keras_mixup._engine.kinds import INPUTS_RULE, WHEN_TO_KEEP, of_dtype, refuse
from keras_mixup._engine.leaf import Leaf


class Rule(NamedTuple):
    """What becomes of one kind of leaf.

    Attributes:
        kind: the kind of leaf, as in `docs/contract.md`.
        becomes: what becomes of it, as in `docs/contract.md`.
        when: whether the rule is about a leaf.
        field: the field of the leaf, or None; or an error.
    """

    kind: str
    becomes: str
    when: Callable[[Leaf, Context], bool]
    field: Callable[[Leaf, Context], Field | None]


def field_of(leaf: Leaf, context: Context) -> Field | None:
    """The field of a leaf, by the first rule that is about it; None if it is not mixed."""
    rule = next(rule for rule in RULES[leaf.part] if rule.when(leaf, context))
    return rule.field(leaf, context)


RULES: dict[str, tuple[Rule, ...]] = {
    "x": (
        Rule("listed in `keep`", "unchanged: that of the original", kinds.is_kept, kinds.unchanged),
        Rule(
            "mixed by layers of a model, not at its inputs",
            "unchanged, whatever its dtype",
            kinds.leaves_inputs,
            kinds.unchanged,
        ),
        Rule(
            "bounding boxes",
            "refused: they are labels",
            kinds.has_boxes,
            refuse(
                "Bounding boxes are labels and cannot be mixed in x.",
                "Move them to y.",
                "If they describe the original alone,",
            ),
        ),
        Rule(
            "named `boxes`, `bbox` or similar, such as `[B, N, 4]`",
            "refused: coordinates cannot be mixed",
            kinds.looks_like_boxes,
            kinds.fail_like_boxes,
        ),
        Rule(
            "strings",
            "refused: encode them",
            of_dtype(tf.string),
            refuse(INPUTS_RULE, "Strings cannot be mixed; encode them.", WHEN_TO_KEEP),
        ),
        Rule(
            "complex numbers",
            "refused: split them into real and imaginary parts",
            of_dtype(tf.complex64, tf.complex128),
            refuse(
                INPUTS_RULE,
                "Split complex numbers: tf.stack([tf.math.real(x), tf.math.imag(x)], axis=-1).",
            ),
        ),
        Rule(
            "bool, such as a padding mask",
            "refused: cast it to float32 before the mix, and compare it with 0 after the mix",
            of_dtype(tf.bool),
            refuse(
                INPUTS_RULE,
                "Cast a padding mask before the mix, tf.cast(mask, tf.float32), and compare it "
                "with 0 after it, mask > 0: the mixture has the steps that either example has. "
                "With `keep`, the steps of the partner would be lost.",
            ),
        ),
        Rule(
            "floats and uint8; uint16 and int16 with a `dtype`",
            "mixed; floats keep their dtype; integers become `dtype`, which is float32 by default, "
            "or uint8 with a method that copies",
            kinds.is_accepted,
            kinds.input_field,
        ),
        Rule(
            "other uint8, uint16 and int16",
            "refused: choose a `dtype` that can hold them",
            of_dtype(tf.uint8, tf.uint16, tf.int16),
            kinds.fail_dtype,
        ),
        Rule(
            "other integers, such as token ids, class ids and lengths",
            "refused: mix embeddings of ids, and cast numbers to float32",
            kinds.always,
            refuse(
                INPUTS_RULE,
                "Token ids cannot be mixed; mix their embeddings, with manifold_mixup. Convert "
                "class ids to one-hot floats, and cast lengths and other numbers to float32.",
                WHEN_TO_KEEP,
            ),
        ),
    ),
    "y": (
        Rule("listed in `keep`", "unchanged: that of the original", kinds.is_kept, kinds.unchanged),
        Rule(
            "bounding boxes in Keras's padded dictionary",
            "mixup keeps the boxes of both images, each with a weight; CutMix keeps what is still "
            "visible of each box",
            kinds.has_boxes,
            kinds.boxes_field,
        ),
        Rule(
            "other boxes: entries named `boxes`, `bbox` or similar, such as `[B, N, 4]`",
            "refused: map them to that dictionary",
            kinds.looks_like_boxes,
            kinds.fail_like_boxes,
        ),
        Rule(
            "strings",
            "refused: convert them to ids",
            of_dtype(tf.string),
            refuse(
                "Labels must be integer class ids or floats.",
                "Convert strings to ids with keras.layers.StringLookup(num_oov_indices=0).",
            ),
        ),
        Rule(
            "complex numbers",
            "refused: split them into real and imaginary parts",
            of_dtype(tf.complex64, tf.complex128),
            refuse(
                "Labels must be integer class ids or floats.",
                "Split complex numbers: tf.stack([tf.math.real(y), tf.math.imag(y)], axis=-1).",
            ),
        ),
        Rule(
            "bool",
            "refused: cast it to float32",
            of_dtype(tf.bool),
            refuse(
                "Labels must be integer class ids or floats.",
                "Cast 0/1 targets: tf.cast(y, tf.float32).",
            ),
        ),
        Rule(
            "floats without an axis of size `num_classes`",
            "refused: floats are not converted, so `num_classes` can only state their width",
            kinds.is_too_narrow,
            refuse(
                "Float labels are not converted, so their last axis must be `num_classes` wide.",
                "Remove `num_classes`, correct it, or pass integer class ids.",
            ),
        ),
        Rule(
            "floats, one or more per place of an input that is cut",
            "cut with the input; one value per cell of a spectrogram must be `[B, T, F, 1]`, and "
            "one per step of a sequence `[B, T, 1]`",
            kinds.is_float_in_places,
            kinds.float_places,
        ),
        Rule(
            "floats `[B, H W]` or `[B, H W, K]`, or `[B, h, w]` in the proportions of the input, "
            "beside an input that is cut; also other floats of rank 4 or more, or of rank 3 beside "
            "a sequence",
            "refused: reshape or resize them; `[B, K]` with K = H W is accepted if `num_classes` "
            "is K",
            kinds.is_float_elsewhere,
            kinds.fail_elsewhere,
        ),
        Rule(
            "other floats of any rank: one-hot, soft or multi-hot labels, targets of a regression",
            "mixed as numbers; they keep their dtype",
            kinds.is_float,
            kinds.numbers_field,
        ),
        Rule(
            "uint8 images without `num_classes`, with several channels",
            "mixed or cut like the inputs, and returned as float32",
            kinds.is_image,
            kinds.image_field,
        ),
        Rule(
            "other integers without `num_classes`",
            "refused: pass `num_classes` for ids, and cast numbers to float32",
            kinds.has_no_classes,
            kinds.fail_classes,
        ),
        Rule(
            "integers `[B, K]` with K = `num_classes`",
            "refused: they could be one-hot labels or the ids of K steps",
            kinds.is_one_hot_or_steps,
            refuse(
                "Integers [B, K] with K = num_classes could be one-hot labels or ids of K steps.",
                "Cast one-hot labels to float32; convert ids of steps with tf.one_hot.",
            ),
        ),
        Rule(
            "ids, one per place of an input: masks",
            "soft labels per place, float32; cut where the input is cut",
            kinds.is_mask,
            kinds.mask_field,
        ),
        Rule(
            "other integers of rank 3 or more",
            "refused: cast numbers to float32, and resize masks",
            kinds.is_deep_integer,
            kinds.fail_deep_integer,
        ),
        Rule(
            "ids `[B, H W]` beside an input that is cut; also other ids per step beside a sequence",
            "refused: reshape them to masks, and resample ids per step to the steps of the input",
            kinds.is_disguised,
            kinds.fail_elsewhere,
        ),
        Rule(
            "ids `[B]`, `[B, 1]`, or per step `[B, T]`",
            "soft labels, float32 `[B, K]` or `[B, T, K]` with K = `num_classes`; an id that is "
            "out of range is an error at run time",
            kinds.always,
            kinds.ids_field,
        ),
    ),
    "sample_weight": (
        Rule("`None`", "`None`", kinds.is_none, kinds.unchanged),
        Rule("weights of labels in `keep`", "unchanged", kinds.is_kept, kinds.unchanged),
        Rule(
            "strings and complex numbers",
            "refused",
            kinds.is_no_number,
            refuse("Sample weights must be numbers.", "Pass real numbers."),
        ),
        Rule(
            "one per place of an input that is cut",
            "cut with the input; floats",
            kinds.is_weight_in_places,
            kinds.weight_places,
        ),
        Rule(
            "`[B, H W]`, or in the proportions of the input, beside an input that is cut",
            "refused: reshape or resize them",
            kinds.is_weight_elsewhere,
            kinds.fail_elsewhere,
        ),
        Rule(
            "others: `[B]`, `[B, 1]`, or with the first axes of their label",
            "mixed as numbers: w~ = s w + (1 - s) w'; floats",
            kinds.always,
            kinds.weights_field,
        ),
    ),
}
