"""The sections of the entropy report on radiative transfer."""

from __future__ import annotations

from ..text import Result, choose, error_span, span, table
from .cells import RUNS
from .summary import FLOOR


def transfer(r: Result, figures: dict[str, str]) -> str:
    """Return the section on the learners in radiative transfer."""
    parts = []
    for group, key, what in (
        ("sigmoid", "true_error", "SigmoidSource-v0, true error of S"),
        ("columns", "home_error", "StatEquil-v0 in six cosines, largest error of ln S"),
    ):
        c = r["summary"]["compared"][group]
        rows = [
            (
                r["labels"][k], str(r["summary"]["runs"][k]["seeds"]),
                error_span(r["summary"]["runs"][k][key]), span(v["steps"]), span(v["cpu"]),
                span(r["summary"]["runs"][k]["per_step"]),
                f"{r['summary']['modes'][k]['multimodal']} of {r['summary']['modes'][k]['states']}",
                f"{r['summary']['modes'][k]['boltzmann']} of {r['summary']['modes'][k]['seeds']}",
            )
            for k, v in c["members"].items()
        ]  # fmt: skip
        head = (
            "learner", "seeds", "error at the end", f"return at {c['at_steps']:,.0f} steps",
            f"at {c['at_seconds']:.0f} s", "ms per step", "draws with several modes",
            "exp(Q / alpha) with several",
        )  # fmt: skip
        ways = ", ".join(
            f"{name} {r['labels'][b['name']] if b['name'] else 'none'}"
            + choose(b["told_apart"], "", " (not told apart)")
            for name, b in (
                ("at equal steps", c["best_at_steps"]), ("at equal wall time", c["best_at_seconds"])
            )
        )  # fmt: skip
        floor = _at_the_floor([r["summary"]["runs"][k][key] for k in c["members"]])
        parts.append(
            f"{what}:\n\n{table(head, rows)}\n\nBest return while training: {ways}.{floor}"
        )
    body = "\n\n".join(parts)
    return f"""## In radiative transfer

{body}

{_modality(r)}

![modes]({figures["modes"]})

{_best_learner(r)}"""


def _at_the_floor(errors: list[Result]) -> str:
    """Say so where errors are so small that they tell nothing about the policies."""
    return choose(
        all(e["median"] < FLOOR for e in errors),
        f" All errors at the end are below {FLOOR:g}: an episode ends at the solution under any of "
        "these policies, so what tells them apart is the return, which has the way there in it, "
        "and not the error.",
        "",
    )


def _modality(r: Result) -> str:
    found = r["summary"]["modes"]
    here = [k for k in found if k.startswith(("sigmoid", "columns"))]
    there = [k for k in found if k.startswith("multigoal")]

    def total(names: list[str], what: str) -> int:
        return sum(found[k][what] for k in names)

    def counted(names: list[str]) -> str:
        return (
            f"the draws in {total(names, 'multimodal')} of {total(names, 'states')} states, what "
            f"is aimed at, exp(Q / alpha), in {total(names, 'boltzmann')} of "
            f"{total(names, 'seeds')}"
        )

    draws, aim = (total(here, k) > 0 for k in ("multimodal", "boltzmann"))
    control = total(there, "multimodal") > 0, total(there, "boltzmann") > 0
    blind = [
        name
        for name, seen, expected in zip(
            ("draws", "exp(Q / alpha)"), (draws, aim), control, strict=True
        )
        if not seen and not expected
    ]
    return (
        "*Is the action distribution ever multimodal here?* "
        + choose(draws or aim, "Yes", "No")
        + f": of the policies in radiative transfer {counted(here)} (one state for each seed, two "
        f"components). On the four goals, the control, {counted(there)}."
        + choose(
            bool(blind),
            f" The count of the {' and of '.join(blind)} finds none on the control either, so that "
            "it finds none here tells nothing.",
            "",
        )
    )


def _best_learner(r: Result) -> str:
    """Return which member is best for radiative transfer, and why as far as it was measured."""
    summary = r["summary"]
    parts = []
    for group in ("sigmoid", "columns"):
        key = "true_error" if group == "sigmoid" else "home_error"
        names = list(summary["compared"][group]["members"])
        errors = {k: summary["runs"][k][key] for k in names}
        cost = {k: summary["runs"][k]["per_step"]["median"] for k in names}
        best = min(names, key=lambda k: errors[k]["median"])
        others = [errors[k] for k in names if k != best]
        apart = errors[best]["n"] >= 3 and all(errors[best]["q75"] < e["q25"] for e in others)
        stein = cost[f"{group}-s2ac"] / cost[f"{group}-sac"]
        parts.append(
            f"on {RUNS[names[0]].env.removeprefix('lw_rl/')} the least median error is that of "
            f"{r['labels'][best]}, {error_span(errors[best])}"
            + choose(apart, "", " (not told apart from all others)")
            + choose(errors[best]["median"] < FLOOR, ", where all others are too", "")
            + choose(errors[best]["median"] > 0.1, ", so that none of them solves it", "")
            + f", and a step of S2AC (SVGD) costs {stein:.1f} times one of SAC"
        )
    here = [v for k, v in summary["modes"].items() if k.startswith(("sigmoid", "columns"))]
    aims = sum(v["boltzmann"] for v in here), sum(v["seeds"] for v in here)
    why = choose(
        aims[0] * 2 < aims[1],
        "What is aimed at has one mode mostly, so that what S2AC can do more than a Gaussian is "
        "seldom of use.",
        "What is aimed at has several modes mostly, which a Gaussian cannot follow.",
    )
    return (
        f"*Which is best for radiative transfer, and why?* At equal steps {'; '.join(parts)}. {why}"
    )


def shared(r: Result, figures: dict[str, str]) -> str:
    """Return the section on one network for all depths."""
    t = r["summary"]["transfer"]
    best = r["summary"]["compared"]["shared"]["best_at_steps"]
    found = "At equal steps the higher return while training is that of {}{}.".format(
        r["labels"][best["name"]], choose(best["told_apart"], "", " (not told apart)")
    )
    rows = [
        (r["labels"][k], f"{v['weights']['actor']:,} + {v['weights']['critic']:,}",
         error_span(v["home_error"]), error_span(v["unseen_error"]), error_span(v["fine_error"]),
         span(v["return"]), span(v["fine_return"]))
        for k, v in t.items()
    ]  # fmt: skip
    head = (
        "policy",
        "weights, actor + critics",
        "error at home",
        "unseen problems",
        "twice the points",
        "return at home",
        "twice the points",
    )
    return f"""## What shared weights buy

![shared weights]({figures["shared_weights"]})

SAC on StatEquil-v0, every depth an agent of the same kind, against one perceptron over all depths
with about as many weights; largest error of ln S after ten steps. The perceptron acts on twice the
points through linear interpolation, the shared weights as they are.

{table(head, rows)}

{found}{_at_the_floor([v[k] for v in t.values() for k in ("home_error", "unseen_error")])}"""
