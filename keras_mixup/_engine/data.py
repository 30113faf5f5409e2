"""`Data`: what is said of the data that a mix is applied to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras_mixup import _arguments
from keras_mixup._boxes import FORMATS
from keras_mixup._config import Configurable, argument
from keras_mixup._engine.element import Leaf
from keras_mixup._nest import inside, named, walk
from keras_mixup._types import NumClasses

_BOX_FORMATS = (*FORMATS, *(f"rel_{name}" for name in FORMATS))


class _ByOutput(dict[str, Any]):
    """A dictionary that is not changed, so that a mix has a hash."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))


def _num_classes(name: str, value: Any) -> Any:
    """`num_classes` as Python ints: None, an integer >= 1, or a dict / tuple / list of these."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        # Names are strings, as they are in the paths of leaves, and in a config read from JSON.
        return _ByOutput({str(key): _num_classes(name, part) for key, part in value.items()})
    if isinstance(value, (tuple, list)):
        return tuple(_num_classes(name, part) for part in value)
    return _arguments.integer(name, value, low=1)


def _optional(*allowed: str) -> Callable[[str, Any], str | None]:
    """A check that a value is None or one of the allowed names."""
    return lambda name, value: value if value is None else _arguments.one_of(name, value, allowed)


@dataclass(frozen=True, kw_only=True)
class Data(Configurable):
    """What is said of the data, rather than of how it is mixed; see `Mix`."""

    num_classes: NumClasses = argument(_num_classes, None)
    keep: Sequence[str] = argument(_arguments.names, ())
    data_format: str | None = argument(_optional("channels_last", "channels_first"), None)
    bounding_box_format: str | None = argument(_optional(*_BOX_FORMATS), None)

    def describe(self, leaves: Sequence[Leaf]) -> list[Leaf]:
        """The leaves of `(x, y[, w])`, with all that is said of them.

        Raises:
            ValueError: if `keep`, `num_classes` or the sample weights name what is not there.
        """
        kept = self._kept(leaves)
        numbers = self.classes([leaf.path for leaf in leaves if leaf.part == "y"])
        nested = any(leaf.path for leaf in leaves if leaf.part == "y")
        declared = not nested or isinstance(self.num_classes, (Mapping, tuple))
        weights = _weights(leaves, kept)

        def described(leaf: Leaf) -> Leaf:
            if leaf.part == "sample_weight":
                return weights.get(leaf.path, leaf)
            leaf = leaf._replace(kept=(leaf.part, leaf.path) in kept)
            if leaf.part == "x":
                return leaf
            number = numbers[leaf.path]
            return leaf._replace(
                num_classes=number,
                declared=declared and number is not None,
                weight=next((weights[path] for path in weights if inside(leaf.path, path)), None),
            )

        return [described(leaf) for leaf in leaves]

    def _kept(self, leaves: Sequence[Leaf]) -> set[tuple[str, str]]:
        """`(part, path)` of the leaves that `keep` names."""
        paths = {part: [leaf.path for leaf in leaves if leaf.part == part] for part in "xy"}
        kept: set[tuple[str, str]] = set()
        for entry in self.keep:
            found = {
                (part, path) for part in paths for path in paths[part] if named(entry, part, path)
            }
            if not found:
                _arguments.fail(
                    ValueError,
                    "Every name in `keep` must be the name of an entry of x or y.",
                    f"x has {_listed(paths['x'], 'x')}; y has {_listed(paths['y'], 'y')}.",
                    keep=self.keep,
                )
            if len({part for part, _ in found}) > 1:
                rule = f"The name {entry!r} in `keep` is in both x and y."
                todo = f'Write "x/{entry}" or "y/{entry}", or both.'
                _arguments.fail(ValueError, rule, todo, keep=self.keep)
            kept |= found
        for part, rule in (("x", "input"), ("y", "label")):
            if all((part, path) in kept for path in paths[part]):
                rule = f"There is no {rule} to mix."
                todo = "List fewer names in `keep`."
                _arguments.fail(ValueError, rule, todo, keep=self.keep)
        return kept

    def classes(self, paths: Sequence[str]) -> dict[str, int | None]:
        """The number of classes of each leaf of y, by its path."""
        if not isinstance(self.num_classes, (Mapping, tuple)):
            return dict.fromkeys(paths, self.num_classes)
        numbers = dict(walk(self.num_classes))
        if sorted(numbers) != sorted(paths):
            _arguments.fail(
                ValueError,
                "`num_classes` must be a single number or have the structure of y.",
                "Pass a number for every output, or None for outputs that are not class ids.",
                num_classes=self.num_classes,
                y=sorted(paths),
            )
        return numbers


def _listed(paths: list[str], part: str) -> str:
    return f"no names, because {part} is a single tensor" if paths == [""] else str(paths)


def _weights(leaves: Sequence[Leaf], kept: set[tuple[str, str]]) -> dict[str, Leaf]:
    """The sample weights by their paths; those of labels that are all kept are kept, too."""
    labels = [leaf for leaf in leaves if leaf.part == "y"]
    weights = [leaf for leaf in leaves if leaf.part == "sample_weight" and leaf.spec is not None]
    found = {}
    for weight in weights:
        theirs = [label for label in labels if inside(label.path, weight.path)]
        if not theirs:
            _arguments.fail(
                ValueError,
                "Sample weights must be a single tensor, for all outputs, or have the structure of "
                "y, with weights for each output.",
                "Give them the names of the outputs.",
                sample_weight=[leaf.name for leaf in weights],
                y=[leaf.name for leaf in labels],
            )
        found[weight.path] = weight._replace(
            kept=all((label.part, label.path) in kept for label in theirs)
        )
    return found
