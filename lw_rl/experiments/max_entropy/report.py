"""The report on maximum-entropy control: the papers' claims and ours, beside their measurements.

Every number and every verdict is read from the result file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...files import Json
from ..claims import Claim, Section, listed, rows
from ..quartiles import Quartiles, apart
from ..reproduction import origin
from ..text import Content, span
from .experiments import GROUPS, RUNS
from .summary import AGREES, COVERED, FEW, IN_TRANSFER, KINDS, SOLVED

__all__ = ["SECTIONS"]

#: Error below which ten steps have ended at the solution, whatever the learner did.
FLOOR = 1e-4
#: Evenness over the goals from which on a policy counts as spread.
SPREAD = 0.5


def _ahead(text: str, one: str, other: str, needs: str | None = None) -> Claim:
    """Return the claim that one median is larger than another; both are paths."""

    def measure(c: Content) -> str:
        told = "" if apart(c[one], c[other]) else "; these seeds do not tell them apart"
        return f"{span(c[one])} against {span(c[other])}{told}"

    def holds(c: Content) -> bool | None:
        larger, smaller = c[one]["median"], c[other]["median"]
        return None if larger is None or smaller is None else bool(larger > smaller)

    return Claim(text, measure, holds, needs)


def _errors(c: Content) -> Json:
    """Return the errors of the entropy by distribution, those beyond the tolerance marked."""

    def signed(value: float | None, agrees: bool = True) -> str:
        return ("none" if value is None else f"{value:+.3f}") + " (no)" * (not agrees)

    return {
        name: {
            **{k: signed(v[k]["error"], v[k]["agrees"]) for k in KINDS},
            "exact": v["exact"],
            "trace": signed(v["trace"]),
        }
        for name, v in c["accuracy"].items()
    }


def _learned_start(c: Content) -> str:
    """Say so where S2AC spreads over the goals from a fixed start only."""
    s2ac, fixed, sac = (
        c[f"multigoal/multigoal-{k}/evenness/median"] for k in ("s2ac", "fixed", "sac")
    )
    text = """The learned start is what keeps S2AC from spreading here: it follows one goal, as
        SAC's policy does, and the few invertible steps after it do not leave that goal. From a
        fixed start the same sampler reaches the others."""
    return c.write(text) * (s2ac <= sac < fixed)


def _returns(group: str, at: str = "") -> dict[str, str]:
    """Return the columns of the return at equal steps, and at equal wall time of an idle core."""
    return {
        f"return at {{compared/{group}/at_steps:,.0f}} steps": f"{{{at}steps:span}}",
        f"at {{compared/{group}/at_seconds:.0f}} s": f"{{{at}cpu:span}}",
    }


def _stand_out(group: str) -> list[Claim]:
    """Return the claims that one learner of a group is apart from all others, and solves it."""
    at, end = f"compared/{group}", f"least_error/{group}"

    def stands_out(what: str, path: str, spec: str) -> Claim:
        return Claim(
            f"{GROUPS[group]}: one learner stands out in {what}.",
            f"{{{path}/label}}, {{{path}/found:{spec}}}",
            lambda c: c[f"{path}/told_apart"],
        )

    solves = Claim(
        f"{GROUPS[group]}: that learner solves it, to 10 %.", f"{{{end}/found:error_span}}",
        lambda c: bool(c[f"{end}/found/median"] < 0.1),
    )  # fmt: skip
    return [
        stands_out("return at equal steps", f"{at}/best_at_steps", "span"),
        stands_out("return at equal wall time", f"{at}/best_at_seconds", "span"),
        stands_out("error at the end", end, "error_span"),
        solves,
    ]


def _at_the_floor(errors: Callable[[Content], list[Quartiles]]) -> Callable[[Content], str]:
    """Return a block that says where errors are so small that they tell nothing."""
    text = f"""All errors at the end are below {FLOOR:g}: an episode ends at the solution under any
        of these policies, so what tells them apart is the return, which has the way there in it,
        and not the error."""
    return lambda c: c.write(text) * all(e["median"] < FLOOR for e in errors(c))


def _blind(c: Content) -> str:
    """Say so where a count of modes finds none on the four goals either."""
    places = ("modes_in_transfer", "modes_on_goals")
    counts = {"draws": "multimodal", "exp(Q / alpha)": "boltzmann"}
    blind = [name for name, key in counts.items() if not any(c[f"{p}/{key}"] for p in places)]
    text = f"""The count of the {" and of ".join(blind)} finds none on the four goals, the control,
        either, so that it finds none here tells nothing."""
    return c.write(text) * bool(blind)


def _transfer(group: str) -> tuple[Any, ...]:
    """Return table, claims and note on the learners of a group in radiative transfer."""

    def members(c: Content) -> Json:
        at = c[f"compared/{group}/members"]
        return {k: {**c["modes"][k], **c["runs"][k], "at": v} for k, v in at.items()}

    error = IN_TRANSFER[group]
    columns = {
        "learner": "{label}", "seeds": "{seeds}", "error at the end": f"{{{error}:error_span}}",
        **_returns(group, "at/"), "ms per step": "{per_step:span}",
        "draws with several modes": "{multimodal} of {states}",
        "exp(Q / alpha) with several": "{boltzmann} of {seeds}",
    }  # fmt: skip
    return (
        rows(members, columns),
        *_stand_out(group),
        f"A step of S2AC (SVGD) costs {{s2ac_over_sac/{group}:.1f}} times one of SAC.",
        _at_the_floor(lambda c: [v[error] for v in members(c).values()]),
    )


# fmt: off
SECTIONS = (
    Section("Maximum-entropy control, measured", "returns", (
        """Stein Soft Actor-Critic (S2AC: Messaoud et al. 2024, arXiv:2405.00987) and
        maximum-entropy control as statistical physics, each claim against a measurement.""",
        origin("entropy-report"),
        """Returns are of the deterministic policy after training. Entropies are differential, of
        the action scaled to [-1, 1].""",
        rows("runs", {
            "run": "{name}", "learner": "{label}", "seeds": "{seeds}", "steps": "{steps:,}",
            "return": "{return:span}", "entropy [nat]": "{entropy:span}",
            "processor [s]": "{cpu:span}",
        }),
    )),
    Section("The closed-form entropy", "entropy_accuracy", (
        f"""Error of the entropy at {{robustness/particles}} particles; "(no)" is off by more than
        {AGREES} nat per dimension:""",
        rows(_errors, {
            "distribution - dimensions": "{name}", "exact [nat]": "{exact:.3f}",
            "SVGD, tracers": "{tracers}", "SVGD, published": "{particles}",
            "Langevin": "{langevin}", "tracers, trace only": "{trace}",
        }),
        Claim("""The entropy of what SVGD samples follows in closed form from first derivatives and
              agrees with known values.""",
              """to this tolerance for {robustness/published/many} of
              {robustness/of} distributions; the density of tracers for
              {robustness/tracers/many}""",
              lambda c: c["robustness/published/many"] == c["robustness/of"]),
        Claim("""It is robust to the sampler's settings, as long as the step is much smaller than
              the kernel.""",
              f"""with {FEW} particles, as policies use them, for
              {{robustness/published/few}} of {{robustness/of}}, the density of
              tracers for {{robustness/tracers/few}}; over the sweep of the number of steps in
              {{robustness/published/steps}} of {{robustness/cases}} cases, the
              density of tracers in {{robustness/tracers/steps}}""",
              lambda c: (
                  c["robustness/published/few"] == c["robustness/of"]
                  and c["robustness/published/steps"] == c["robustness/cases"])),
        """The published formula leaves out what a particle does to itself, an error that adds up
        with every step and falls with the number of particles. The density of tracers is exact for
        the points that it is of; what remains of its error is that these points have not, or not
        yet, the distribution aimed at. Langevin's is a lower bound of the entropy, which rises to
        it with the number of particles.""",
        """The invertibility that all this rests on is checked at every step in training. At the end
        of training, the largest step times the Lipschitz bound of its field, which must stay below
        one, and how many steps were made shorter for it:""",
        rows(lambda c: {k: v for k, v in c["runs"].items() if "contraction" in v}, {
            "learner": "{label}", "run": "`{name}`",
            "step times Lipschitz bound": "{contraction:span}",
            "part of the steps made shorter": "{shortened:span}",
        }),
        Claim("The samplers take the steps that they are set to.",
              """in {invertibility/shortened} of {invertibility/runs} runs more than half of the
              steps were made shorter""", lambda c: c["invertibility/shortened"] == 0),
    )),
    Section("Langevin dynamics and Boltzmann", "double_well", (
        """From a start in the left well, the fraction to the right (exact: 0.5), the total
        variation distance from Boltzmann, and the free energy E[V] - T H:""",
        rows("well/temperatures", {
            "T": "{name}", "right, SVGD": "{svgd/right:.3f}",
            "right, Langevin": "{langevin/right:.3f}", "distance, SVGD": "{svgd/distance:.3f}",
            "distance, Langevin": "{langevin/distance:.3f}",
            "free energy, exact": "{free_energy:.3f}", "SVGD": "{svgd/free_energy:+.3f}",
            "Langevin": "{langevin/free_energy:+.3f}",
        }),
        Claim("At a low temperature a particle stays trapped in one well.",
              "{well/temperatures/0.1/langevin/right:.3f} to the right at T = 0.1",
              lambda c: c["well/temperatures/0.1/langevin/right"] < 0.1),
        Claim("At a high one it visits both.",
              "{well/temperatures/2/langevin/right:.3f} to the right at T = 2",
              lambda c: 0.35 < c["well/temperatures/2/langevin/right"] < 0.65),
        Claim("The stationary distribution is Boltzmann's.",
              "a distance of {well/temperatures/2/langevin/distance:.3f} at T = 2",
              lambda c: c["well/temperatures/2/langevin/distance"] < 0.1),
    )),
    Section("Four equal goals", "multigoal", (
        "At one temperature for all:",
        rows("multigoal", {
            "learner": "{label}", "evenness (1: all alike)": "{evenness:span}",
            "goals reached": "{reached:span}", "missed": "{missed:span}",
            "modes at the centre": "{modes:span}",
        }),
        Claim(f"SAC keeps to one side: its median evenness is below {SPREAD}.",
              "{multigoal/multigoal-sac/evenness:span}",
              lambda c: c["multigoal/multigoal-sac/evenness/median"] < SPREAD),
        *(_ahead(f"{RUNS[name].label} spreads over the goals more than SAC.",
                 f"multigoal/{name}/evenness", "multigoal/multigoal-sac/evenness")
          for name in ("multigoal-s2ac", "multigoal-fixed", "multigoal-langevin")),
        _ahead("A parametrised start helps: a higher return than from a fixed one.",
               "runs/multigoal-s2ac/return", "runs/multigoal-fixed/return"),
        _learned_start,
    )),
    Section("Control tasks", None, (
        *(block for group in ("pendulum", "mujoco") for block in (
            f"{GROUPS[group]}, return of the last episodes of training:",
            rows(f"compared/{group}/members", {"learner": "{label}", **_returns(group)}))),
        _ahead("""S2AC outperforms SAC on MuJoCo tasks: here at equal steps, far fewer than the
               paper's.""", "compared/mujoco/members/mujoco-s2ac/steps",
               "compared/mujoco/members/mujoco-sac/steps", "compared/mujoco"),
        _ahead("Its deterministic policy after training does, too.",
               "runs/mujoco-s2ac/return", "runs/mujoco-sac/return", "compared/mujoco"),
        Claim(f"SAC solves Pendulum, a mean return better than {SOLVED:.0f}, in every seed.",
              "{runs/pendulum-sac/return:span}",
              lambda c: all(c["pendulum_solved/pendulum-sac"])),
        lambda c: "Seeds that solve Pendulum: {}.".format(listed(
            lambda c: {k: {"n": sum(v), "of": len(v)} for k, v in c["pendulum_solved"].items()},
            "{n} of {of}")(c)),
    )),
    Section("Target entropy", "temperature", (
        """The fraction of measurements within 10 % of the target after the response, the largest
        relative deviation among them, and the longest time from a target (the start of the run, or
        the last measurement before it changed) until three measurements in a row were within it. A
        measurement is the policy's mean entropy over all states replayed at that moment (evenly
        spaced ones where they are too many), exact in the actions. Before its first update, after
        the random steps, no policy can respond: that is most of the response to a first target.""",
        rows("target_entropy", {
            "target": "{label}", "run": "`{name}`", "seeds": "{seeds}",
            "within 10 %": "{within:span}", "of the worst seed": "{least:.3g}",
            "worst deviation": "{worst:span}", "random steps": "{learning_starts}",
            "response [steps]": "{response:span}", "to a later target": "{later:span}",
            "never reached": "{never_reached}", "within": "{covered:verdict}",
        }),
        Claim(f"""The entropy stays within 10 % of its target, in {COVERED:.0%} of the single
              measurements of every seed.""",
              "in {covered/experiments} of {covered/of} experiments",
              lambda c: c["covered/experiments"] == c["covered/of"]),
    )),
    Section("In radiative transfer", "modes", (
        f"{GROUPS['sigmoid']}, true error of S:",
        *_transfer("sigmoid"),
        f"{GROUPS['columns']}, largest error of ln S:",
        *_transfer("columns"),
        Claim("The action distribution has several modes somewhere.",
              """the draws in {modes_in_transfer/multimodal} of {modes_in_transfer/states} states,
              what they are drawn from, exp(Q / alpha), in {modes_in_transfer/boltzmann} of
              {modes_in_transfer/seeds} (one state for each seed, two components); on the four
              goals, the control, in {modes_on_goals/multimodal} of {modes_on_goals/states} and in
              {modes_on_goals/boltzmann} of {modes_on_goals/seeds}""",
              lambda c: bool(c["modes_in_transfer/multimodal"] + c["modes_in_transfer/boltzmann"])),
        _blind,
        """Where exp(Q / alpha) has one mode, what S2AC can do more than a Gaussian is of no use;
        where it has several, a Gaussian cannot follow them.""",
    )),
    Section("What shared weights buy", "shared_weights", (
        """SAC on StatEquil-v0, every depth an agent of the same kind, against one perceptron over
        all depths with about as many weights; largest error of ln S after ten steps. The perceptron
        acts on twice the points through linear interpolation, the shared weights as they are.""",
        rows("transfer", {
            "policy": "{label}",
            "weights, actor + critics": "{weights/actor:,} + {weights/critic:,}",
            "error at home": "{home_error:error_span}",
            "unseen problems": "{unseen_error:error_span}",
            "twice the points": "{fine_error:error_span}", "return at home": "{return:span}",
            "return at twice the points": "{fine_return:span}",
        }),
        _ahead("Shared weights have the higher return while training, at equal steps.",
               "compared/shared/members/shared-shared/steps",
               "compared/shared/members/shared-monolith/steps"),
        _at_the_floor(lambda c: [v[k] for v in c["transfer"].values()
                                 for k in ("home_error", "unseen_error")]),
    )),
)
"""The report, in the order in which it is read."""
# fmt: on
