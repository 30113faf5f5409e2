"""Plans: everything random about a batch."""

from __future__ import annotations

from typing import Any, NamedTuple


class Plan(NamedTuple):
    """Everything random about one mixed batch.

    Attributes:
        partner: int32 `[B]`; `partner[i]` is mixed into example `i`. `()` for pairs, which already
            contain the partners.
        lam: float32 `[B]`, the share of the original that the blend aims for.
        seed: int32 `[B, 8]`, random bits for the blend's own draws; `()` if it draws nothing.

    Example:
        >>> plan = Plan(partner=[1, 0], lam=[0.75, 0.5])
        >>> x, y = mixup(num_classes=2).apply_plan((np.float32([[0], [8]]), np.arange(2)), plan)
        >>> x.numpy().tolist(), y.numpy().tolist()
        ([[2.0], [4.0]], [[0.75, 0.25], [0.5, 0.5]])
    """

    partner: Any
    lam: Any
    seed: Any = ()


class ChoicePlan(NamedTuple):
    """Everything random about one batch of a choice.

    Attributes:
        chosen: int32 `[B]`, the index of the mix applied to each example.
        plans: the plan of every mix.
    """

    chosen: Any
    plans: tuple[Any, ...]
