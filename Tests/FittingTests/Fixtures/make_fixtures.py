#!/usr/bin/env python3
"""Records what PyTorch finds about the inputs and the derivatives of a tiny vision transformer.

Needs torch and safetensors. `statistics.safetensors` holds `model/…` (the parameters), `images` and `head.weight`,
`head.bias`; `gram/…` with the mean of XᵀX of each linear layer and of the patches, and the mean of x̂² of each
normalisation; `exact/…` and `batch/…` with the diagonal of the Fisher information, the latter for batches of 4.
"""
import os

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(5)
WIDTH, HEADS, DEPTH, HIDDEN, PATCH, SIZE, CLASSES, COUNT = 8, 2, 2, 12, 4, 8, 3, 6


def tensor(*shape, scale=0.3, shift=0.0):
    return torch.randn(*shape) * scale + shift


model = {"patch_embed.weight": tensor(WIDTH, 1, PATCH, PATCH), "patch_embed.bias": tensor(WIDTH),
         "pos_embed": tensor(1, (SIZE // PATCH) ** 2, WIDTH)}
for i in range(DEPTH):
    for name, (rows, columns) in {"attn.qkv": (3 * WIDTH, WIDTH), "attn.proj": (WIDTH, WIDTH),
                                  "mlp.fc1": (HIDDEN, WIDTH), "mlp.fc2": (WIDTH, HIDDEN)}.items():
        model[f"blocks.{i}.{name}.weight"] = tensor(rows, columns)
        model[f"blocks.{i}.{name}.bias"] = tensor(rows)
    for name in ("norm1", "norm2"):
        model[f"blocks.{i}.{name}.weight"] = tensor(WIDTH, shift=1.0)
        model[f"blocks.{i}.{name}.bias"] = tensor(WIDTH)
model["norm.weight"] = tensor(WIDTH, shift=1.0)
model["norm.bias"] = tensor(WIDTH)
head = {"head.weight": tensor(CLASSES, WIDTH, scale=1.0), "head.bias": tensor(CLASSES)}
images = torch.randn(COUNT, SIZE, SIZE)
seen = {}


def note(name, rows):
    rows = rows.detach().double().reshape(-1, rows.shape[-1])
    sums, count = seen.get(name, (0, 0))
    seen[name] = (sums + rows.T @ rows, count + len(rows))


def linear(p, name, x):
    note(name + ".weight", x)
    return F.linear(x, p[name + ".weight"], p[name + ".bias"])


def norm(p, name, x):
    plain = F.layer_norm(x, (WIDTH,), eps=1e-6).detach().double().reshape(-1, WIDTH)
    sums, count = seen.get(name + ".weight", (0, 0))
    seen[name + ".weight"] = (sums + (plain * plain).sum(0), count + len(plain))
    return F.layer_norm(x, (WIDTH,), p[name + ".weight"], p[name + ".bias"], eps=1e-6)


def scores(p, x):
    x = x.unsqueeze(1)
    note("patch_embed.weight", F.unfold(x, PATCH, stride=PATCH).transpose(1, 2))
    x = F.conv2d(x, p["patch_embed.weight"], p["patch_embed.bias"], stride=PATCH)
    x = x.flatten(2).transpose(1, 2) + p["pos_embed"]
    for i in range(DEPTH):
        b = f"blocks.{i}."
        n, t, _ = x.shape
        q, k, v = (y.reshape(n, t, HEADS, -1).transpose(1, 2)
                   for y in linear(p, b + "attn.qkv", norm(p, b + "norm1", x)).chunk(3, -1))
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, WIDTH)
        x = x + linear(p, b + "attn.proj", mixed)
        x = x + linear(p, b + "mlp.fc2", F.gelu(linear(p, b + "mlp.fc1", norm(p, b + "norm2", x))))
    return F.linear(norm(p, "norm", x).mean(1), head["head.weight"], head["head.bias"])


with torch.no_grad():
    scores(model, images)
out = {"gram/" + name: (sums / count).float() for name, (sums, count) in seen.items()}
leaves = {name: value.clone().requires_grad_() for name, value in model.items()}
exact = {name: torch.zeros_like(value, dtype=torch.float64) for name, value in model.items()}
batch = {name: torch.zeros_like(value, dtype=torch.float64) for name, value in model.items()}
for i in range(COUNT):
    logs = scores(leaves, images[i:i + 1]).log_softmax(-1)[0]
    for c in range(CLASSES):
        found = torch.autograd.grad(logs[c], list(leaves.values()), retain_graph=True)
        for name, g in zip(leaves, found):
            exact[name] += logs[c].exp().detach().double() * g.double() ** 2 / COUNT
for start in range(0, COUNT, 4):
    logs = scores(leaves, images[start:start + 4]).log_softmax(-1)
    loss = (logs.exp().sqrt().detach() * logs).sum()
    for name, g in zip(leaves, torch.autograd.grad(loss, list(leaves.values()))):
        batch[name] += g.double() ** 2 / COUNT
out |= {"exact/" + name: value.float() for name, value in exact.items()}
out |= {"batch/" + name: value.float() for name, value in batch.items()}
out |= {"model/" + name: value for name, value in model.items()} | head | {"images": images}
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "statistics.safetensors")
save_file({name: value.contiguous() for name, value in out.items()}, path)
print(path, os.path.getsize(path))
