"""The recipes that the benchmark measures: one for each method, over a base and three experts."""

from __future__ import annotations

from dataclasses import dataclass, field

MAIN = (
    "linear",
    "task_arithmetic",
    "model_stock",
    "slerp",
    "karcher",
    "dare_ties",
    "ties",
    "breadcrumbs",
    "sce",
    "della",
)
MORE = (
    "nuslerp",
    "multislerp",
    "dare_linear",
    "della_linear",
    "breadcrumbs_ties",
    "nearswap",
    "arcee_fusion",
    "ram",
    "passthrough",
)


@dataclass(frozen=True)
class Method:
    """What a method needs: how many experts, whether a base, and which settings."""

    experts: int = 3
    base: bool = True
    shared: dict[str, object] = field(default_factory=dict)
    each: dict[str, object] = field(default_factory=dict)


WEIGHTED = {"weight": 0.4}
METHODS: dict[str, Method] = {
    "linear": Method(base=False, each=WEIGHTED),
    "task_arithmetic": Method(each=WEIGHTED),
    "model_stock": Method(),
    "slerp": Method(experts=1, shared={"t": 0.4}),
    "karcher": Method(base=False),
    "dare_ties": Method(each={"weight": 0.4, "density": 0.5}),
    "ties": Method(each={"weight": 0.4, "density": 0.5}),
    "breadcrumbs": Method(each={"weight": 0.4, "density": 0.8, "gamma": 0.02}),
    "sce": Method(shared={"select_topk": 0.5}),
    "della": Method(each={"weight": 0.4, "density": 0.5, "epsilon": 0.1}),
    "nuslerp": Method(experts=2, base=False, each={"weight": 0.5}),
    "multislerp": Method(each=WEIGHTED),
    "dare_linear": Method(each={"weight": 0.4, "density": 0.5}),
    "della_linear": Method(each={"weight": 0.4, "density": 0.5, "epsilon": 0.1}),
    "breadcrumbs_ties": Method(each={"weight": 0.4, "density": 0.8, "gamma": 0.02}),
    "nearswap": Method(experts=1, shared={"t": 0.0001}),
    "arcee_fusion": Method(experts=1),
    "ram": Method(),
    "passthrough": Method(experts=1, base=False),
}


def models_of(method: str) -> list[str]:
    """Return the folders of the models that the recipe of a method reads, the base first."""
    needs = METHODS[method]
    experts = [f"expert{number + 1}" for number in range(needs.experts)]
    return (["base"] if needs.base else []) + experts


def recipe(method: str, models: str, dtype: str | None = None) -> str:
    """Return the recipe of a method as YAML, with the models under one folder."""
    needs = METHODS[method]
    lines = [f"merge_method: {method}"]
    if needs.base:
        lines.append(f"base_model: {models}/base")
    lines.append("models:")
    for name in models_of(method):
        if name == "base" and method not in ("slerp", "nearswap", "arcee_fusion"):
            continue
        lines.append(f"  - model: {models}/{name}")
        if needs.each and name != "base":
            lines.append("    parameters:")
            lines += [f"      {key}: {value}" for key, value in needs.each.items()]
    if needs.shared:
        lines.append("parameters:")
        lines += [f"  {key}: {value}" for key, value in needs.shared.items()]
    if dtype:
        lines.append(f"dtype: {dtype}")
    return "\n".join(lines) + "\n"
