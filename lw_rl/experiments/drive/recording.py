"""What solves met, kept in a file, so that a study goes on where it was."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ...arrays import Single
from ...envs.drive import Drive, Key, Node
from ...files import write_atomically
from ...policies.drive import Decision, Kind, Situation, priced

__all__ = ["end_of", "load", "save"]


def save(path: Path, env: Drive) -> None:
    """Write all that an environment met."""
    nodes = [
        {
            "problem": name,
            "decisions": [list(asdict(d).values()) for d in path_],
            "observation": None if n.observation is None else n.observation.tolist(),
            "work": dict(n.work),
            "ended": n.ended,
            "error": None if np.isnan(n.error) else n.error,
            "Nformal": n.Nformal,
        }
        for (name, path_), n in env.memory.items()
    ]
    kinds = {name: asdict(kind) for name, kind in env.kinds.items()}
    content = {"nodes": nodes, "kinds": kinds, "solves": env.solves}
    write_atomically(path, json.dumps(content).encode())


def load(path: Path, env: Drive) -> None:
    """Read what another environment of the same arguments met, if there is such a file.

    Costs are those of the present model.
    """
    if not path.is_file():
        return
    content = json.loads(path.read_bytes())
    env.solves = content["solves"]
    env.kinds.update({name: Kind(**kind) for name, kind in content["kinds"].items()})
    for n in content["nodes"]:
        key: Key = (n["problem"], tuple(Decision(*d) for d in n["decisions"]))
        error = np.nan if n["error"] is None else n["error"]
        situation = Situation(env.kinds[n["problem"]], made=n["Nformal"], work=n["work"])
        seen = None
        if n["observation"] is not None:
            seen = priced(np.array(n["observation"], dtype=np.float32), situation)
        env.memory[key] = Node(seen, situation.cost, n["ended"], error, n["Nformal"], n["work"])


def end_of(env: Drive, problem: int, actions: tuple[Single, Single]) -> Node:
    """Return the end of a solve by two actions, of which the second holds."""
    env.reset(options={"problem": problem})
    for action in actions:
        if not env.node.ended:
            env.step(action)
    return env.node
