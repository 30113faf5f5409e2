"""The base class of all parts of a mix: a frozen dataclass with checked fields, and a config."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:  # part of `typing` since Python 3.11; type checkers include it
    from typing_extensions import Self


def argument(check: Callable[[str, Any], Any], default: Any = dataclasses.MISSING) -> Any:
    """A dataclass field whose value is replaced by `check(name, value)` when it is set."""
    return dataclasses.field(default=default, metadata={"check": check})


class Configurable:
    """A frozen dataclass with checked fields, which `keras.saving` can serialize to JSON.

    config = keras.saving.serialize_keras_object(mixup(0.2, num_classes=10, seed=0))
    mix = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        keras.saving.register_keras_serializable(package=cls.__module__)(cls)

    def __post_init__(self) -> None:
        for field in _fields(self):
            check = field.metadata.get("check")
            if check is not None:
                # The usual assignment would fail, because the dataclass is frozen.
                object.__setattr__(self, field.name, check(field.name, getattr(self, field.name)))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor arguments, with nested parts serialized by Keras."""
        return {
            field.name: keras.saving.serialize_keras_object(getattr(self, field.name))
            for field in _fields(self)
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Create an object from the output of `get_config`."""
        return cls(
            **{name: keras.saving.deserialize_keras_object(value) for name, value in config.items()}
        )


def _fields(instance: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(instance)
