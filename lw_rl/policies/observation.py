"""What a policy sees, and what its action means: the one definition that everything shares.

Training, environment and solver all call :func:`make_frame`, :func:`observe` and
:func:`correction`, so they cannot drift apart. A policy's card carries :data:`SCHEMA`; a policy
of another schema is refused.

The policy's points
-------------------
A policy works on the model's own depth points, resampled in the *index* coordinate to a multiple
of 32 (:func:`policy_points`), so the points stay where the model concentrates them. In two
dimensions every column has such points, at the same heights, and a further axis numbers the
columns: channels are those of the columns, but sizes and means are of the whole plane.

The action
----------
The non-local approximate operator (`lw_rl.operator.two_level`) estimates how far the state is from
the solution: the *estimate*. A policy adds to it one number in [-1, 1] per point, mapped to the
logarithm of the source function by ``scale * sinh(4 a) / sinh(4)`` with
``scale = min(2 max|estimate|, 8)``: linear near zero, wide at the ends, and zero at statistical
equilibrium whatever the policy does. An action of zero is the operator's own step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Array, Single
from ..host.state import LinePhysics
from ..resample import Table, resample, table

__all__ = [
    "CHANGING",
    "CHANNELS",
    "MAX_CORRECTION",
    "MAX_POINTS",
    "MAX_RATIO",
    "NCHANNELS",
    "POINT_MULTIPLE",
    "SCHEMA",
    "STEEPNESS",
    "UNCHANGING",
    "Frame",
    "Previous",
    "action_to_points",
    "correction",
    "make_frame",
    "observe",
    "observe_depths",
    "points_to_action",
    "policy_points",
    "size_of",
]


#: Version of everything in this module; it goes up whenever a policy would see anything else.
SCHEMA = 2

#: The rows of an observation, in order, all dimensionless and of order one.
CHANNELS = (
    "estimate",  # estimated error e of ln S / max|e|
    "estimate_size",  # log10 max|e| / 4
    "residual",  # MALI's residual r / max|r|
    "residual_size",  # log10(max|r| / max|e|) / 4
    "log_tau",  # ln(line-centre optical depth) / 10
    "spacing",  # ln(increase of ln tau per depth of the model) / 3
    "epsilon",  # ln(photon destruction probability) / 6 + 1
    "planck",  # ln(c^2 B / 2 h nu^3) / 10
    "planck_gradient",  # change of ln B per point * 4
    "departure",  # (ln S - ln B) / 5
    "background",  # ln(background over line-centre opacity) / 12 + 1
    "albedo",  # scattering share of the background opacity
    "damping",  # ln(Voigt damping parameter) / 5 + 1
    "velocity",  # (velocity - its mean) in Doppler widths / 3
    "velocity_gradient",  # change of the velocity in Doppler widths per point * 2
    "broadening",  # ln(Doppler width / its mean) * 2
    "last_correction",  # last correction / its maximum
    "last_surprise",  # what became of e less what should have / the correction's maximum * 3
)

#: Those that change along a solve; the others describe the problem.
CHANGING = (
    "estimate",
    "estimate_size",
    "residual",
    "residual_size",
    "departure",
    "last_correction",
    "last_surprise",
)

NCHANNELS = len(CHANNELS)
#: Which channels describe the problem alone, shape [NCHANNELS].
UNCHANGING = np.array([c not in CHANGING for c in CHANNELS])
_DEPARTURE = CHANNELS.index("departure")

#: Smallest multiple that a policy's network needs, and the largest number of its points.
POINT_MULTIPLE = 32
MAX_POINTS = 128

#: The action's map: sinh(STEEPNESS * a) / sinh(STEEPNESS), times the scale below.
STEEPNESS = 4.0
#: Largest correction of the logarithm, and largest one in units of the estimate.
MAX_CORRECTION = 8.0
MAX_RATIO = 2.0
_SINH = float(np.sinh(STEEPNESS))
#: Sizes below this are rounding; dividing by them would show the policy noise.
_TINY = 1e-300


@dataclass(frozen=True)
class Frame:
    """What does not change during a solve, prepared once.

    Attributes
    ----------
    Nspace, Npoints : int
        Points of the model, points of the policy in a column.
    static : Array
        The channels that do not change, float32, shape [NCHANNELS, Npoints], in two dimensions
        [NCHANNELS, Npoints, Nx]; the others are zero.
    log_B : Array
        ln(c^2 B / 2 h nu^3), shape [Nspace].
    lower, upper, weight : Array
        Linear interpolation in the index coordinate: each target's two neighbours and the weight
        of the upper one, to the policy's points (``[0]``) and back (``[1]``).
    columns : int
        Columns of the atmosphere; 1 in one dimension.
    """

    Nspace: int
    Npoints: int
    static: Single
    log_B: Array
    to_points: Table
    to_depths: Table
    columns: int = 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an action: [Npoints], in two dimensions [Npoints, Nx]."""
        return self.static.shape[1:]

    def at_points(self, values: Array) -> Array:
        """Return a quantity of the model, shape [Nspace], at the policy's points."""
        if self.columns > 1:
            values = values.reshape(-1, self.columns)
        return resample(values, self.to_points)

    def at_depths(self, values: Array) -> Array:
        """Return a quantity at the policy's points on the model, shape [Nspace]."""
        at_depths = resample(values, self.to_depths)
        return at_depths.ravel() if self.columns > 1 else at_depths


@dataclass(frozen=True)
class Previous:
    """What the step before did; all arrays have shape [Nspace].

    Attributes
    ----------
    correction : Array
        Change that was made to the unknown.
    before, after : Array
        Estimated error before and after it.
    """

    correction: Array
    before: Array
    after: Array


def policy_points(Nspace: int) -> int:
    """Return the number of points on which a policy sees a model of `Nspace` depths."""
    points = POINT_MULTIPLE * -(-Nspace // POINT_MULTIPLE)
    return min(points, MAX_POINTS)


def make_frame(physics: LinePhysics, Npoints: int | None = None) -> Frame:
    """Prepare a solve's unchanging part of the observation.

    Parameters
    ----------
    physics : LinePhysics
        The line's local physics, arrays of shape [Nspace].
    Npoints : int, optional
        Number of the policy's points (default: that of :func:`policy_points`).

    Returns
    -------
    frame : Frame
    """
    Nspace, columns = physics.log_tau.shape[0], physics.columns
    Nz = Nspace // columns
    N = policy_points(Nz) if Npoints is None else int(Npoints)
    shape = (N,) if columns == 1 else (N, columns)
    static = np.zeros((NCHANNELS, *shape), dtype=np.float32)
    frame = Frame(Nspace, N, static, physics.log_B, table(Nz, N), table(N, Nz), columns)
    at = frame.at_points
    by_depth = physics.log_tau if columns == 1 else physics.log_tau.reshape(Nz, columns)

    log_tau, log_B, velocity = at(physics.log_tau), at(physics.log_B), at(physics.velocity)
    log_broadening = np.log(at(physics.broadening))
    rows = {
        "log_tau": log_tau / 10.0,
        "spacing": np.log(np.maximum(at(np.gradient(by_depth, axis=0)), 1e-6)) / 3.0,
        "epsilon": np.log(np.maximum(at(physics.epsilon), 1e-12)) / 6.0 + 1.0,
        "planck": log_B / 10.0,
        "planck_gradient": np.gradient(log_B, axis=0) * 4.0,
        "background": np.log(np.maximum(at(physics.background), 1e-20)) / 12.0 + 1.0,
        "albedo": at(physics.albedo),
        "damping": np.log(np.maximum(at(physics.damping), 1e-10)) / 5.0 + 1.0,
        "velocity": (velocity - velocity.mean()) / 3.0,
        "velocity_gradient": np.gradient(velocity, axis=0) * 2.0,
        "broadening": (log_broadening - log_broadening.mean()) * 2.0,
    }
    for name, row in rows.items():
        static[CHANNELS.index(name)] = row
    return frame


def _within(values: Array) -> Array:
    # numpy's clip takes several times as long at this size.
    return np.minimum(np.maximum(values, -8.0), 8.0)


def size_of(values: Array) -> float:
    """Return the largest absolute value, which scales what the policy sees and does."""
    return max(float(values.max()), -float(values.min()), _TINY)


def observe(
    frame: Frame, y: Array, r: Array, estimate: Array, previous: Previous | None = None
) -> Single:
    """Return what a policy sees of one evaluation.

    Parameters
    ----------
    frame : Frame
        From :func:`make_frame`.
    y, r, estimate : Array
        Unknown, residual of the plain update, and the operator's estimate of the remaining
        correction, shape [Nspace].
    previous : Previous, optional
        The step before; its channels are zero if there was none.

    Returns
    -------
    observation : Array
        float32, shape [NCHANNELS, Npoints], in two dimensions [NCHANNELS, Npoints, Nx].
    """
    size, residual = size_of(estimate), size_of(r)
    observation = frame.static.copy()
    observation[0] = frame.at_points(estimate) / size
    observation[1] = np.log10(size) / 4.0
    observation[2] = frame.at_points(r) / residual
    observation[3] = np.log10(residual / size) / 4.0
    observation[_DEPARTURE] = _within(frame.at_points(y - frame.log_B) / 5.0)
    if previous is not None:
        moved = size_of(previous.correction)
        if moved > 1e-12:
            surprise = previous.after - (previous.before - previous.correction)
            observation[-2] = frame.at_points(previous.correction) / moved
            observation[-1] = _within(frame.at_points(surprise) / moved * 3.0)
    return observation


def action_to_points(action: Array | Single, size: float) -> Array:
    """Return the correction that an action stands for, at the policy's points.

    Parameters
    ----------
    action : Array
        Values in [-1, 1], shape [Npoints], in two dimensions [Npoints, Nx].
    size : float
        The largest absolute estimate.
    """
    scale = min(MAX_RATIO * size, MAX_CORRECTION)
    return scale * np.sinh(STEEPNESS * np.asarray(action, dtype=np.float64)) / _SINH


def points_to_action(points: Array, size: float | Array) -> Array:
    """Return the action, clipped to [-1, 1], that stands for a correction at the points."""
    scale = np.minimum(MAX_RATIO * np.asarray(size), MAX_CORRECTION)
    return np.clip(np.arcsinh(points / scale * _SINH) / STEEPNESS, -1.0, 1.0)


def correction(frame: Frame, action: Array | Single, estimate: Array) -> Array:
    """Return the correction of the unknown that an action stands for.

    Parameters
    ----------
    frame : Frame
        From :func:`make_frame`.
    action : Array
        Values in [-1, 1], shape [Npoints], in two dimensions [Npoints, Nx].
    estimate : Array
        The operator's estimate of the remaining correction, shape [Nspace].

    Returns
    -------
    correction : Array
        Change of the unknown, shape [Nspace]: the estimate, and the action's share at the policy's
        points, interpolated.
    """
    at_points = action_to_points(action, size_of(estimate))
    return estimate + frame.at_depths(at_points)


def observe_depths(frame: Frame, values: Array) -> Array:
    """Return a quantity on the model's depths at the policy's points, shape [Npoints]."""
    return frame.at_points(values)
