"""The Markdown report on maximum-entropy control: every number from the result file."""

from __future__ import annotations

from ..text import Result, assemble, choose, span, table, verdict
from .summary import AGREES, FEW, HELD, SOLVED, SPREAD
from .transfer import shared, transfer

_KINDS = {"tracers": "SVGD, tracers", "particles": "SVGD, published", "langevin": "Langevin"}


def report(result: Result, figures: dict[str, str]) -> str:
    """Return the report.

    Parameters
    ----------
    result : dict
        The result file, summary included.
    figures : dict
        File name of each figure of `lw_rl.experiments.max_entropy.figures.FIGURES`, relative to the
        report.
    """
    sections = (_head, _accuracy, _well, _multigoal, _control, _temperature, transfer, shared)
    return assemble(sections, result, figures)


def _head(r: Result, figures: dict[str, str]) -> str:
    done, of = r["cells"]["done"], r["cells"]["all"]
    notes = [
        "**A quick run: a hundred training steps. It shows that everything works; its numbers on "
        "learning mean nothing.**" * r["quick"],
        f"**Not finished: {done} of {of} cells. Every number comes from those that are.**"
        * (done < of),
        f"**Left out, since a package is missing: {', '.join(r['left_out'])}.**"
        * bool(r["left_out"]),
    ]
    told = "\n\n".join(note for note in notes if note)
    rows = [
        (name, r["labels"][name], str(s["seeds"]), f"{s['steps']:,}", span(s["return"]),
         span(s["entropy"]), span(s["cpu"]))
        for name, s in r["summary"]["runs"].items()
    ]  # fmt: skip
    head = ("run", "learner", "seeds", "steps", "return", "entropy [nat]", "processor [s]")
    versions = ", ".join(f"{k} {v}" for k, v in r["versions"].items())
    return f"""# Maximum-entropy control, measured

Stein Soft Actor-Critic (S2AC: Messaoud et al. 2024, arXiv:2405.00987) and maximum-entropy control
as statistical physics, each claim against a measurement. Made by `lw-rl entropy-report --seeds
{r["seeds"]}`, {done} cells in {r["cpu_seconds"] / 60:.1f} minutes of processor time ({versions}). A
range in brackets runs from the first to the third quartile over the seeds. Returns are of the
deterministic policy after training. Seconds are processor time: each learner runs on one thread, so
that is the wall time of an idle core, whatever else the machine did meanwhile. Entropies are
differential, of the action scaled to [-1, 1].

{told}

{table(head, rows)}

![returns]({figures["returns"]})"""


def _accuracy(r: Result, figures: dict[str, str]) -> str:
    s = r["summary"]["accuracy"]
    rows = [
        (
            name, f"{v['exact']:.3f}",
            *(f"{_number(v[k]['error'])}{'' if v[k]['agrees'] else ' (no)'}" for k in _KINDS),
            _number(v["trace"]),
        )
        for name, v in s.items()
    ]  # fmt: skip
    head = ("distribution - dimensions", "exact [nat]", *_KINDS.values(), "tracers, trace only")
    tried = len(r["facts"]["gaussian-1"]["sweeps"]["steps"]["tracers"]["values"]) * len(s)
    steps = {k: sum(len(v[k]["agree"]["steps"]) for v in s.values()) for k in _KINDS}
    few = {k: sum(FEW in v[k]["agree"]["particles"] for v in s.values()) for k in _KINDS}
    robust = few["particles"] == len(s) and steps["particles"] == tried
    return f"""## The closed-form entropy

![accuracy]({figures["entropy_accuracy"]})

*The paper:* the entropy of what SVGD samples follows in closed form from first derivatives, agrees
with known values and is robust to the sampler's settings, as long as the step is much smaller than
the kernel.

*We get*, error of the entropy at {next(iter(s.values()))["tracers"]["particles"]} particles;
"(no)" is off by more than {AGREES} nat per dimension:

{table(head, rows)}

*Verdict:* with so many particles the published formula {
        verdict(all(v["particles"]["agrees"] for v in s.values()))
    }; that it is robust to the settings {verdict(robust)}. With {FEW} particles, as policies use
them, it is within the tolerance for {few["particles"]} of {len(s)}, the density of tracers for
{few["tracers"]}; over the sweep of the number of steps in {steps["particles"]} of {tried} cases,
the density of tracers in {steps["tracers"]}. The published formula leaves out what a particle does
to itself, an error that adds up with every step and falls with the number of particles. The density
of tracers is exact for the points that it is of; what remains of its error is that these points
have not, or not yet, the distribution aimed at. Langevin's is a lower bound of the entropy, which
rises to it with the number of particles.

{_invertibility(r)}"""


def _invertibility(r: Result) -> str:
    """Return how often the steps of the training runs had to be made shorter."""
    found = {k: s for k, s in r["summary"]["runs"].items() if "contraction" in s}
    rows = [
        (r["labels"][k], f"`{k}`", span(s["contraction"]), span(s["shortened"]))
        for k, s in found.items()
    ]
    head = ("learner", "run", "step times Lipschitz bound", "part of the steps made shorter")
    most = sum(s["shortened"]["median"] > 0.5 for s in found.values())
    return f"""The invertibility that all this rests on is checked at every step in training: here
are, at the end of training, the largest step times the Lipschitz bound of its field, which must
stay below one, and how many steps were made shorter for it. In {most} of {len(found)} experiments
it is more than half of them, so that the samplers there move less than they were set to.

{table(head, rows)}"""


def _well(r: Result, figures: dict[str, str]) -> str:
    rows = [
        (T, *(f"{e[k]['right']:.3f}" for k in ("svgd", "langevin")),
         *(f"{e[k]['distance']:.3f}" for k in ("svgd", "langevin")),
         f"{e['free_energy']:.3f}", *(_number(e[k]["free_energy"]) for k in ("svgd", "langevin")))
        for T, e in r["facts"]["well"]["temperatures"].items()
    ]  # fmt: skip
    head = (
        "T", "right, SVGD", "right, Langevin", "distance, SVGD", "distance, Langevin",
        "free energy, exact", "SVGD", "Langevin",
    )  # fmt: skip
    s = r["summary"]["well"]
    return f"""## Langevin dynamics and Boltzmann

![double well]({figures["double_well"]})

*The chapter:* the stationary distribution is Boltzmann's; at a low temperature a particle stays
trapped in one well, at a high one it visits both.

*We get*, from a start in the left well, the fraction to the right (exact: 0.5), the total variation
distance from Boltzmann, and the free energy E[V] - T H:

{table(head, rows)}

*Verdict:* trapped when cold {verdict(s["trapped"])}; both wells when hot {verdict(s["explores"])};
Boltzmann when hot {verdict(s["boltzmann"])}."""


def _multigoal(r: Result, figures: dict[str, str]) -> str:
    s = r["summary"]["multigoal"]

    def more(name: str) -> bool:
        return s["spreads"][name]["more"]

    spread = "; ".join(
        f"{r['labels'][k]} spreads more than SAC {verdict(v['more'])}"
        + choose(v["told_apart"] or not v["more"], "", " (but the seeds do not tell them apart)")
        for k, v in s["spreads"].items()
    )
    rows = [
        (r["labels"][k], span(v["evenness"]), span(v["reached"]), span(v["missed"]),
         span(v["modes"]))
        for k, v in s["members"].items()
    ]  # fmt: skip
    head = ("learner", "evenness (1: all alike)", "goals reached", "missed", "modes at the centre")
    return f"""## Four equal goals

![multigoal]({figures["multigoal"]})

*The paper:* S2AC spreads over the goals, SAC does not; a parametrised start helps.

*We get*, at one temperature for all:

{table(head, rows)}

*Verdict:* SAC keeps to one side (median evenness below {SPREAD}) {verdict(s["sac_collapses"])};
{spread}; the parametrised start's higher return {verdict(s["start_helps"])}{
        choose(s["start_told_apart"], "", " (but the seeds do not tell them apart)")
    }. {
        choose(
            not more("multigoal-s2ac") and more("multigoal-fixed"),
            "The learned start is what keeps S2AC from spreading here: it follows one goal, as "
            "SAC's policy does, and the few invertible steps after it do not leave that goal. From "
            "a fixed start the same sampler reaches the others.",
            "",
        )
    }"""


def _control(r: Result, figures: dict[str, str]) -> str:
    parts = []
    for group, text in (("pendulum", "Pendulum-v1"), ("mujoco", "HalfCheetah-v5")):
        c = r["summary"]["compared"].get(group)
        if c is None:
            continue
        rows = [(r["labels"][k], span(v["steps"]), span(v["cpu"])) for k, v in c["members"].items()]
        head = ("learner", f"at {c['at_steps']:,.0f} steps", f"at {c['at_seconds']:.0f} s")
        best = c["best_at_steps"]
        verdict_ = ""
        if group == "mujoco":
            s2ac = best["name"] == "mujoco-s2ac"
            verdict_ = (
                f"\n\n*Verdict:* S2AC ahead of SAC after {c['at_steps']:,.0f} steps, far fewer "
                f"than the paper's, {verdict(s2ac)}"
            ) + choose(best["told_apart"], "", ", and these seeds do not tell them apart")
            verdict_ += "; return of the deterministic policy after training: " + ", ".join(
                f"{r['labels'][k]} {span(r['summary']['runs'][k]['return'])}" for k in c["members"]
            )
            verdict_ += "."
        parts.append(
            f"{text}, return of the last episodes of training at equal steps and at equal wall "
            f"time of an idle core:\n\n{table(head, rows)}{verdict_}"
        )
    solved = r["summary"]["pendulum_solved"]
    listed = ", ".join(f"{r['labels'][k]} {sum(v)} of {len(v)}" for k, v in solved.items())
    body = "\n\n".join(parts)
    sac = r["summary"]["runs"]["pendulum-sac"]["return"]
    return f"""## Control tasks

*The paper:* S2AC outperforms SAC on four of five MuJoCo tasks.

{body}

SAC solves Pendulum, a mean return of {span(sac)}, to better than {SOLVED:.0f} {
        choose(all(solved["pendulum-sac"]), "in every seed", "not in every seed")
    }. Seeds that do: {listed}."""


def _temperature(r: Result, figures: dict[str, str]) -> str:
    held = r["summary"]["held"]
    rows = [
        (
            r["labels"][k], f"`{k}`", str(v["seeds"]), span(v["within"]), f"{v['least']:.3g}",
            span(v["worst"]), span(v["response"]), span(v["later"]), str(v["unmet"]),
            choose(v["holds"], "yes", "no"),
        )
        for k, v in held.items()
    ]  # fmt: skip
    head = (
        "request", "run", "seeds", "within 10 %", "of the worst seed", "worst deviation",
        "response [steps]", "to a later request", "never met", "held",
    )  # fmt: skip
    first = sorted({r["runs"][k][0]["settings"]["learning_starts"] for k in held})
    return f"""## Entropy held at a level

![temperature]({figures["temperature"]})

The fraction of measurements within 10 % of the request after the response, the largest relative
deviation among them, and the longest time from a request (the start of the run, or the last
measurement before the request changed) until three measurements in a row were within it. Held: at
least {HELD:.0%} in every seed. A measurement is the policy's mean entropy over all states replayed
at that moment (evenly spaced ones where they are too many), exact in the actions. Before its first
update, after {" or ".join(f"{n:,}" for n in first)} random steps, no policy can respond: that is
most of the response to a first request.

{table(head, rows)}

*Verdict:* held within 10 % by single measurements in {sum(v["holds"] for v in held.values())} of {
        len(held)
    } experiments."""


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:+.3f}"
