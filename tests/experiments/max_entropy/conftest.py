"""The committed result on maximum-entropy control, and a made-up one."""

from __future__ import annotations

import json

import pytest
from experiment_helpers import committed as of_examples
from experiment_helpers import keep_entropy

from lw_rl.experiments.max_entropy.run import MAX_ENTROPY


@pytest.fixture(scope="session")
def committed():
    return of_examples("entropy")


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """An output directory as it is when every experiment is done, and its result."""
    out = tmp_path_factory.mktemp("entropy")
    keep_entropy(out, seeds=3)
    return out, json.loads(json.dumps(MAX_ENTROPY.gather(out, 3, False)))
