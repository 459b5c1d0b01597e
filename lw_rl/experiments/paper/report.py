"""The report on the paper: its claims and ours, each beside its measurement.

Every number and every verdict is read from the result file.
"""

from __future__ import annotations

from ..claims import Claim, Section, rows
from ..reproduction import origin
from ..text import error, rounds
from .blocks import (
    ablation,
    below,
    check,
    costs,
    errors,
    optima,
    soonest,
    training_runs,
    transfer,
    transfers,
)
from .figures import LABELS
from .summary import MAIN

__all__ = ["SECTIONS"]

# fmt: off
SECTIONS = (
    Section("The paper, reproduced and corrected", None, (
        "Panos & Milic (2025), *Policy-Based Radiative Transfer*, arXiv:2504.15679.",
        origin("paper"),
        """The true error Te is the largest |S/S_exact - 1| over depth against a direct linear solve
        on the same grid; Re is the largest |dS/S| of the last step. One formal solution is the unit
        of cost.""",
        rows(training_runs, {
            "SAC": "{name}", "seeds": "{seeds}", "steps": "{steps:,}",
            "seconds to train": "{training_seconds:span}",
            "settings that differ from the paper's": "{settings}",
        }),
    )),
    Section("The engine", None, (
        check("two-stream error, 5 / 8 / 12 points per decade", "two_stream_plateau", "/.2g",
               1.5e-2, 5.7e-3, 2.5e-3),
        check("S(0) / sqrt(eps) on 31 / 46 / 91 points", "surface_over_sqrt_eps", "/.5g",
               1.054, 1.017, 1.0025),
        check("ALI iterations to Re < 1e-4", "ali_iterations", "", 49),
        check("Te of ALI there", "ali_true_error_at_stop", ".2g", 3e-4),
        check("spectral radius of ALI, 31 / 91 points", "ali_spectral_radius", "/.3f",
               0.788, 0.94),
        Claim("sweep and matrix agree to rounding; largest relative difference",
              "{verification/sweep_against_matrix:.1e}",
              lambda c: c["verification/sweep_against_matrix"] < 1e-13),
        Claim("steps per second of one core, batch of {throughput/batch:.0f}, by sweep: >= 20,000",
              "{throughput/sweep:,.0f}", lambda c: c["throughput/sweep"] >= 20_000),
        Claim("the same by the matrix", "{throughput/matrix:,.0f}",
              lambda c: c["throughput/matrix"] >= 20_000),
        """The opacity does not depend on S, so the transfer is linear, and training uses
        Jbar = Lambda S with the precomputed matrix; the sweep is the honest formal solution.""",
    )),
    Section("Fig. 3: training", "fig3_training", (
        Claim("The mean reward rises while SAC trains, in every seed.",
              """per step, from {fig3/reward_start:span} in the first tenth of the
              {experiments/published/steps:,} steps to {fig3/reward_end:span} in the last; the bonus
              of +10 was earned in {fig3/terminated} of {fig3/episodes:,} episodes""",
              lambda c: c["fig3/reward_rises"]),
        Claim("The critic loss falls, in every seed.",
              "from {fig3/critic_loss_start:span} to {fig3/critic_loss_end:span}",
              lambda c: c["fig3/critic_loss_falls"]),
        "What these curves are worth is the subject of the sections below.",
    )),
    Section("Fig. 4: convergence", "fig4_convergence", (
        Claim("""ALI is at the solution (mean square difference from converged ALI below 1e-6) in
              more than 25 iterations.""",
              "at iteration {fig4/ali_iterations}", lambda c: c["fig4/ali_iterations"] > 25),
        Claim("Trained SAC is there in about 9.",
              """within 50 iterations in {fig4/sac_seeds_at_solution} of
              {experiments/published/seeds} seeds; it settles (Re < 1e-3) at iteration
              {fig4/sac_settled:span}, at a mean square difference of {fig4/sac_mse:span}""",
              lambda c: c["fig4/sac_seeds_at_solution"] > c["experiments/published/seeds"] / 2),
        """No sigmoid can come below 1e-6: the closest one is {optima/closest/mse:.2g} away. The
        policy settles at once because its action is absolute: one step decides everything, and a
        small Re says only that the policy repeats itself. Where the trained policies end, after 50
        steps:""",
        rows(lambda c: {name: c["experiments"][name] for name in MAIN}, {
            "policy": "{label}", "training steps": "{steps:,}",
            "true error": "{true_error:error_span}", "residual MSE": "{residual_mse:span}",
        }, LABELS),
        """Formal solutions of the peers to a true error, on 31 / 91 points, from S = B (- : not
        within 300, or 40 for GMRES):""",
        rows("peers/costs", {
            "scheme": "{label}", **{
                f"Te {e}": f"{{31/{e}:count}} / {{91/{e}:count}}"
                for e in ("0.1", "0.01", "0.001", "0.0001", "1e-06")},
        }, LABELS),
        """GMRES is charged the residual of its start; SOR has Young's omega ({peers/omega:/.2f}),
        which takes eigenvalues to know; Anderson has no safeguard here. The bar for a new scheme is
        Anderson, GMRES and SOR, not ALI.""",
    )),
    Section("Fig. 6: the greedy network", "fig6_greedy", (
        Claim("""A feed-forward network trained on the same residual, with J taken as constant in
              the gradient, oscillates and does not converge.""",
              """over the last quarter of the updates, a swing (largest minus smallest) of floor
              {fig6/swing/floor:span}, amplitude {fig6/swing/amplitude:span}, centre
              {fig6/swing/centre:span}, width {fig6/swing/width:span}; the loss spreads by a factor
              of {fig6/tail_loss_spread:span} (95 to 5 per cent) about {fig6/tail_loss:span}""",
              lambda c: c["fig6/oscillates"]),
        Claim("Hence SAC: it ends nearer to the solution.",
              """true error of the network {fig6/true_error:error_span} after
              {fig6/training_seconds:span} s of training, of SAC
              {experiments/published/true_error:error_span} after
              {experiments/published/training_seconds:span} s""",
              lambda c: (c["experiments/published/true_error/median"]
                         < c["fig6/true_error/median"])),
    )),
    Section("What the reward asks for", "optima", (
        """Found by direct search inside the action box (differential evolution and Nelder-Mead,
        several starts), on the exact engine, without learning:""",
        rows(optima, {
            "sigmoid": "{name}", "floor / amplitude / centre / width": "{parameters:/.3g}",
            "published reward": "{published_reward:.2e}", "rms dS/S": "{preconditioned_rms:.2g}",
            "surface error": "{surface_error:+.1%}", "Te": "{true_error:error}",
        }),
        Claim("The published reward is largest for the sigmoid nearest to the solution.",
              """among all sigmoids that it ranks at least as high as the nearest one, the surface
              value is off by {optima/no_worse_than_closest/surface_error/0:+.0%} to
              {optima/no_worse_than_closest/surface_error/1:+.0%}""",
              lambda c: (c["optima/published/published_reward"]
                         <= c["optima/closest/published_reward"])),
        Claim("""Dividing the residual by 1 - (1 - eps) Lambda* and by S, both known without the
              solution, moves the optimum nearer to it.""",
              """true error {optima/preconditioned/true_error:error} instead of
              {optima/published/true_error:error}""",
              lambda c: c["optima/preconditioned/true_error"] < c["optima/published/true_error"]),
        """The reason is the operator: the smallest singular value of I - (1 - eps) Lambda is
        {verification/smallest_singular_value:.1e}, so a raw residual hardly sees the slow modes.
        Plain Lambda iteration has a residual MSE of {lambda_iteration/residual_mse:.1e} after
        {lambda_iteration/iterations} steps with a true error of
        {lambda_iteration/true_error:error}.""",
    )),
    Section("What the sigmoid can express, and what a spline can", None, (
        """True error, by direct search in the box of actions, of the member of each family that is
        nearest to the solution (an upper limit on the least error), and of the one that the
        preconditioned reward prefers. The spline is monotone in log S
        (`lw_rl.slab.source_shapes`).""",
        rows("expressiveness", {
            "problem": "{name}", "least, sigmoid": "{sigmoid:error}",
            "least, spline": "{spline:error}",
            "by the reward, sigmoid": "{sigmoid_by_reward:error}",
            "by the reward, spline": "{spline_by_reward:error}",
        }),
        below("SAC on splines ends below what any sigmoid can reach, whatever the reward.",
              "spline", "sigmoid"),
        below("It ends below the sigmoid that the same reward prefers.",
              "spline", "sigmoid_by_reward"),
        below("On the sigmoid the same settings find what the reward asks for, to a factor of two.",
              "sigmoid", "sigmoid_by_reward", 2.0),
        Claim("With the paper's hyper-parameters the preconditioned reward lowers the error.",
              """{experiments/preconditioned/true_error:error_span} against
              {experiments/published/true_error:error_span} under the published reward""",
              lambda c: (c["experiments/preconditioned/true_error/median"]
                         < c["experiments/published/true_error/median"])),
        """The family decides not only what can be expressed but also what is learned with ease: the
        sigmoid sets the surface value as a floor on a linear scale from 0 to 1, on which the reward
        asks for {optima/preconditioned/parameters/0:.2g}; the spline sets it in log S. The optimum
        of a reward is one thing and what SAC finds of it another; direct search finds it in
        seconds.""",
    )),
    Section("Open question: the discount factor", "discount", (
        *ablation("gamma", "gamma", "The discount factor decides how near SAC comes."),
        """These runs are on the corrected problem, where learning gets far enough in that time to
        be compared; under the published reward the answer would be about the wrong optimum. There
        is a reason to expect little from foresight: the action replaces S altogether, so no action
        now makes a later one better, and gamma = 0 loses nothing in principle. What a larger gamma
        adds is the noise, and the delay, of a bootstrapped critic.""",
    )),
    Section("Open question: sparse or dense reward", "sparse", (
        *ablation("sparse", "reward every", "How often a reward is given decides it, too."),
        """The state does not hold the number of the step, so with a sparse reward the policy cannot
        know whether a step counts: the same action earns its reward on every k-th visit and nothing
        on the others, while the entropy bonus is paid on all. The reward was not scaled up to
        compensate for that.""",
    )),
    Section("Open question: transfer", "transfer", (
        "Trained on the isothermal slab with eps = 1e-4, tested without retraining, 50 steps:",
        transfer,
        Claim("The policy transfers: its error is below twice the best spline's everywhere.",
              """the largest difference between S on any test problem and S at home, over all seeds,
              steps and depths, is {transfer/largest_difference:.2g}""", transfers),
        lambda c: "" if c["transfer/largest_difference"] > 0 else c.write(
            """The reason is exact and needs no statistics: the policy sees S and nothing else, its
            action replaces S, so the sequence of S after the first step is the same on every
            atmosphere. It has learned one source function, not a scheme, and makes no use of the
            formal solution once it is trained. A scheme that transfers has to see the residual;
            nothing in the published state does."""),
    )),
    Section("Open question: the whole cost", "cost", (
        rows(costs, {
            "policy": "{policy}", "peer": "{peer}",
            "formal solutions to train": "{training_formal_solutions:,}",
            "processor time to train": "{training_seconds:span} s",
            "peer to the policy's error": "{to_the_same_error} ({true_error/median:error})",
            "solves to pay off": "{break_even_same_error:rounds}",
            "peer to 1e-3: from B / from the policy": "{to_1e-3} / {to_1e-3_from_policy:span}",
            "solves to pay off as a start": "{break_even_as_start:rounds}",
            "in processor time": "{break_even_seconds:rounds}",
        }),
        Claim("A trained policy reaches a true error of 1e-3 by itself.",
              lambda c: f"the least median error is {error(min(errors(c)))}",
              lambda c: min(errors(c)) < 1e-3),
        Claim("Training pays off in processor time, after some number of solves.",
              lambda c: f"{rounds(soonest(c))}; " + c.write(
                  """one call of the policy takes {solve_times/policy:.2e} s, a whole ALI solve
                  {solve_times/ali:.2e} s and an Anderson solve {solve_times/anderson:.2e} s"""),
              lambda c: soonest(c) is not None),
        """The first count of solves is for the policy's own, larger error, at one formal solution a
        solve: for an error that it does not reach, training never pays off. The second is for the
        policy as the start of a classical solve. All these counts are of solves of *one and the
        same problem*, the only one that the policy has learned; whoever meets it twice can keep the
        first answer.""",
    )),
)
"""The report, in the order in which it is read."""
# fmt: on
