"""Every exception that lw_rl raises on purpose, each with a name that says what was wrong."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "ActionSpaceError",
    "AtmosphereError",
    "AtomReductionError",
    "ClusterError",
    "ContextError",
    "CriticError",
    "CubeInputError",
    "CubeOutputError",
    "CubeSettingsError",
    "FigureFileError",
    "FigureFormatError",
    "InvertibilityError",
    "LwRlError",
    "MemoryLimitError",
    "MissingExtraError",
    "NoReferenceError",
    "NotConvergedError",
    "OutOfRangeError",
    "PolicyFileError",
    "PolicyOutputError",
    "PopulationsError",
    "ReadmeError",
    "RunFolderError",
    "SamplerError",
    "SchemaError",
    "SpectrumError",
    "TemperatureError",
    "TimeStepError",
    "TrainingError",
    "UnknownNameError",
    "UnusedPolicyError",
]


class LwRlError(Exception):
    """Base class of every error that lw_rl raises on purpose."""


class UnknownNameError(LwRlError, ValueError):
    """A name that is in no registry; the message lists the names that are.

    Parameters
    ----------
    kind : str
        What was asked for, e.g. ``"scheme"``.
    name : object
        The name that is not known.
    known : iterable of str
        The names that are.
    """

    def __init__(self, kind: str, name: object, known: Iterable[str]):
        self.kind, self.name, self.known = kind, name, sorted(known)
        super().__init__(f"unknown {kind} {name!r}; known: {', '.join(self.known)}")

    def __reduce__(self) -> tuple[type[UnknownNameError], tuple[str, object, list[str]]]:
        return type(self), (self.kind, self.name, self.known)


class AtomReductionError(LwRlError, ValueError):
    """A line that cannot be reduced to a two-level atom, or a parent atom without its tables."""


class AtmosphereError(LwRlError, ValueError):
    """An atmosphere with values no formal solution can be made for."""


class ContextError(LwRlError, ValueError):
    """A Lightweaver context that cannot be iterated."""


class MemoryLimitError(LwRlError, MemoryError):
    """An operator would need more memory than there is."""


class NotConvergedError(ContextError):
    """A context that is not in the equilibrium which was asked something of."""


class PopulationsError(LwRlError, ValueError):
    """Populations that are not those of a context's atoms and depths."""


class SpectrumError(LwRlError, ValueError):
    """Wavelengths, angles or tolerances that no spectrum can be computed for."""


class TimeStepError(LwRlError, ValueError):
    """A step in time that cannot be made."""


class PolicyFileError(LwRlError, ValueError):
    """A policy file that is truncated, tampered with, or not a policy at all."""


class UnusedPolicyError(LwRlError, ValueError):
    """A policy for a scheme that does not ask one."""


class SchemaError(PolicyFileError):
    """A policy that was trained on another definition of the observation."""


class PolicyOutputError(LwRlError, RuntimeError):
    """A policy that returned something other than one finite number per depth point."""


class OutOfRangeError(PolicyOutputError):
    """An observation unlike any that the policy was trained on; the policy was not asked."""


class TrainingError(LwRlError, ValueError):
    """Arguments that no training run can be made of."""


class MissingExtraError(LwRlError, ImportError):
    """A command that needs an optional dependency which is not installed."""

    @classmethod
    def of(cls, what: str, extra: str, missing: Iterable[str]) -> MissingExtraError:
        """Return the error with a command that installs what is missing.

        The command names the packages of the extra, not the extra: so it works whether this
        package came from a registry, a checkout or a file.

        Parameters
        ----------
        what : str
            What needs them, with its verb: ``"cubes need"``.
        extra : str
            The extra, e.g. ``"cube"``.
        missing : iterable of str
            The modules that are not there.
        """
        from importlib.metadata import requires

        missing = tuple(missing)
        needed = [
            requirement.replace(" ", "")
            for requirement, _, marker in (r.partition(";") for r in requires("lw-rl") or ())
            if marker.replace('"', "'").strip() == f"extra == '{extra}'"
        ]
        return cls(
            f"{what} {', '.join(missing)}, which "
            f"{'is' if len(missing) == 1 else 'are'} not installed: python -m pip install "
            + " ".join(f"'{requirement}'" for requirement in needed)
            + f" (the extra [{extra}] of lw-rl)"
        )


class FigureFileError(LwRlError, OSError):
    """A figure's file that cannot be written."""


class FigureFormatError(LwRlError, ValueError):
    """A figure's file whose suffix is no format that it can be written in."""


class NoReferenceError(LwRlError, RuntimeError):
    """A problem whose reference solution cannot be computed."""


class ReadmeError(LwRlError, ValueError):
    """A README or page without the block that is to be generated, or with an example that fails."""


class CubeInputError(LwRlError, ValueError):
    """A cube of columns that cannot be read, or is not what the format says."""


class CubeSettingsError(LwRlError, ValueError):
    """A setting that no cube can be solved with, or not the one that its output was begun with."""


class CubeOutputError(LwRlError, OSError):
    """An output that cannot be written: read-only, full, in use, or something else."""


class ClusterError(LwRlError, RuntimeError):
    """A Dask cluster that is not there, is lost, or runs another version of lw_rl."""


class SamplerError(LwRlError, ValueError):
    """A setting that no sampler of actions can run with; the message names the bound."""


class InvertibilityError(SamplerError):
    """A step of the sampler so long for its bandwidth that the change of variables fails."""


class ActionSpaceError(LwRlError, ValueError):
    """An action space that is not a bounded box of real numbers."""


class CriticError(LwRlError, RuntimeError):
    """A critic that returned something other than finite action values."""


class TemperatureError(LwRlError, ValueError):
    """A temperature or a requested entropy that no policy can have."""


class RunFolderError(LwRlError, ValueError):
    """A folder that holds no record of a training run."""
