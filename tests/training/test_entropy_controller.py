"""The controller of the temperature, on plants that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from lw_rl.training.entropy_controller import EntropyController
from lw_rl.training.temperature import TargetEntropy


def follow(target, plant, updates=1500):
    """Let the controller hold the entropy of a policy that lags behind its temperature."""
    held = TargetEntropy(target)
    log_alpha = torch.tensor([math.log(held.initial)], requires_grad=True)
    controller = EntropyController([log_alpha], held)
    entropy, history = 0.5, []
    for k in range(updates):
        log_alpha.grad = torch.tensor([entropy - held.at(1.0 - k / updates)])
        controller.step()
        entropy += (plant(k, float(log_alpha.detach())) - entropy) / 50.0
        history.append(entropy)
    return np.array(history), controller


@pytest.mark.parametrize("target", [-3.0, -1.0, 0.5])
def test_controller_holds_a_lagging_entropy_while_the_values_grow(target):
    # Entropy of a Gaussian policy on a quadratic value whose curvature grows tenfold.
    def plant(k, log_alpha):
        return 0.5 * log_alpha - 0.5 * math.log(1.0 + 9.0 * k / 1500)

    history, _ = follow(target, plant)
    assert np.all(np.abs(history[500:] - target) < 0.1 * abs(target))


def test_controller_that_was_out_of_reach_comes_back_at_once():
    def plant(k, log_alpha):
        return 0.4 if k < 1000 else 0.5 * log_alpha

    history, controller = follow(-1.0, plant)
    assert abs(history[-1] + 1.0) < 0.1
    (state,) = controller.state.values()
    assert math.log(1e-6) <= float(state["integral"]) <= math.log(1e3)


def correct(response, components=2, updates=4000):
    """Let alpha learn from corrections that a lagging policy at -1 nat per component needs.

    By itself its entropy would go to that of a Gaussian on a quadratic value, of curvature 9.
    """
    held = TargetEntropy(-1.0 * components)
    log_alpha = torch.tensor([math.log(held.initial)], requires_grad=True)
    controller = EntropyController([log_alpha], held, components, corrected=True)
    for _ in range(updates):
        log_alpha.grad = torch.tensor([5.0])
        controller.step()
        own = 0.5 * math.log(2.0 * math.pi * math.e / 9.0) + 0.5 * float(log_alpha.detach())
        controller.learn(components * (own + 1.0) * response)
    return float(log_alpha.detach())


@pytest.mark.parametrize("response", [0.3, 0.01])
@pytest.mark.parametrize("components", [1, 6])
def test_corrections_lead_to_the_alpha_that_needs_none(response, components):
    needed = 2.0 * (-1.0 - 0.5 * math.log(2.0 * math.pi * math.e / 9.0))
    assert correct(response, components) == pytest.approx(needed, abs=0.01)


def test_corrections_without_end_leave_alpha_in_its_range():
    log_alpha = torch.zeros(1, requires_grad=True)
    controller = EntropyController([log_alpha], TargetEntropy(-1.0), corrected=True)
    for _ in range(1000):
        controller.learn(-1.0)
    assert float(log_alpha.detach()) == pytest.approx(math.log(1e3))
    controller.learn(1.0)
    assert float(log_alpha.detach()) < math.log(1e3), "nothing to wind back"
