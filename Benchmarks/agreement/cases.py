"""The recipes that both programs carry out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

Recipe = dict[str, object]

MODELS = "MODELS"  # stands for the folder of the family in a recipe


@dataclass(frozen=True)
class Case:
    """One recipe over one family of models.

    When the programs do not agree at once, mergekit runs again in float32 and in float64 with one
    rounding at the end, to tell its own rounding from a difference. `wide_family` has the same
    models in the type to which the recipe rounds its inputs first.
    """

    name: str
    family: str
    recipes: list[Recipe]
    wide_family: str | None = None
    arguments: list[str] = field(default_factory=list)

    def wide_recipes(self, dtype: str) -> list[Recipe]:
        """Return the recipes with arithmetic in a wide type and the same type of the output."""
        names = {"bf16": "bfloat16", "f16": "float16", "f32": "float32"}
        stored = names[self.family.rpartition("-")[2]]
        return [
            {
                **recipe,
                "dtype": dtype,
                "out_dtype": recipe.get("out_dtype") or recipe.get("dtype") or stored,
            }
            for recipe in self.recipes
        ]


def model(name: str) -> str:
    """Return the path of a model as recipes write it."""
    return f"{MODELS}/{name}"


def merge(
    method: str,
    experts: int = 3,
    base: bool = True,
    listed: bool = False,
    each: dict[str, object] | None = None,
    shared: dict[str, object] | None = None,
    **extra: object,
) -> Recipe:
    """Return a recipe; `listed` puts the base among the models too.

    A setting of `each` may be a list, of which every expert gets one item.
    """
    models: list[Recipe] = [{"model": model("base")}] if listed else []
    for number in range(experts):
        entry: Recipe = {"model": model(f"expert{number + 1}")}
        parameters = {
            key: value[number] if isinstance(value, tuple) else value
            for key, value in (each or {}).items()
        }
        if parameters:
            entry["parameters"] = parameters
        models.append(entry)
    recipe: Recipe = {"merge_method": method, "models": models}
    if base:
        recipe["base_model"] = model("base")
    if shared:
        recipe["parameters"] = shared
    return {**recipe, **extra}


WEIGHTS = {"weight": (0.5, 0.3, 0.4)}
HALVES = {"weight": (0.5, 0.3, 0.4), "density": (0.5, 0.3, 0.7)}

METHODS: dict[str, Recipe] = {
    "linear": merge("linear", base=False, each=WEIGHTS),
    "linear-sum": merge("linear", base=False, each=WEIGHTS, shared={"normalize": False}),
    "task_arithmetic": merge("task_arithmetic", each=WEIGHTS),
    "task_arithmetic-scaled": merge(
        "task_arithmetic", each=WEIGHTS, shared={"normalize": True, "lambda": 1.5}
    ),
    "ties": merge("ties", each=HALVES),
    "ties-sum": merge("ties", each=HALVES, shared={"normalize": False, "lambda": 0.8}),
    "ties-rescaled": merge("ties", each=HALVES, shared={"rescale": True}),
    "ties-mask": merge("ties", each=HALVES, shared={"int8_mask": True}),
    "dare_ties-whole": merge("dare_ties", each={**WEIGHTS, "density": 1.0}),
    "dare_linear-whole": merge("dare_linear", each={**WEIGHTS, "density": 1.0}),
    "della-whole": merge("della", each={**WEIGHTS, "density": 1.0}),
    "della_linear-whole": merge("della_linear", each={**WEIGHTS, "density": 1.0}),
    "breadcrumbs": merge("breadcrumbs", each={**HALVES, "gamma": (0.01, 0.02, 0.1)}),
    "breadcrumbs_ties": merge("breadcrumbs_ties", each={**HALVES, "gamma": 0.05}),
    "sce": merge("sce"),
    "sce-selected": merge("sce", shared={"select_topk": 0.4}),
    "ram": merge("ram"),
    "ramplus_tl": merge("ramplus_tl", shared={"r": 0.2, "alpha": 0.3}),
    "model_stock": merge("model_stock"),
    "model_stock-rows": merge("model_stock", shared={"filter_wise": True}),
    "slerp": merge("slerp", experts=1, listed=True, shared={"t": 0.3}),
    "nuslerp": merge("nuslerp", experts=2, base=False, each={"weight": (0.7, 0.2)}),
    "nuslerp-base": merge("nuslerp", experts=2, each={"weight": (0.7, 0.2)}),
    "nuslerp-rows": merge(
        "nuslerp",
        experts=2,
        each={"weight": (0.7, 0.2)},
        shared={"nuslerp_flatten": False, "nuslerp_row_wise": True},
    ),
    "nuslerp-columns": merge(
        "nuslerp",
        experts=2,
        base=False,
        each={"weight": (0.7, 0.2)},
        shared={"nuslerp_flatten": False},
    ),
    "multislerp": merge("multislerp", base=False, each=WEIGHTS),
    "multislerp-base": merge("multislerp", each=WEIGHTS),
    "karcher": merge("karcher", base=False),
    "karcher-base": merge("karcher", base=False, listed=True, shared={"max_iter": 3}),
    "nearswap": merge("nearswap", experts=1, listed=True, shared={"t": 0.0005}),
    "arcee_fusion": merge("arcee_fusion", experts=1, listed=True),
    "passthrough": merge("passthrough", experts=1, base=False),
    "passthrough-scaled": merge("passthrough", experts=1, base=False, each={"scale": 0.5}),
}


def sources(start: int, end: int, *names: str, **parameters: object) -> Recipe:
    """Return a slice of the same layers of some models."""
    entry: Recipe = {"sources": [{"model": model(n), "layer_range": [start, end]} for n in names]}
    if parameters:
        entry["parameters"] = parameters
    return entry


def filtered(*pairs: tuple[str | None, object]) -> list[Recipe]:
    """Return a setting that depends on the tensor's name."""
    return [{"value": v} if f is None else {"filter": f, "value": v} for f, v in pairs]


BY_LAYER = filtered(
    ("self_attn", [0, 0.5, 0.3, 0.7, 1]), ("mlp", [1, 0.5, 0.7, 0.3, 0]), (None, 0.5)
)

STRUCTURES: dict[str, Recipe] = {
    "stack-overlapping": {
        "merge_method": "passthrough",
        "slices": [sources(0, 3, "base"), sources(1, 4, "expert1"), sources(2, 4, "base")],
    },
    "stack-scaled": {
        "merge_method": "passthrough",
        "slices": [
            sources(0, 2, "base"),
            {
                "sources": [
                    {
                        "model": model("expert1"),
                        "layer_range": [1, 3],
                        "parameters": {
                            "scale": filtered(("o_proj", 0.0), ("down_proj", 0.0), (None, 1.0))
                        },
                    }
                ]
            },
            sources(2, 4, "expert2"),
        ],
    },
    "slices-slerp": {
        "merge_method": "slerp",
        "base_model": model("base"),
        "slices": [sources(0, 4, "base", "expert1")],
        "parameters": {"t": BY_LAYER},
    },
    "slices-two": {
        "merge_method": "slerp",
        "base_model": model("base"),
        "slices": [
            sources(0, 2, "base", "expert1", t=[0, 1]),
            sources(1, 4, "base", "expert2", t=0.25),
        ],
    },
    "slices-shifted": {
        "merge_method": "linear",
        "slices": [
            {
                "sources": [
                    {
                        "model": model("base"),
                        "layer_range": [0, 2],
                        "parameters": {"weight": 0.75},
                    },
                    {
                        "model": model("expert1"),
                        "layer_range": [2, 4],
                        "parameters": {"weight": 0.25},
                    },
                ]
            }
        ],
    },
    "slices-own-base": {
        "merge_method": "task_arithmetic",
        "slices": [
            {**sources(0, 2, "base", "expert1", weight=0.5), "base_model": model("base")},
            {**sources(2, 4, "expert1", "expert2", weight=0.5), "base_model": model("expert1")},
        ],
    },
    "one-layer": {
        "merge_method": "slerp",
        "base_model": model("base"),
        "slices": [sources(1, 2, "base", "expert1", t=[0.1, 0.9])],
    },
    "gradient": merge("task_arithmetic", each={"weight": ([0, 1], [1, 0.5, 0], 0.3)}),
    "gradient-density": merge("ties", each={"weight": 0.5, "density": [0.2, 0.5, 1]}),
    "gradient-flags": merge(
        "linear", base=False, each=WEIGHTS, shared={"normalize": [True, False]}
    ),
    "filters": merge(
        "linear",
        base=False,
        each={"weight": (filtered(("mlp", 1.0), ("layers.1.", 0.25), ("*", 0.5)), 0.5, 0.25)},
    ),
    "filter-falls-through": merge(
        "task_arithmetic",
        each={"weight": filtered(("mlp", 0.9))},
        shared={"weight": 0.2},
    ),
    "settings-above": merge("task_arithmetic", shared={"weight": [0.2, 0.6]}),
    "base-listed": merge("task_arithmetic", listed=True, each=WEIGHTS),
    "base-listed-linear": merge(
        "linear", experts=2, listed=True, base=False, shared={"weight": 0.5}
    ),
    "base-added-linear": merge("linear", experts=2, shared={"weight": 0.5}),
    "base-added-karcher": merge("karcher", experts=2),
    "one-expert-ties": merge("ties", experts=1, each={"weight": 0.5, "density": 0.5}),
    "module": {
        "merge_method": "linear",
        "modules": {
            "default": {
                "models": [
                    {"model": model("expert1"), "parameters": {"weight": 0.25}},
                    {"model": model("expert2"), "parameters": {"weight": 0.5}},
                ]
            }
        },
    },
    "weights-as-text": merge("linear", experts=2, base=False, each={"weight": ("1e-1", "0.5")}),
    "negative": merge("task_arithmetic", experts=2, each={"weight": (1.0, -0.5)}),
}

TYPED: dict[str, tuple[str, Recipe]] = {
    "dtype-bf16": ("llama-f32", merge("task_arithmetic", each=WEIGHTS, dtype="bfloat16")),
    "dtype-f16": ("llama-f32", merge("linear", base=False, each=WEIGHTS, dtype="float16")),
    "dtype-f32": ("llama-bf16", merge("task_arithmetic", each=WEIGHTS, dtype="float32")),
    "out-bf16": ("llama-f32", merge("ties", each=HALVES, out_dtype="bfloat16")),
    "out-f32": ("llama-bf16", merge("linear", base=False, each=WEIGHTS, out_dtype="float32")),
    "wide-and-back": (
        "llama-bf16",
        merge("sce", shared={"select_topk": 0.5}, dtype="float32", out_dtype="bfloat16"),
    ),
    "slerp-wide": (
        "llama-bf16",
        merge("slerp", experts=1, listed=True, shared={"t": 0.4}, dtype="float32"),
    ),
    "half": ("llama-f16", merge("task_arithmetic", each=WEIGHTS)),
    "half-linear": ("llama-f16", merge("linear", base=False, each=WEIGHTS)),
}

FAMILIES = (
    "mistral-f32",
    "qwen2-f32",
    "qwen2-bf16",
    "gemma-bf16",
    "gpt2-f32",
    "qwen3-f32",
    "gemma2-f32",
    "phi3-bf16",
    "mixtral-f32",
    "distilbert-f32",
    "bert-f32",
    "sharded-f32",
    "pickled-f32",
)


def tokens(**rules: object) -> dict[str, object]:
    """Return rules for tokens whose names are not identifiers."""
    names = {"user": "<|user|>", "assistant": "<|assistant|>", "tool": "<|tool|>", "new": "<|new|>"}
    return {names[key]: rule for key, rule in rules.items()}


def two(*experts: int, **extra: object) -> Recipe:
    """Return a linear merge of the base and some experts with different vocabularies."""
    names = ["base", *(f"expert{number}" for number in experts or (1, 2))]
    return {
        "merge_method": "linear",
        "base_model": model("base"),
        "models": [{"model": model(name)} for name in names],
        "parameters": {"weight": 0.5},
        **extra,
    }


TOKENIZERS: dict[str, Recipe] = {
    "union": two(tokenizer_source="union"),
    "union-three": two(1, 2, 3, tokenizer_source="union"),
    "union-no-base": merge(
        "linear", experts=2, base=False, each={"weight": 0.5}, tokenizer={"source": "union"}
    ),
    "base": two(tokenizer_source="base"),
    "one": two(tokenizer_source=model("expert2")),
    "padded": two(tokenizer={"source": "union", "pad_to_multiple_of": 32}),
    "rules": two(
        tokenizer={
            "source": "union",
            "tokens": tokens(
                user={"source": model("expert1"), "force": True},
                tool={"source": {"kind": "zero"}},
                assistant={
                    "source": {"kind": "model_token", "model": model("base"), "token": "</s>"}
                },
            ),
        }
    ),
    "new-token": two(
        tokenizer={
            "source": "base",
            "tokens": tokens(
                new={"source": {"kind": "model_token", "model": model("base"), "token_id": 5}}
            ),
        }
    ),
    "task_arithmetic-union": merge(
        "task_arithmetic", experts=2, each={"weight": 0.5}, tokenizer_source="union"
    ),
    "new-token-union": two(
        tokenizer={"source": "union", "tokens": tokens(new={"source": {"kind": "zero"}})}
    ),
    "padded-rows": two(3, tokenizer_source="base"),
    "template": two(tokenizer_source="union", chat_template="chatml"),
    "template-text": two(
        tokenizer_source="base", chat_template="{% for m in messages %}{{ m }}{% endfor %}"
    ),
    "template-auto": two(tokenizer_source="base", chat_template="auto"),
}

LORA: dict[str, Recipe] = {
    "lora-alone": {
        "merge_method": "passthrough",
        "models": [{"model": f"{model('base')}+{model('adapter1')}"}],
    },
    "lora-linear": {
        "merge_method": "linear",
        "models": [
            {"model": f"{model('base')}+{model('adapter1')}", "parameters": {"weight": 0.6}},
            {"model": f"{model('base')}+{model('adapter2')}", "parameters": {"weight": 0.4}},
            {"model": model("expert1"), "parameters": {"weight": 0.5}},
        ],
    },
    "lora-ties": {
        "merge_method": "ties",
        "base_model": model("base"),
        "models": [
            {"model": f"{model('base')}+{model('adapter1')}"},
            {"model": f"{model('base')}+{model('adapter2')}"},
        ],
        "parameters": {"weight": 0.7, "density": 0.5},
    },
}

STAGES: dict[str, list[Recipe]] = {
    "stages-two": [
        {"name": "first", **merge("linear", experts=2, base=False, each={"weight": 0.5})},
        {
            "merge_method": "slerp",
            "base_model": model("base"),
            "models": [{"model": "first"}],
            "parameters": {"t": 0.4},
        },
    ],
    "stages-out-of-order": [
        {
            "merge_method": "task_arithmetic",
            "base_model": model("base"),
            "models": [
                {"model": "left", "parameters": {"weight": 0.5}},
                {"model": "right", "parameters": {"weight": 0.3}},
            ],
        },
        {"name": "right", **merge("ties", each=HALVES)},
        {
            "name": "left",
            "merge_method": "passthrough",
            "slices": [sources(0, 2, "expert1"), sources(2, 4, "expert2")],
        },
    ],
}


def all_cases() -> Iterator[Case]:
    """Yield every case in a fixed order."""
    for family in ("llama-f32", "llama-bf16"):
        for name, recipe in METHODS.items():
            yield Case(f"{name}/{family}", family, [recipe])
        for name, recipe in LORA.items():
            yield Case(f"{name}/{family}", family, [recipe])
        for name, recipes in STAGES.items():
            yield Case(f"{name}/{family}", family, recipes)
    for name, recipe in STRUCTURES.items():
        yield Case(f"{name}/llama-f32", "llama-f32", [recipe])
    for name, (family, recipe) in TYPED.items():
        wide = {"bfloat16": "llama-bf16", "float16": "llama-f16"}.get(str(recipe.get("dtype")))
        yield Case(f"{name}/{family}", family, [recipe], wide_family=wide)
    for family in FAMILIES:
        for name in ("linear", "ties", "slerp", "passthrough"):
            yield Case(f"{name}/{family}", family, [METHODS[name]])
    for name in ("stack-overlapping", "slices-slerp"):
        for family in ("mistral-f32", "qwen2-f32"):
            yield Case(f"{name}/{family}", family, [STRUCTURES[name]])
    for family in ("tokens-f32", "tokens-bf16"):
        for name, recipe in TOKENIZERS.items():
            yield Case(f"{name}/{family}", family, [recipe])
