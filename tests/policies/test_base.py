"""What a policy is, and how one is had."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import Oracle, random_weights

from lw_rl.errors import PolicyFileError, UnknownNameError
from lw_rl.policies import Policy, actor, make_policy


def test_a_policy_from_a_name_a_path_or_an_object(tmp_path, architecture, untrained):
    card = actor.save(tmp_path / "p", architecture, random_weights(architecture), 0.3, {})
    for policy in (card, str(card), card.with_suffix(".safetensors")):
        assert make_policy(policy).gain == 0.3
    assert make_policy("default") is actor.load_shipped("default")
    assert make_policy(untrained) is untrained


def test_what_is_not_a_policy(tmp_path):
    with pytest.raises(UnknownNameError, match="unknown policy 'nobody'") as unknown:
        make_policy("nobody")
    assert unknown.value.known == actor.known()
    with pytest.raises(PolicyFileError, match="cannot read"):
        make_policy(str(tmp_path / "missing.json"))
    with pytest.raises(TypeError, match=r"an object with predict\(obs, .*; got int"):
        make_policy(3)


def test_whatever_predicts_is_a_policy(untrained):
    assert isinstance(untrained, Policy) and isinstance(Oracle(np.zeros(3)), Policy)
    assert not isinstance(object(), Policy)
