"""Compare two merged models: tensors, config.json and vocabularies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import safe_open

WIDE_TOLERANCE = 1e-5
STRAY_FRACTION = 0.001  # of the elements of a narrow tensor may be further than one step away
BOOKKEEPING = {"transformers_version", "_name_or_path", "torch_dtype"}


@dataclass(frozen=True)
class Difference:
    """One thing in which the programs differ."""

    kind: str
    item: str
    detail: str
    share: float = 0.0  # of the elements, when values differ


@dataclass
class Agreement:
    """How far two sets of tensors agree."""

    tensors: int = 0
    elements: int = 0
    equal: int = 0
    near: int = 0
    worst: float = 0.0
    differences: list[Difference] = field(default_factory=list)

    @property
    def far(self) -> int:
        """The number of elements beyond the tolerance."""
        return self.elements - self.near


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    """Read all tensors of the safetensors files that belong to a model."""
    index = folder / "model.safetensors.index.json"
    if index.exists():
        names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
        files = [folder / name for name in names]
    else:
        files = sorted(folder.glob("*.safetensors"))
    found: dict[str, torch.Tensor] = {}
    for file in files:
        with safe_open(str(file), "pt") as opened:
            for key in opened.keys():  # noqa: SIM118 — not a dictionary
                found[key] = opened.get_tensor(key)
    return found


def with_single_experts(found: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Cut the experts of a layer, fused as transformers 5 holds them, into Mixtral's tensors."""
    result: dict[str, torch.Tensor] = {}
    for name, tensor in found.items():
        stem, _, last = name.rpartition(".mlp.experts.")
        single = f"{stem}.block_sparse_moe.experts"
        if stem and last == "gate_up_proj":
            for number, fused in enumerate(tensor):
                gate, up = fused.chunk(2)
                result[f"{single}.{number}.w1.weight"] = gate.contiguous()
                result[f"{single}.{number}.w3.weight"] = up.contiguous()
        elif stem and last == "down_proj":
            for number, down in enumerate(tensor):
                result[f"{single}.{number}.w2.weight"] = down.contiguous()
        else:
            result[name.replace(".mlp.gate.", ".block_sparse_moe.gate.")] = tensor
    return result


def steps(values: torch.Tensor) -> torch.Tensor:
    """Number 16-bit floating-point values so that neighbours differ by one."""
    bits = values.contiguous().view(torch.int16).to(torch.int32)
    return torch.where(bits < 0, -(bits & 0x7FFF), bits)


def closeness(ours: torch.Tensor, theirs: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Return which elements agree, and the largest distance.

    The distance is relative to the element or to the root mean square of the tensor, whichever is
    more. In narrow types it is counted in steps from one value to the next, of which one is
    allowed, unless the relative distance is small enough anyway.
    """
    if not ours.dtype.is_floating_point:
        return ours == theirs, float((ours != theirs).sum())
    same = (ours == theirs) | (ours.isnan() & theirs.isnan())
    scale = theirs.double().square().mean().sqrt().clamp(min=1e-30)
    scale = torch.maximum(theirs.double().abs(), scale)
    distance = ((ours.double() - theirs.double()).abs() / scale).nan_to_num(nan=torch.inf)
    distance = torch.where(same, 0.0, distance)
    near = distance <= WIDE_TOLERANCE
    if ours.dtype in (torch.bfloat16, torch.float16):
        distance = torch.where(near, 0.0, (steps(ours) - steps(theirs)).abs().double())
        near |= distance <= 1
    return near, float(distance.max()) if distance.numel() else 0.0


def compare_tensors(
    ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor], stray: float = STRAY_FRACTION
) -> Agreement:
    """Compare names, dtypes, shapes and values."""
    result = Agreement()
    for name in sorted(ours.keys() | theirs.keys()):
        if name not in ours or name not in theirs:
            kind = "extra tensor" if name in ours else "missing tensor"
            result.differences.append(Difference(kind, name, ""))
            continue
        left, right = ours[name], theirs[name]
        if left.shape != right.shape:
            detail = f"{list(left.shape)} against {list(right.shape)}"
            result.differences.append(Difference("shape", name, detail))
            continue
        if left.dtype != right.dtype:
            detail = f"{left.dtype} against {right.dtype}".replace("torch.", "")
            result.differences.append(Difference("dtype", name, detail))
            continue
        near, worst = closeness(left, right)
        count = left.numel()
        far = count - int(near.sum())
        result.tensors += 1
        result.elements += count
        result.near += count - far
        result.equal += int((left == right).sum())
        result.worst = max(result.worst, worst)
        narrow = left.dtype in (torch.bfloat16, torch.float16)
        if far > (max(1, stray * count) if narrow else 0):
            detail = f"{far} of {count} elements, at most {worst:.3g}"
            result.differences.append(Difference("values", name, detail, far / count))
    return result


def configuration(folder: Path) -> dict[str, object]:
    """Read config.json, with the one name that the type has now."""
    values = json.loads((folder / "config.json").read_text())
    if "torch_dtype" in values:
        values.setdefault("dtype", values["torch_dtype"])
    return {key: value for key, value in values.items() if key not in BOOKKEEPING}


def compare_configurations(ours: Path, theirs: Path) -> Iterator[Difference]:
    """Compare what config.json says."""
    missing = object()
    left, right = configuration(ours), configuration(theirs)
    for key in sorted(left.keys() | right.keys()):
        mine, other = left.get(key, missing), right.get(key, missing)
        if mine != other:
            shown = ["absent" if v is missing else json.dumps(v) for v in (mine, other)]
            yield Difference("config", key, f"{shown[0]} against {shown[1]}"[:100])


def vocabulary(folder: Path) -> dict[str, int] | None:
    """Read the tokens of tokenizer.json with their numbers."""
    file = folder / "tokenizer.json"
    if not file.exists():
        return None
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(file)).get_vocab(with_added_tokens=True)


def template(folder: Path) -> str | None:
    """Read the chat template, from whichever file holds it."""
    file = folder / "chat_template.jinja"
    if file.exists():
        return file.read_text()
    file = folder / "tokenizer_config.json"
    return json.loads(file.read_text()).get("chat_template") if file.exists() else None


def compare_tokenizers(ours: Path, theirs: Path, texts: list[str]) -> Iterator[Difference]:
    """Compare vocabularies, the cutting of some texts, and chat templates."""
    left, right = vocabulary(ours), vocabulary(theirs)
    if (left is None) != (right is None):
        writer = "tincture" if right is None else "mergekit"
        yield Difference("tokenizer", f"tokenizer.json of {writer} only", "")
    elif left is not None and right is not None and left != right:
        if left.keys() != right.keys():
            some = sorted(left.keys() ^ right.keys())[:5]
            yield Difference("tokenizer", "tokens", f"in one vocabulary only: {some}")
        else:
            moved = sum(left[token] != right[token] for token in left)
            yield Difference(
                "tokenizer", "order", f"{moved} of {len(left)} tokens have another row"
            )
    elif left is not None:
        from tokenizers import Tokenizer

        cut = [Tokenizer.from_file(str(path / "tokenizer.json")) for path in (ours, theirs)]
        for text in texts:
            mine, other = (one.encode(text).ids for one in cut)
            if mine != other:
                yield Difference("tokenizer", "encoding", f"{text[:30]!r}: {mine} against {other}")
    mine, other = template(ours), template(theirs)
    if mine != other and (not mine or not other or rendered(mine) != rendered(other)):
        yield Difference("tokenizer", "chat template", f"{mine!r:.40} against {other!r:.40}")


def rendered(text: str) -> list[str]:
    """Render a chat template with and without the beginning of an answer."""
    import jinja2

    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": " Good day \n"},
        {"role": "user", "content": "And now?"},
    ]
    compiled = environment.from_string(text)
    return [
        compiled.render(messages=messages, add_generation_prompt=flag, bos_token="<s>")
        for flag in (False, True)
    ]
