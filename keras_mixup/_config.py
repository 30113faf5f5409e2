"""What every part of a mix is: a frozen dataclass that checks its fields and can be saved."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:  # in `typing` from Python 3.11 on; type checkers bring it along
    from typing_extensions import Self


def argument(check: Callable[[str, Any], Any], default: Any = dataclasses.MISSING) -> Any:
    """A dataclass field whose value is replaced by `check(name, value)` when it is set."""
    return dataclasses.field(default=default, metadata={"check": check})


class Configurable:
    """A frozen dataclass with checked fields that `keras.saving` can write as JSON.

    config = keras.saving.serialize_keras_object(mixup(0.2, num_classes=10, seed=0))
    mix = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        keras.saving.register_keras_serializable(package="keras_mixup")(cls)

    def __post_init__(self) -> None:
        for field in _fields(self):
            check = field.metadata.get("check")
            if check is not None:
                # The dataclass is frozen for everybody else.
                object.__setattr__(self, field.name, check(field.name, getattr(self, field.name)))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, nested parts serialised by Keras."""
        return {
            field.name: keras.saving.serialize_keras_object(getattr(self, field.name))
            for field in _fields(self)
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The object that `get_config` described."""
        return cls(
            **{name: keras.saving.deserialize_keras_object(value) for name, value in config.items()}
        )


def _fields(instance: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(instance)
