"""The Markdown report on the paper: every number and every verdict read from the result file."""

from __future__ import annotations

from lw_rl.experiments.paper import questions as paper_questions
from lw_rl.experiments.paper import remedy as paper_remedy
from lw_rl.experiments.paper.cells import EXPERIMENTS
from lw_rl.experiments.paper.figures import LABELS
from lw_rl.experiments.paper.summary import MAIN
from lw_rl.experiments.text import Result, assemble, choose, count, error_span, span, table, verdict


def report(result: Result, figures: dict[str, str]) -> str:
    """Return the report.

    Parameters
    ----------
    result : dict
        The result file, summary included.
    figures : dict
        File name of each figure of `lw_rl.experiments.paper.figures.FIGURES`, relative to the
        report.

    Returns
    -------
    str
        Markdown.
    """
    sections = (
        _head,
        _engine,
        _fig3,
        _fig4,
        _fig6,
        paper_remedy.optima,
        paper_remedy.expressiveness,
        paper_questions.discount,
        paper_questions.sparse,
        paper_questions.transfer,
        paper_questions.cost,
    )
    return assemble(sections, result, figures)


def _head(r: Result, figures: dict[str, str]) -> str:
    versions = ", ".join(f"{k} {v}" for k, v in r["versions"].items())
    quick = (
        "\n\n**A quick run: a few hundred training steps. It shows that everything works; its "
        "numbers on learning mean nothing.**"
    )
    done, of = r["cells"]["done"], r["cells"]["all"]
    partial = (
        f"\n\n**Not finished: {done} of {of} cells. Every number below comes from those that are; "
        "the table has the seeds of each experiment.**"
    )
    rows = [
        (EXPERIMENTS[k].title, str(v["seeds"]), f"{v['steps']:,}", span(v["training_seconds"]))
        for k, v in r["summary"]["experiments"].items()
    ]
    return f"""# The paper, reproduced and put right

Panos & Milic (2025), *Policy-Based Radiative Transfer*, arXiv:2504.15679. Made by
`lw-rl paper --seeds {r["seeds"]}`, {done} cells in {r["cpu_seconds"] / 60:.1f} minutes of processor
time, that is {r["cpu_seconds"] / 120:.1f} minutes on two cores ({versions}). A range in brackets
runs from the first to the third quartile over the seeds. The true error Te is the largest
|S/S_exact - 1| over depth against a direct linear solve on the same grid; Re is the largest
|dS/S| of the last step. One formal solution is the unit of cost. Seconds are processor time,
measured beside whatever else the machine was doing.{quick * r["quick"]}{partial * (done < of)}

{table(("SAC", "seeds", "steps", "seconds to train"), rows)}"""


def _engine(r: Result, figures: dict[str, str]) -> str:
    v, t = r["facts"]["verification"], r["facts"]["throughput"]
    plateau, surface = v["two_stream_plateau"], v["surface_over_sqrt_eps"]
    rows = [
        ("two-stream error, 5 / 8 / 12 points per decade", "1.5e-2 / 5.7e-3 / 2.5e-3",
         " / ".join(f"{x:.2g}" for x in plateau.values())),
        ("S(0) / sqrt(eps) on 31 / 46 / 91 points", "1.054 / 1.017 / 1.0025",
         " / ".join(f"{x:.5g}" for x in surface.values())),
        ("ALI iterations to Re < 1e-4", "49", str(v["ali_iterations"])),
        ("Te of ALI there", "3e-4", f"{v['ali_true_error_at_stop']:.2g}"),
        ("spectral radius of ALI, 31 / 91 points", "0.788 / 0.94",
         " / ".join(f"{x:.3f}" for x in v["ali_spectral_radius"].values())),
        ("sweep against matrix, largest relative difference", "rounding",
         f"{v['sweep_against_matrix']:.1e}"),
        (f"steps per second of one core, batch of {t['batch']:.0f}, by sweep", ">= 20,000",
         f"{t['sweep']:,.0f}"),
        ("the same by the matrix", ">= 20,000", f"{t['matrix']:,.0f}"),
    ]  # fmt: skip
    return f"""## The engine

{table(("check", "expected", "found"), rows)}

The opacity does not depend on S, so the transfer is linear, and training uses
Jbar = Lambda S with the precomputed matrix; the sweep is the honest formal solution."""


def _fig3(r: Result, figures: dict[str, str]) -> str:
    s = r["summary"]["fig3"]
    e = r["summary"]["experiments"]["published"]
    agree = s["reward_rises"] and s["critic_loss_falls"]
    return f"""## Fig. 3: training

![training]({figures["fig3_training"]})

*The paper:* the mean reward rises and the critic loss falls while SAC trains.

*We get* (first against last tenth of the {e["steps"]:,} steps): a mean reward per step from
{span(s["reward_start"])} to {span(s["reward_end"])}, and a critic loss from
{span(s["critic_loss_start"])} to {span(s["critic_loss_end"])}. The bonus of +10 was earned in
{s["terminated"]} of {s["episodes"]:,} episodes.

*Verdict:* {verdict(agree)}. {
        choose(
            agree,
            "The curves look as published; what they are worth is "
            "the subject of the sections below.",
            "In at least one seed one of the two went the other way.",
        )
    }"""


def _fig4(r: Result, figures: dict[str, str]) -> str:
    s, e = r["summary"]["fig4"], r["summary"]["experiments"]
    n = e["published"]["seeds"]
    costs = r["facts"]["peers"]["costs"]
    rows = [
        (
            LABELS[name].replace("$\\Lambda$", "Lambda").replace("$\\omega$", "omega"),
            *(
                f"{count(costs[name]['31'][t])} / {count(costs[name]['91'][t])}"
                for t in ("0.1", "0.01", "0.001", "0.0001", "1e-06")
            ),
        )
        for name in costs
    ]
    omega = " / ".join(f"{x:.2f}" for x in r["facts"]["peers"]["omega"].values())
    policies = [
        (
            LABELS[name],
            f"{e[name]['steps']:,}",
            error_span(e[name]["true_error"]),
            span(e[name]["residual_mse"]),
        )
        for name in MAIN
    ]
    mark = ("Te 1e-1", "1e-2", "1e-3", "1e-4", "1e-6")
    return f"""## Fig. 4: convergence

![convergence]({figures["fig4_convergence"]})

*The paper:* trained SAC is at the solution (mean square difference from ALI below 1e-6) in about
9 iterations, ALI in more than 25.

*We get:* ALI passes that mark at iteration {s["ali_iterations"]}. SAC passes it within 50
iterations in {s["sac_seeds_at_solution"]} of {n} seeds; it settles (Re < 1e-3) at iteration
{span(s["sac_settled"])}, at a mean square difference of {span(s["sac_mse"])} and a true error
of {error_span(e["published"]["true_error"])}.

*Verdict:* ALI {verdict(s["ali_agrees"])}; SAC {verdict(s["sac_agrees"])}. No sigmoid can pass
the mark: the closest one is {r["facts"]["optima"]["closest"]["mse"]:.2g} away. The policy settles
at once because its action is absolute: one step decides everything, and a small Re says only that
the policy repeats itself.

Where the trained policies end, after 50 steps:

{table(("policy", "training steps", "true error", "residual MSE"), policies)}

Formal solutions of the peers to a true error, on 31 / 91 points, from S = B (- : not within 300,
or 40 for GMRES):

{table(("scheme", *mark), rows)}

GMRES is charged the residual of its start; SOR has Young's omega ({omega}), which takes
eigenvalues to know; Anderson has no safeguard here. The bar for a new scheme is Anderson, GMRES
and SOR, not ALI."""


def _fig6(r: Result, figures: dict[str, str]) -> str:
    s = r["summary"]["fig6"]
    sac = r["summary"]["experiments"]["published"]
    swings = ", ".join(f"{k} {span(v)}" for k, v in s["swing"].items())
    conclusion = (
        "SAC is the more accurate of the two, as the paper concludes."
        if s["sac_is_better"]
        else "But the conclusion drawn from it does not hold here: the greedy network, oscillation "
        "and all, ends nearer to the solution than SAC does, and sooner."
    )
    return f"""## Fig. 6: the greedy network

![greedy]({figures["fig6_greedy"]})

*The paper:* a feed-forward network trained on the same residual, with J taken as constant in the
gradient, oscillates and does not converge; hence SAC.

*We get*, over the last quarter of the updates, a swing (largest minus smallest) of {swings}; the
loss spreads by a factor of {span(s["tail_loss_spread"])} (95 to 5 per cent) about
{span(s["tail_loss"])}. Its true error at the end is {error_span(s["true_error"])}, after
{span(s["training_seconds"])} s of training; that of SAC is {error_span(sac["true_error"])},
after {span(sac["training_seconds"])} s.

*Verdict:* the oscillation {verdict(s["oscillates"])}. {conclusion}"""
