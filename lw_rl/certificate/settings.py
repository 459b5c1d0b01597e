"""What is calibrated of the error estimates, and what set each value."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from ..errors import LwRlError
from ..files import Json

__all__ = ["FORMAT", "Settings", "SettingsFileError", "load", "shipped"]

#: Version of the layout of a settings file.
FORMAT = 2
_SHIPPED = "calibrated.json"
#: Of what is no safety factor.
_RANGES = {"moved": (0.0, 10.0), "allowance": (0.0, float("inf"))}


class SettingsFileError(LwRlError, ValueError):
    """A file that is not one of calibrated settings."""


@dataclass(frozen=True)
class Settings:
    """Calibrated values of the error estimates; what is not given is as ``lw-rl calibrate`` set it.

    ``calibrated.json`` beside this module holds the value of each with the measurement that set it.
    Those that are safety factors multiply what an estimate says, and are at least one.

    Parameters
    ----------
    step : float
        Safety factor of the size of a policy's or an operator's step, where a policy's card has
        none.
    combination : float
        Of the distance to the best combination of the visited states, after accelerated steps.
    plain : float
        The same where MALI was left to itself.
    populations : float
        The same of accelerated steps of atoms without an operator: populations are not linear in
        each other.
    defect : float
        Of the operator's own estimate of the error.
    rough : float
        Of all of them where the limiter of the host's interpolation switches between the state and
        the solution.
    moved : float
        Distance of a state from what an operator was linearised around, in the logarithm, beyond
        which the operator is stale and is relinearised.
    allowance : float
        Formal solutions that a solve may cost beyond a tenth more than MALI
        (`lw_rl.schemes.budget.Budget`).

    Raises
    ------
    ValueError
        If a value is out of its range; the message names it.
    """

    step: float
    combination: float
    plain: float
    populations: float
    defect: float
    rough: float
    moved: float
    allowance: float

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            low, high = _RANGES.get(field.name, (1.0, float("inf")))
            real = isinstance(value, int | float) and not isinstance(value, bool)
            if not (real and low <= value < high):
                raise ValueError(
                    f"the calibrated setting {field.name} must be in [{low:g}, {high:g}), "
                    f"got {value!r}"
                )


def load(path: Path) -> Settings:
    """Read settings from a file that ``lw-rl calibrate`` wrote.

    Raises
    ------
    SettingsFileError
        If it is not such a file, of another format, or has values out of their range.
    """
    try:
        return _read(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        raise SettingsFileError(
            f"{path} is not a file of calibrated settings of format {FORMAT}: {err}; "
            "lw-rl calibrate --settings writes one"
        ) from err


@cache
def shipped() -> Settings:
    """Return the settings that ship."""
    source = resources.files(__package__).joinpath(_SHIPPED)
    return _read(json.loads(source.read_text(encoding="utf-8")))


def _read(content: Json) -> Settings:
    layout = content["format"]
    if layout != FORMAT:
        raise ValueError(f"it is of format {layout}")
    values: dict[str, Any] = {name: entry["value"] for name, entry in content["values"].items()}
    return Settings(**values)
