"""Checkpoints of a training run: one file, written in one step, read without unpickling code."""

from __future__ import annotations

import io
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
import torch

from ..envs.stat_equil import Visit
from ..errors import PolicyFileError
from ..files import Json, write_atomically
from ..host.state import LinePhysics
from .hindsight import HindsightBuffer
from .sac import DepthwiseSAC

__all__ = ["Spent", "load", "restore", "save"]

#: Arrays of the replay buffer that a resumed run needs.
_BUFFER = (
    "observations",
    "next_observations",
    "actions",
    "rewards",
    "dones",
    "timeouts",
    "reward_maps",
)


@dataclass(frozen=True)
class Spent:
    """What a run has cost so far.

    Attributes
    ----------
    seconds : float
        Wall time.
    Nformal : int
        Formal solutions.
    resumed_at : tuple of int
        Environment steps at which the run was taken up again.
    """

    seconds: float = 0.0
    Nformal: int = 0
    resumed_at: tuple[int, ...] = ()


def save(path: Path, model: DepthwiseSAC, arguments: Json, spent: Spent) -> None:
    """Write a checkpoint.

    Parameters
    ----------
    path : Path
        The file.
    model : DepthwiseSAC
        What is trained.
    arguments : dict
        Arguments of the run: plain numbers and strings.
    spent : Spent
        What the run has cost so far.
    """
    buffer = model.replay_buffer
    upper = buffer.buffer_size if buffer.full else buffer.pos
    state = {
        "arguments": arguments,
        "spent": astuple(spent),
        "num_timesteps": model.num_timesteps,
        "n_updates": model._n_updates,
        "policy": model.policy.state_dict(),
        "actor_optimizer": model.actor.optimizer.state_dict(),
        "critic_optimizer": model.critic.optimizer.state_dict(),
        "log_ent_coef": None if model.log_ent_coef is None else model.log_ent_coef.detach(),
        "buffer": {k: torch.from_numpy(getattr(buffer, k)[:upper]) for k in _BUFFER},
        "pos": buffer.pos,
        "full": buffer.full,
        "visits": _pack_visits(buffer),
        "buffer_rng": buffer.rng.bit_generator.state,
        "torch_rng": torch.get_rng_state(),
    }
    stream = io.BytesIO()
    torch.save(state, stream)
    write_atomically(path, stream.getvalue())


def load(path: Path) -> Json:
    """Read a checkpoint; nothing in it is executed.

    Raises
    ------
    PolicyFileError
        If the file is not a checkpoint.
    """
    try:
        return torch.load(path, weights_only=True)
    except Exception as err:  # torch raises many kinds for a file that is not its own
        raise PolicyFileError(f"{path} is not a readable checkpoint: {err}") from err


def restore(model: DepthwiseSAC, state: Json) -> None:
    """Put a model, its buffer and the random numbers back to a checkpoint."""
    model.num_timesteps = state["num_timesteps"]
    model._n_updates = state["n_updates"]
    model.policy.load_state_dict(state["policy"])
    model.actor.optimizer.load_state_dict(state["actor_optimizer"])
    model.critic.optimizer.load_state_dict(state["critic_optimizer"])
    if model.log_ent_coef is not None:
        model.log_ent_coef.data.copy_(state["log_ent_coef"])
    buffer = model.replay_buffer
    for k in _BUFFER:
        saved = state["buffer"][k].numpy()
        getattr(buffer, k)[: len(saved)] = saved
    buffer.pos, buffer.full = state["pos"], state["full"]
    _unpack_visits(buffer, state["visits"])
    buffer.rng.bit_generator.state = state["buffer_rng"]
    torch.set_rng_state(state["torch_rng"])


def _pack_visits(buffer: HindsightBuffer) -> Json:
    packed = {}
    for name, visits in buffer.visits.items():
        states = [*visits.first, *visits.last]
        packed[name] = {
            "physics": {
                f.name: torch.from_numpy(np.array(getattr(visits.physics, f.name)))
                for f in fields(LinePhysics)
            },
            "y": torch.from_numpy(np.array([s[0] for s in states])),
            "r": torch.from_numpy(np.array([s[1] for s in states])),
            "error": torch.from_numpy(np.array([s[2] for s in states])),
            "starts": [bool(s[3]) for s in states],
        }
    return packed


def _unpack_visits(buffer: HindsightBuffer, packed: Json) -> None:
    for name, saved in packed.items():
        buffer.register(name, LinePhysics(**{k: v.numpy() for k, v in saved["physics"].items()}))
        columns = (saved[k].numpy() for k in ("y", "r", "error"))
        for visit in zip(*columns, saved["starts"], strict=True):
            buffer.visits[name].add(Visit(*visit))
