"""The type of arrays of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Array", "Integers", "Numbers", "Single"]

Array = npt.NDArray[np.float64]
"""Double precision, of any shape; docstrings give shapes in brackets."""
Single = npt.NDArray[np.float32]
"""Single precision: what a network sees."""
Integers = npt.NDArray[np.intp]
"""Indices."""
Numbers = npt.NDArray[Any]
"""What compiled code takes: single or double precision, or indices, as its docstring says."""
