"""``kill -9`` of a training run: no checkpoint is ever unreadable, one interval at most is lost.

=================================================== ==========================================
safeguard (where)                                   test
=================================================== ==========================================
a checkpoint is written in one step                 test_killed_at_random_moments
(files.write_atomically)
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

from lw_rl.training import checkpoint  # noqa: E402

KILLS = 20
INTERVAL = 40
STEPS = 100_000  # more than there is time for

#: A run on small problems that notes every step, so that the test knows how far it was.
_RUN = f"""
import sys
from pathlib import Path
from lw_rl.problems import shipped_problem
from lw_rl.training import follower, train

def problem(stream, k):
    return shipped_problem("CaII_K", "FALC", 34 + 2 * (k % 4) + (stream == "validation"))

train.random_problem = follower.random_problem = problem
out, steps = Path(sys.argv[1]), int(sys.argv[2])
original = follower.Follower._on_step

def noted(self):
    (out / "steps").write_text(str(self.model.num_timesteps))
    return original(self)

follower.Follower._on_step = noted
out.mkdir(exist_ok=True)
(out / "started").touch()
train.train(train.Args(
    out=str(out), steps=steps, envs=2, workers=False, points=64, problems=4, warmup=16, width=8,
    batch=8, imitation_batch=8, buffer=200, checkpoint_every={INTERVAL}, validation=1,
), quiet=True)
"""


def begin(out: Path, steps: int) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-P", "-W", "ignore", "-c", _RUN, str(out), str(steps)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def steps_of(out: Path) -> int:
    file = out / "steps"
    text = file.read_text() if file.exists() else ""
    return int(text) if text else 0


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
