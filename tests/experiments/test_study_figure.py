"""The figure of a study."""

from __future__ import annotations

from lw_rl.experiments.study_figure import study_figure


def test_every_variant_has_a_curve_and_a_band_beside_no_policy():
    def run(factor):
        scores = [
            {"formal_solutions": 100 * k, "seconds": 60.0 * k, "error_after_2": factor * 0.1**k}
            for k in range(1, 4)
        ]
        return {"scores": scores}

    result = {
        "study": "learner", "seeds": [1, 2], "without_policy": {"error_after_2": 1e-3},
        "variants": [{"name": n, "runs": [run(1.0), run(2.0)]} for n in ("sac", "both")],
    }  # fmt: skip
    figure = study_figure(result)
    for ax, last in zip(figure.axes, (300.0, 3.0), strict=True):
        assert [line.get_label() for line in ax.lines] == ["sac", "both", "no policy"]
        assert ax.lines[0].get_xdata()[-1] == last
        assert len(ax.collections) == 2 and ax.get_xlabel()
    assert "2 seeds" in figure.get_suptitle()
