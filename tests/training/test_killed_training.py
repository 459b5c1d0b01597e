"""``kill -9`` of a training run: no checkpoint is ever unreadable, one interval at most is lost.

=================================================== ==========================================
safeguard (where)                                   test
=================================================== ==========================================
a checkpoint is written in one step                 test_killed_at_random_moments
(files.write_atomically)
what is resumed goes on as it was                   test_a_killed_run_ends_where_others_do
(checkpoint.save, checkpoint.restore)
=================================================== ==========================================
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from lw_rl.training import checkpoint

KILLS = 20
INTERVAL = 40
STEPS = 100_000  # more than there is time for

#: A run on small problems that notes every step, so that the test knows how far it was.
#: Arguments: folder, steps, seed.
_RUN = f"""
import sys
from pathlib import Path
from lw_rl.problems import shipped_problem
from lw_rl.training import follower, train

def problem(stream, k):
    return shipped_problem("CaII_K", "FALC", 34 + 2 * (k % 4) + (stream == "validation"))

out, steps = Path(sys.argv[1]), int(sys.argv[2])
original = follower.Follower._on_step

def noted(self):
    (out / "steps").write_text(str(self.model.num_timesteps))
    return original(self)

follower.Follower._on_step = noted
out.mkdir(exist_ok=True)
(out / "started").touch()
train.train(train.Args(
    out=str(out), steps=steps, seed=int(sys.argv[3]), envs=2, workers=False, points=64,
    problems=4, warmup=16, width=8, batch=8, imitation_batch=8, buffer=200,
    checkpoint_every={INTERVAL}, validation=1,
), quiet=True, problem_of=problem)
"""


def begin(out: Path, steps: int, seed: int = 1) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-P", "-W", "ignore", "-c", _RUN, str(out), str(steps), str(seed)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def steps_of(out: Path) -> int:
    file = out / "steps"
    text = file.read_text() if file.exists() else ""
    return int(text) if text else 0


def end(out: Path) -> float:
    """Return how far from the solution a policy's run has learned to come, in e-foldings."""
    card = json.loads((out / "policy.json").read_text())
    return float(np.log(card["validation"]["error_after_2"]))


@pytest.mark.slow
def test_a_killed_run_ends_where_others_do(tmp_path):
    """Not further from undisturbed seeds than the furthest of these from each other.

    That is what can be asked: where a run is killed is random, and its environments begin new
    episodes when it goes on.
    """
    steps, rng = 480, np.random.default_rng(1)
    undisturbed = []
    for seed in (1, 2, 3, 4):
        process = begin(tmp_path / f"{seed}", steps, seed)
        assert process.wait(600) == 0, process.stderr.read().decode()
        undisturbed.append(end(tmp_path / f"{seed}"))
    process = begin(tmp_path / "early", INTERVAL)
    assert process.wait(600) == 0, process.stderr.read().decode()
    early = end(tmp_path / "early")
    out, kills = tmp_path / "killed", 0
    while kills < 8:
        process = begin(out, steps)
        before = steps_of(out)
        while steps_of(out) <= before and process.poll() is None:
            time.sleep(0.05)
        time.sleep(rng.uniform(0.0, 3.0))
        if process.poll() is not None:
            break
        process.kill()
        process.wait()
        kills += 1
    process = begin(out, steps)
    assert process.wait(600) == 0, process.stderr.read().decode()
    killed, low, high = end(out), min(undisturbed), max(undisturbed)
    print(f"killed {kills} times {killed:.2f}, undisturbed {undisturbed}, hardly begun {early:.2f}")
    assert kills >= 3
    assert low - (high - low) <= killed <= high + (high - low)
    assert early > high + (high - low), "the measure tells nothing"


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path):
    out, rng = tmp_path / "run", np.random.default_rng(0)
    saved = 0
    for _ in range(KILLS):
        before = saved
        (out / "steps").unlink(missing_ok=True)
        process = begin(out, STEPS)
        try:
            # Until it has made steps of its own, then for a random while.
            deadline = time.monotonic() + 120.0
            while steps_of(out) <= before and time.monotonic() < deadline:
                assert process.poll() is None, process.stderr.read().decode()
                time.sleep(0.05)
            time.sleep(rng.uniform(0.0, 6.0))
        finally:
            process.kill()
            process.wait()
        reached = steps_of(out)
        if (out / "checkpoint.pt").exists():
            saved = checkpoint.load(out / "checkpoint.pt")["num_timesteps"]
        assert saved >= before, "a checkpoint went back"
        # The note may be of the interval's last step, whose checkpoint was being written.
        assert reached - saved <= 2 * INTERVAL
        assert not [f for f in out.glob("*.pt") if f.name != "checkpoint.pt"]
    assert saved > 0
    # What was killed twenty times goes on to the end.
    process = begin(out, saved + INTERVAL)
    assert process.wait(300) == 0, process.stderr.read().decode()
    card = json.loads((out / "policy.json").read_text())
    assert card["environment_steps"] >= saved + INTERVAL
    assert len(card["resumed_at_steps"]) >= 1
    assert np.isfinite(card["validation"]["median_1e-03"])
