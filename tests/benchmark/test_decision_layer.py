"""The size of the decision layer is counted, and the page says what fell away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lw_rl.benchmark.decision_layer import counted, main, markdown

RESULT = Path(__file__).parents[2] / "examples" / "decision_layer.json"


def test_it_can_be_held_in_ones_head():
    now = counted()
    assert now["safeguard, lines"] <= 400 and now["safeguard, fields of its state"] <= 10
    assert 0 < now["certificate, attributes"] <= 10


@pytest.mark.skipif(not RESULT.exists(), reason="not beside the examples")
def test_the_page_is_of_the_result_file(tmp_path):
    found = json.loads(RESULT.read_text())
    page = tmp_path / "page.md"
    page.write_text("<!-- begin decision-layer -->\n<!-- end decision-layer -->\n")
    main(str(RESULT), str(page))
    text = page.read_text()
    assert markdown(found) in text
    assert all(entry["rule"] in text for entry in found["removed"])
    assert f"| {found['before']['safeguard, lines']} | {counted()['safeguard, lines']} |" in text
