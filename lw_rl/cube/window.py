"""Rectangles of columns: how a cube is cut into blocks, and in which order they are solved."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

__all__ = ["Window", "block_shape", "windows"]


@dataclass(frozen=True)
class Window:
    """A rectangle of columns in one snapshot: ``[t, x0:x1, y0:y1]``."""

    t: int
    x0: int
    x1: int
    y0: int
    y1: int

    @property
    def shape(self) -> tuple[int, int]:
        """Number of columns in x and in y."""
        return self.x1 - self.x0, self.y1 - self.y0

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The rectangle as an index into (t, x, y)."""
        return slice(self.t, self.t + 1), slice(self.x0, self.x1), slice(self.y0, self.y1)


def block_shape(shape: tuple[int, int, int], quick: bool = True) -> tuple[int, int]:
    """Return the default block of a cube of shape (nt, nx, ny): columns in x and y.

    Some 64 blocks or more, so that every worker has its share, of 2 x 2 to 16 x 16 columns.

    Parameters
    ----------
    shape : tuple of int
    quick : bool, optional
        Whether a column takes milliseconds rather than seconds; else blocks are of at most 4 x 4,
        so that the first are back within a minute (default: True).
    """
    side = min(max(isqrt(shape[1] * shape[2]) // 8, 2), 16 if quick else 4)
    return min(side, shape[1]), min(side, shape[2])


def windows(shape: tuple[int, int, int], block: tuple[int, int]) -> list[Window]:
    """Return the blocks of a cube of shape (nt, nx, ny), in the order in which they are solved."""
    nt, nx, ny = shape
    return [
        Window(t, x, min(x + block[0], nx), y, min(y + block[1], ny))
        for t in range(nt)
        for x in range(0, nx, block[0])
        for y in range(0, ny, block[1])
    ]
