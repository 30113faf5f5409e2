"""The grid of places of the inputs, and the ways in which a label can have a value for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import tensorflow as tf


class Fit(NamedTuple):
    """A way in which a leaf has one value per place of an input.

    Attributes:
        axis: axis of the channels or classes, counted from the end.
        has_axis: whether the leaf has that axis.
    """

    axis: int
    has_axis: bool


@dataclass(frozen=True)
class Grid:
    """The grid of places of the inputs, and where its axes are.

    Attributes:
        kind: the grid whose places a blend copies: "image", "spectrogram", or None for no copying.
        data_format: where the channels of an image are.
    """

    kind: Literal["image", "spectrogram"] | None
    data_format: str

    def axes(self, rank: int) -> tuple[int, ...]:
        """The possible channel axes of a tensor of the given rank, counted from the end."""
        if self.data_format == "channels_last":
            return (-1,) if rank >= 3 else ()
        # Videos are [B, T, C, H, W] or [B, C, T, H, W].
        return {3: (-3,), 4: (-3,), 5: (-3, -4)}.get(rank, ())

    def size(self, image: tf.TensorShape) -> tf.TensorShape:
        """The height and width, or the numbers of times and frequencies."""
        if self.kind == "spectrogram":
            return image[1:3]
        return image[-2:] if self.data_format == "channels_first" else image[-3:-1]

    def fits(self, leaf: tf.TensorShape, images: Sequence[tf.TensorShape]) -> set[Fit]:
        """All the ways in which a leaf can have one value per place of some input."""
        found = set()
        for image in images:
            for axis in self.axes(image.rank):
                places = self._places(image, axis)
                if leaf.is_compatible_with(places):
                    found.add(Fit(axis, False))
                if leaf.rank == places.rank + 1 and _without(leaf, axis).is_compatible_with(places):
                    found.add(Fit(axis, True))
        return found

    def _places(self, image: tf.TensorShape, axis: int) -> tf.TensorShape:
        """The shape of an input without its channels; [B, T, F] has none."""
        has_channels = image.rank > 3 and self.kind != "spectrogram"
        return _without(image, axis) if has_channels else image[:3]

    def lacks_last(self, fit: Fit) -> bool:
        """Whether a leaf lacks the last axis of the canonical form, [B, ..., H, W, C]."""
        return self.kind is not None and fit != (-1, True)


def _without(shape: tf.TensorShape, axis: int) -> tf.TensorShape:
    axis += shape.rank
    return shape[:axis].concatenate(shape[axis + 1 :])
