"""The sections of the report on the questions that the paper leaves open."""

from __future__ import annotations

from lw_rl.experiments.paper.figures import LABELS
from lw_rl.experiments.paper.summary import MAIN
from lw_rl.experiments.text import (
    Result,
    ablation_table,
    choose,
    error,
    error_span,
    settings_that_differ,
    solves,
    span,
    table,
    told,
)


def discount(r: Result, figures: dict[str, str]) -> str:
    """Section on the discount factor."""
    g = r["summary"]["gamma"]
    return f"""## Open question: the discount factor

![discount]({figures["discount"]})

{ablation_table("gamma", g)}

After {g["steps"]:,} steps {told(g, "gamma")} These runs are on the problem put right
({settings_that_differ(r, "gamma=0.99")}), where learning gets far enough in
that time to be compared; under the published reward the answer would be about the wrong optimum.
There is a reason to expect little from foresight: the action replaces S altogether, so no action
now makes a later one better, and gamma = 0 loses nothing in principle. What a larger gamma adds
is the noise, and the delay, of a bootstrapped critic."""


def sparse(r: Result, figures: dict[str, str]) -> str:
    """Section on sparse and dense rewards."""
    s = r["summary"]["sparse"]
    return f"""## Open question: sparse or dense reward

![sparse]({figures["sparse"]})

{ablation_table("reward every", s)}

After {s["steps"]:,} steps {told(s, "reward every")} Settings as for the discount factor, gamma =
0.99. The state does not hold the number of the step, so with a sparse reward the policy cannot
know whether a step counts: the same action earns its reward on every k-th visit and nothing on
the others, while the entropy bonus is paid on all. The reward was not scaled up to make good for
that."""


def transfer(r: Result, figures: dict[str, str]) -> str:
    """Section on transfer without retraining."""
    t = r["summary"]["transfer"]
    limits = r["facts"]["expressiveness"]
    rows = [
        (p, *(error_span(t["by"][name][p]) for name in MAIN), error(limits[p]["spline"]))
        for p in limits
    ]
    same = t["largest_difference"] == 0
    why = (
        "The reason is exact and needs no statistics: the policy sees S and nothing else, its "
        "action replaces S, so the sequence of S after the first step is the same on every "
        "atmosphere. The largest difference between S on any test problem and S at home, over all "
        "seeds, steps and depths, is zero. The policy has learned one source function, not a "
        "scheme. It makes no use of the formal solution once it is trained"
        if same
        else f"The largest difference of S between problems is {t['largest_difference']:.2g}"
    )
    head = ("problem", *(LABELS[n] for n in MAIN), "best spline")
    return f"""## Open question: transfer

![transfer]({figures["transfer"]})

{table(head, rows)}

Trained on the isothermal slab with eps = 1e-4, tested without retraining, after 50 steps. **The
policy does not transfer.** {why}. A scheme that transfers has to see the residual; nothing in the
published state does."""


def cost(r: Result, figures: dict[str, str]) -> str:
    """Section on the cost of training against what it saves."""
    rows = []
    for name, c in r["summary"]["cost"].items():
        for peer in ("ali", "anderson"):
            p = c["peers"][peer]
            rows.append(
                (
                    LABELS[name],
                    LABELS[peer],
                    f"{c['training_formal_solutions']:,}",
                    f"{span(c['training_seconds'])} s",
                    f"{p['to_the_same_error']} ({error(c['true_error']['median'])})",
                    solves(p["break_even_same_error"]),
                    f"{p['to_1e-3']} / {span(p['to_1e-3_from_policy'])}",
                    solves(p["break_even_as_start"]),
                    solves(p["break_even_seconds"]),
                )
            )
    head = (
        "policy", "peer", "formal solutions to train", "processor time to train",
        "peer to the policy's error", "solves to pay off",
        "peer to 1e-3: from B / from the policy", "solves to pay off", "in processor time",
    )  # fmt: skip
    solve = r["facts"]["solve_times"]
    never = all(
        p["break_even_seconds"] is None
        for c in r["summary"]["cost"].values()
        for p in c["peers"].values()
    )
    pays_off = choose(
        never,
        "training never pays off",
        "it pays off after the number of solves in the last column",
    )
    return f"""## Open question: the whole cost

![cost]({figures["cost"]})

{table(head, rows)}

By itself no policy here reaches a true error of 1e-3, so for that accuracy training pays off
**never**; the first count is for the policy's own, larger error, at one formal solution a solve.
The second is for the policy as the start of a classical solve. In processor time
{pays_off}:
one call of the policy takes {1e6 * solve["policy"]:.0f} microseconds, a whole ALI solve
{1e6 * solve["ali"]:.0f} and an Anderson solve {1e6 * solve["anderson"]:.0f}. And all these
counts are of solves of *one and the same problem*, the only one that the policy has learned;
whoever meets it twice can keep the first answer."""
