"""The command `lw-rl`: a group whose commands are imported when they are run.

One module for every command, which holds arguments, calls and printing, nothing else; what it runs
is imported inside, so that help and bad arguments are answered at once. Change it to add a command.
It imports everything in `lw_rl`.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

import click

from ..errors import LwRlError
from .options import Interrupted

__all__ = ["LazyGroup", "main"]

#: Command, module and attribute it lives at, and its line in `lw-rl --help`. The line stands here
#: so that the help of the group imports none of them.
_COMMANDS = {
    "solve": ("lw_rl.cli.solve", "solve", "Solve atoms in one atmosphere, beside the peers."),
    "train": ("lw_rl.cli.train", "train", "Train a policy by Soft Actor-Critic."),
    "calibrate": ("lw_rl.cli.calibrate", "calibrate", "Write a policy's limits into its card."),
    "control": ("lw_rl.cli.control", "control", "Train SAC or S2AC on a gymnasium environment."),
    "study": ("lw_rl.cli.study", "study", "Show which part of the training contributes what."),
    "bench": ("lw_rl.cli.bench", "bench", "Measure all schemes on named suites of problems."),
    "overview": ("lw_rl.cli.overview", "overview", "Sum up what was measured in one table."),
    "paper": ("lw_rl.cli.paper", "paper", "Reproduce Panos & Milic (2025)."),
    "cube": ("lw_rl.cli.cube", "cube", "Solve every column of a simulation cube, on Dask."),
    "cube-synthetic": ("lw_rl.cli.cube", "cube_synthetic", "Make a cube of perturbed FAL columns."),
    "cube-bench": ("lw_rl.cli.cube_bench", "cube_bench", "Measure cubes: rate, memory, kills."),
    "soak": ("lw_rl.cli.soak", "soak", "Solve hostile problems and count what goes wrong."),
    "entropy-report": (
        "lw_rl.cli.entropy_report", "entropy_report", "Measure maximum-entropy control.",
    ),
    "plot": ("lw_rl.cli.plot", "plot", "Draw a training run from its log."),
    "info": ("lw_rl.cli.info", "info", "List atoms, atmospheres, schemes, suites and policies."),
}  # fmt: skip


class _Failure(click.ClickException):
    """An error of ours, shown as one line."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        click.echo(f"lw-rl: error: {' '.join(self.message.split())}", err=True)


#: What stands below `lw-rl --help`.
_EPILOG = """\b
Exit codes:
  0    done
  1    a fault of this package, with its traceback: please report it
  2    something to put right: one line on stderr says what
  130  interrupted (Ctrl-C)

\b
Completion of commands, options and names, in bash (or zsh, fish):
  eval "$(_LW_RL_COMPLETE=bash_source lw-rl)"
"""


class LazyGroup(click.Group):
    """A group that imports a command when it is run, and shows our errors as one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, in the order of a user's way through them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in _COMMANDS:
            return None
        # A user of the command line is told of old spellings too.
        warnings.filterwarnings("default", category=DeprecationWarning, module=r"lw_rl\.cli")
        # The host's advice on tuning, three lines at every start; the user guide gives it once.
        warnings.filterwarnings("ignore", message="No config file found", category=UserWarning)
        module, attribute, _ = _COMMANDS[cmd_name]
        return getattr(import_module(module), attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry[2]) for name, entry in _COMMANDS.items()])

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the group's own options; a mistake in them is one line."""
        try:
            return super().make_context(*args, **kwargs)
        except click.UsageError as err:
            raise _one_line(err) from err

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; whatever a user can put right ends it with one line and exit code 2."""
        try:
            return super().invoke(ctx)
        except click.UsageError as err:
            raise _one_line(err) from err
        except (KeyboardInterrupt, click.Abort) as err:
            raise Interrupted("interrupted") from err
        except BrokenPipeError:
            # Whoever reads has gone: click's own matter.
            raise
        except (LwRlError, OSError) as err:
            raise _Failure(str(err)) from err


def _one_line(err: click.UsageError) -> click.ClickException:
    """Return a mistake in the arguments as one line that names the help."""
    if type(err).__name__ == "NoArgsIsHelpError":
        return err
    where = err.ctx.command_path if err.ctx is not None else "lw-rl"
    return _Failure(f"{err.format_message().rstrip('.')}. See `{where} --help`")


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EPILOG
)
@click.version_option(package_name="lw-rl", prog_name="lw-rl")
def main() -> None:
    """Accelerated, certified iteration to non-LTE statistical equilibrium in Lightweaver.

    \b
    Examples:
      lw-rl solve CaII_K FALC         table and figure of one solve
      lw-rl cube IN.hdf5 OUT.zarr     every column of a simulation
      lw-rl info                      what there is to solve with
      lw-rl bench --suite fal         all schemes on FAL models
    """  # noqa: D301 (click needs the escape itself, not a raw string)
