"""What an indicator is: its parameters, inputs, outputs and function, in the words that the catalog shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

MAX_WINDOW: Final = 1_000

#: Units of outputs. PRICE: that of the prices that went in.
PRICE: Final = "price"
PERCENT: Final = "percent"
INDEX: Final = "0 to 100"
SHARES: Final = "shares"
RATIO: Final = "ratio"
DIRECTION: Final = "1 or -1"


@dataclass(frozen=True)
class Parameter:
    """A number from `low` to `high`; `whole`: no fraction. `default` is the usual choice, which the catalog shows."""

    name: str
    default: float
    low: float = 1
    high: float = MAX_WINDOW
    whole: bool = True


@dataclass(frozen=True)
class Output:
    """One column; `suffix` follows the indicator's name in the column's, if it is not empty."""

    suffix: str = ""
    unit: str = PRICE


@dataclass(frozen=True)
class Indicator:
    """`compute(*inputs, *arguments)` returns one array for each of `outputs`, as long as the inputs, which ascend by time.

    `inputs` are names of columns: open high low close volume notional session clock (indicators.volume explains the last
    three). `warm_up(*arguments)` is how many candles come before the first value. `reach(*arguments)` is how many candles
    before a row make its value independent of still older ones (indicators.convergence). `whole_session`: the row's session
    must be known from its start too. `converged(*inputs, *arguments)` is for those of which `reach` does not decide that.
    `check(*arguments)` returns what is wrong with a combination of arguments, else "".
    """

    meaning: str
    compute: Callable[..., tuple[Values, ...]]
    inputs: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    warm_up: Callable[..., int]
    reach: Callable[..., int]
    outputs: tuple[Output, ...] = (Output(),)
    whole_session: bool = False
    converged: Callable[..., Flags] | None = None
    check: Callable[..., str] = lambda *arguments: ""


def argument_text(argument: Any) -> str:
    """A number as it stands in a name: 20, 2.5."""
    return f"{argument:.6f}".rstrip("0").rstrip(".")
