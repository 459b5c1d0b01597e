"""What the tests share: one Dask worker."""

from __future__ import annotations

from cube_helpers import client

__all__ = ["client"]
