"""What a scheme is, and what it can do besides stepping."""

from __future__ import annotations

import pytest
from solver_helpers import Scripted, zeros

from lw_rl.schemes import (
    Anderson,
    Depthwise,
    Lambda,
    Mali,
    MaliScattering,
    Ng,
    Safeguarded,
    Scheme,
    Sigmoid,
    Step,
)
from lw_rl.schemes.base import HasOperators, with_abilities

SCHEMES = [Mali(), MaliScattering(), Lambda(), Ng(), Anderson(), Depthwise(None), Sigmoid()]


@pytest.mark.parametrize("scheme", [*SCHEMES, Safeguarded(Mali())], ids=lambda s: s.name)
def test_they_all_are_schemes(scheme):
    assert isinstance(scheme, Scheme)
    assert isinstance(scheme.name, str)
    assert scheme.lambdaIterate is (scheme.name == "lambda")


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda s: s.name)
def test_they_are_immutable_and_comparable(scheme):
    assert scheme == type(scheme)(**vars(scheme))
    assert hash(scheme) == hash(type(scheme)(**vars(scheme)))
    with pytest.raises(AttributeError):
        scheme.name = "another"


def test_a_step_is_the_plain_update_unless_it_says_otherwise():
    step = Step(None)
    assert (step.by, step.accepted, step.note, step.estimate) == (
        "mali", True, "", 0.0,
    )  # fmt: skip


def test_two_methods_make_a_scheme_and_nothing_else():
    """A scheme of a user's own: it has no abilities, and none is guessed."""
    plain = Scripted({})
    abilities = with_abilities(plain)
    assert abilities.scheme is plain
    assert abilities.starts is abilities.has_operators is abilities.accelerates_profiles is None
    assert abilities.policy is None and not abilities.solves_scattering


@pytest.mark.parametrize(
    ("scheme", "able"),
    [
        (Mali(), set()),
        (Lambda(), set()),
        (MaliScattering(), {"solves_scattering"}),
        (Ng(), {"solves_scattering"}),
        (Anderson(), {"solves_scattering", "accelerates_profiles"}),
        (Sigmoid(), {"solves_scattering"}),
        (
            Depthwise(None),
            {"solves_scattering", "accelerates_profiles", "starts", "has_operators"},
        ),
    ],
    ids=lambda s: getattr(s, "name", None),
)
def test_what_each_can_do(scheme, able):
    abilities = with_abilities(scheme)
    found = {
        name
        for name in ("starts", "has_operators", "accelerates_profiles", "solves_scattering")
        if getattr(abilities, name)
    }
    assert found == able
    for name in able - {"solves_scattering"}:
        assert getattr(abilities, name) is scheme


def test_a_policy_is_known_where_there_is_one():
    policy = zeros()
    assert with_abilities(Depthwise(policy)).policy is policy
    assert with_abilities(Sigmoid(policy)).policy is policy
    assert with_abilities(Depthwise(None)).policy is None


def test_abilities_are_whole():
    """A scheme with a part of what an ability needs is refused, by name, when it is guarded."""

    class Half(Scripted):
        def operators(self, state):
            return {}

    assert not isinstance(Half({}), HasOperators)
    with pytest.raises(TypeError, match="Half lacks operator_factor, which HasOperators needs"):
        Safeguarded(Half({}))
