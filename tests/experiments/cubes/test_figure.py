"""The picture of `lw-rl cube-bench`."""

from __future__ import annotations

from bench_document import BENCH

from lw_rl.experiments.cubes.figure import bench_figure


def test_the_figure_of_the_bench_shows_the_parts_that_there_are():
    assert bench_figure({}) is None and bench_figure({"kills": BENCH["kills"]}) is None
    titles = [ax.get_title(loc="left") for ax in bench_figure(BENCH).axes]
    assert titles == [
        "rate, 64 columns", "peak memory of a worker", "where a column begins",
        "learning, cube with shocks",
    ]  # fmt: skip
    assert len(bench_figure({"start": BENCH["start"]}).axes) == 1


def test_versions_are_drawn_where_they_were_tried():
    learn = BENCH["learn"]
    entry = learn["learning"][0]
    part = {**learn, "learning": [entry, {**entry, "accepted": True, "columns": 48}]}
    (ax,) = bench_figure({"learn": part}).axes
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["frozen", "learning", "version accepted", "version refused"]
