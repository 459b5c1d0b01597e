"""Depth-wise Soft Actor-Critic: what differs from SAC."""

from __future__ import annotations

import math

import pytest
from small_training import small_learner

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")


@pytest.fixture
def model():
    return small_learner(steps=80, return_every=2).learn(64)


def weights(module):
    return [p.detach().clone() for p in module.parameters()]


def same(module, before):
    return all(torch.equal(a, b) for a, b in zip(module.parameters(), before, strict=True))


def logged(model, name):
    return model.logger.name_to_value.get(f"train/{name}")


def test_the_actor_imitates_and_the_critics_learn_every_few_steps(model):
    assert model.replay_buffer.ready(4)
    model.imitation_until = 2.0
    assert model.target_entropy == pytest.approx(math.log(0.05)), "of a point, not of the column"
    actor, critic = weights(model.actor), weights(model.critic)
    model._n_updates = 0
    model.train(1, 8)
    assert same(model.critic, critic) and not same(model.actor, actor)
    assert logged(model, "imitation_loss") > 0.0 and logged(model, "skipped_steps") == 0.0
    model.train(1, 8)
    assert not same(model.critic, critic)
    assert math.isfinite(logged(model, "critic_loss"))


def test_imitation_ends_when_asked(model):
    model.imitation_until = 0.1
    assert model.progress > 0.1
    actor = weights(model.actor)
    model._n_updates = 0
    model.train(1, 8)
    assert same(model.actor, actor), "neither imitation nor return"
    model.train(1, 8)
    assert not same(model.actor, actor), "the return alone"


def test_a_gradient_that_is_not_finite_is_left_out(model):
    model.replay_buffer.rewards[:] = math.nan
    model.replay_buffer.reward_maps[:] = math.nan
    critic = weights(model.critic)
    model._n_updates = 1
    model.train(1, 8)
    assert same(model.critic, critic)
    assert logged(model, "skipped_steps") > 0.0
    assert all(torch.isfinite(p).all() for p in model.actor.parameters())
