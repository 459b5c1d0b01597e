"""The order of the gallery: from one changed line to the paper's figures."""

from pathlib import Path

__all__ = ["ORDER", "GalleryOrder"]

ORDER = (
    "one_line", "result", "falc_ca_ii_k", "h_ca_ii", "mg_ii_prd", "prominence", "moving",
    "own_atom", "own_atmosphere", "two_dimensions", "slab_ca_ii", "response_functions",
    "refine", "sequence", "time_series", "cube", "cluster",
    "train_and_ship", "stable_baselines3", "paper", "entropy",
)  # fmt: skip


class GalleryOrder:
    """Sort key of sphinx-gallery; scripts that are not listed come last, by name."""

    def __init__(self, src_dir: str):
        self.src_dir = src_dir

    def __call__(self, filename: str) -> tuple[int, str]:
        """Return the key of a script."""
        name = Path(filename).stem.removeprefix("plot_")
        return (ORDER.index(name) if name in ORDER else len(ORDER), name)

    def __repr__(self) -> str:
        return "<GalleryOrder>"
