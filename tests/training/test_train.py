"""Training: the networks agree with numpy, a run trains, resumes and exports."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from lw_rl.errors import PolicyFileError, TrainingError
from lw_rl.policies import actor as actors
from lw_rl.policies.network import Architecture, Network
from lw_rl.policies.observation import (
    MAX_CORRECTION,
    MAX_RATIO,
    NCHANNELS,
    action_to_points,
    points_to_action,
)
from lw_rl.problems import shipped_problem
from lw_rl.training import checkpoint
from lw_rl.training import policy as training_policy
from lw_rl.training.networks import DepthwiseNet
from lw_rl.training.train import Args, command, train

SMALL = {
    "steps": 80,
    "envs": 2,
    "workers": False,
    "points": 64,
    "problems": 4,
    "warmup": 16,
    "width": 8,
    "batch": 8,
    "imitation_batch": 8,
    "buffer": 200,
    "checkpoint_every": 40,
    "validation": 2,
    "calibration": 0,
}


@pytest.fixture(autouse=True)
def small_problems(monkeypatch):
    """Quick problems in the place of the random streams."""

    def problem(stream, k):
        return shipped_problem("CaII_K", "FALC", 34 + 2 * (k % 4) + (stream == "validation"))

    for room in ("train", "follower"):
        monkeypatch.setattr(f"lw_rl.training.{room}.random_problem", problem)


@pytest.mark.parametrize("Npoints", [32, 96, 128])
def test_torch_and_numpy_networks_agree(Npoints):
    torch.manual_seed(0)
    architecture = Architecture(NCHANNELS, 12, 4)
    net = DepthwiseNet(architecture, outputs=2)
    x = torch.randn(1, NCHANNELS, Npoints)
    expected = net(x)[0].detach().numpy()
    for output in range(2):
        found = Network(architecture, net.to_numpy(output))(x[0].numpy())
        assert np.allclose(found, expected[output], atol=1e-5)


def test_torch_and_numpy_actions_agree():
    size = np.array([1e-6, 1e-2, 0.5, 30.0])
    for s in size:
        points = np.linspace(-0.9, 0.9, 7) * min(MAX_RATIO * s, MAX_CORRECTION)
        expected = points_to_action(points, s)
        found = training_policy.points_to_action(
            torch.tensor(points)[None], torch.tensor([[s]])
        ).numpy()[0]
        assert np.allclose(found, expected, atol=1e-6)
        assert np.allclose(action_to_points(expected, s), points)


def test_log_probability_is_that_of_the_density():
    # Integrate the density of one point's squashed Gaussian over the action.
    from gymnasium import spaces

    actor = training_policy.DepthwiseActor(
        spaces.Box(-np.inf, np.inf, (NCHANNELS, 32), np.float32),
        spaces.Box(-1.0, 1.0, (32,), np.float32),
        Architecture(NCHANNELS, 8, 4),
        1.0,
    )
    torch.manual_seed(0)
    x = torch.randn(1, NCHANNELS, 32).repeat(20000, 1, 1)
    x[:, 1] = 0.0
    with torch.no_grad():
        action, log_prob = actor.action_log_prob(x)
    # E[1/p] over the support's width: the mean of 1/p is the length of the support explored.
    a, p = action[:, 5].double(), log_prob[:, 5].double().exp()
    edges = torch.quantile(a, torch.tensor([0.2, 0.8], dtype=torch.double))
    inside = (a > edges[0]) & (a < edges[1])
    assert float((inside / p).mean()) == pytest.approx(float(edges[1] - edges[0]), rel=0.02)


def test_a_run_trains_exports_and_resumes(tmp_path):
    args = Args(out=str(tmp_path / "run"), **SMALL)
    card = train(args, quiet=True)
    fields = json.loads(card.read_text())
    assert fields["environment_steps"] == 80 and fields["gradient_steps"] > 0
    assert fields["training_formal_solutions"] > 80
    assert fields["command"] == command(args)
    policy = actors.load(card)
    observation = np.zeros((NCHANNELS, 64), dtype=np.float32)
    action, _ = policy.predict(observation)
    assert action.shape == (64,)

    # The checkpoint goes on where it stopped, with more steps.
    longer = Args(out=args.out, **{**SMALL, "steps": 120})
    fields_after = json.loads(train(longer, quiet=True).read_text())
    assert fields_after["environment_steps"] == 120
    assert fields_after["gradient_steps"] > fields["gradient_steps"]
    assert fields_after["training_formal_solutions"] > fields["training_formal_solutions"]
    assert fields["resumed_at_steps"] == [] and fields_after["resumed_at_steps"] == [80]

    with pytest.raises(PolicyFileError, match="gamma: 0.5 then, 0.9 now"):
        train(Args(out=args.out, **{**SMALL, "gamma": 0.9}), quiet=True)


def test_the_card_of_a_run_tells_the_policys_limits(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "lw_rl.benchmark.calibration.random_problem",
        lambda stream, k: shipped_problem("CaII_K", "FALC", 34 + 2 * (k % 2)),
    )
    fields = json.loads(train(Args(out=str(tmp_path), **{**SMALL, "calibration": 1})).read_text())
    assert fields["error_estimate"]["factor"] >= 1.0
    assert len(fields["observation_range"]["low"]) == NCHANNELS
    # A policy as it is on the way has none: it costs time.
    assert "error_estimate" not in json.loads((tmp_path / "latest.json").read_text())


def test_a_checkpoint_that_is_not_one_is_refused(tmp_path):
    import pickle

    file = tmp_path / "checkpoint.pt"
    file.write_bytes(pickle.dumps(print))
    with pytest.raises(PolicyFileError, match="not a readable checkpoint"):
        checkpoint.load(file)


def test_imitation_learns_from_hindsight_alone(tmp_path):
    args = {**SMALL, "steps": 240, "return_every": 0, "updates_per_step": 8.0, "width": 16}
    train(Args(out=str(tmp_path / "run"), **args), quiet=True)
    log = np.genfromtxt(
        tmp_path / "run" / "log" / "from_step_0" / "progress.csv",
        delimiter=",",
        names=True,
        deletechars="",
    )
    loss = log["train/imitation_loss"]
    loss = loss[np.isfinite(loss)]
    # Of one batch it is noisy.
    assert loss[-5:].mean() < 0.8 * loss[0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"envs": 0}, "envs must be at least 1, got 0"),
        ({"problems": 2, "envs": 4}, "problems must be at least 4, got 2"),
        ({"gamma": 1.0}, "gamma must be at least 0 and below 1, got 1.0"),
        ({"final_learning_rate": 1.0}, "must not rise"),
        ({"levels": 5}, "levels must be at most 4"),
        ({"noise": float("nan")}, "noise must be at least 0.0, got nan"),
    ],
)
def test_arguments_without_a_meaning_are_refused(arguments, says):
    with pytest.raises(TrainingError, match=says):
        Args(**arguments)
