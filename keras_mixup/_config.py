"""The base class of all parts of a mix: a frozen dataclass with checked fields, and a config."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import keras

from keras_mixup import _arguments

if TYPE_CHECKING:  # part of `typing` since Python 3.11; type checkers include it
    from typing_extensions import Self


def argument(check: Callable[[str, Any], Any], default: Any = dataclasses.MISSING) -> Any:
    """A dataclass field whose value is replaced by `check(name, value)` when it is set."""
    return dataclasses.field(default=default, metadata={"check": check})


def public_home(cls: type) -> str:
    """The module that exports a class: configs name it, so that our private files can move."""
    home, *_ = cls.__module__.split("._")
    return home if home.split(".")[0] == "keras_mixup" else cls.__module__


@dataclass(frozen=True)
class Configurable:
    """A frozen dataclass with checked fields, which `keras.saving` can serialize to JSON.

    config = keras.saving.serialize_keras_object(mixup(0.2, num_classes=10, seed=0))
    mix = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        keras.saving.register_keras_serializable(package=public_home(cls))(cls)
        # The repr that `dataclass` generates lacks the module; it keeps one that is there already.
        cls.__repr__ = cls.__repr__  # type: ignore[method-assign]

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            check = field.metadata.get("check")
            if check is not None:
                # The usual assignment would fail, because the dataclass is frozen.
                object.__setattr__(self, field.name, check(field.name, getattr(self, field.name)))

    def __repr__(self) -> str:
        """The call that makes this object, with the names that `keras_mixup` exports."""
        *_, home = public_home(type(self)).split(".")
        name = type(self).__qualname__
        given = (
            f"{field.name}={getattr(self, field.name)!r}"
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        )
        known = home in ("keras_mixup", "__main__")
        return f"{name if known else f'{home}.{name}'}({', '.join(given)})"

    def get_config(self) -> dict[str, Any]:
        """Return the constructor arguments, with nested parts serialized by Keras."""
        return {
            field.name: keras.saving.serialize_keras_object(getattr(self, field.name))
            for field in dataclasses.fields(self)
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Create an object from the output of `get_config`."""
        return cls(
            **{name: keras.saving.deserialize_keras_object(value) for name, value in config.items()}
        )


class Part(Configurable):
    """A part of a mix; any function with its signature can take its place.

    Attributes:
        signature: how the part is called.
    """

    signature: ClassVar[str]


@dataclass(frozen=True)
class OfFunction:
    """What makes a part of a function; the repr of the part is that of the function."""

    function: Callable[..., Any]

    def __repr__(self) -> str:
        return repr(self.function)


def as_part(name: str, value: Any, kind: type[Part], wrap: Callable[[Any], Part]) -> Any:
    """Convert `value`, a part of this kind or a function with its signature, to a part."""
    if isinstance(value, kind):
        return value
    if isinstance(value, (Part, type)) or not callable(value):
        _arguments.fail(
            TypeError,
            f"`{name}` must be callable as {kind.signature}.",
            f"Pass an instance of a part from `keras_mixup.{name}`, or a function.",
            **{name: value},
        )
    return wrap(value)
