"""What the tests of training share."""

import pytest


@pytest.fixture(autouse=True)
def sb3_folder(monkeypatch, tmp_path_factory):
    """Where a learner that was given no logger makes its folder: not beside other people's."""
    monkeypatch.setenv("SB3_LOGDIR", str(tmp_path_factory.mktemp("sb3")))
