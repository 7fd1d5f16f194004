#!/usr/bin/env python3
"""Records values of PyTorch's operators and trajectories of its optimisers.

Needs torch and safetensors; writes operators.safetensors and optimizers.safetensors beside itself.
A tensor CASE/in0, CASE/in1, ... is an operand of a case, CASE/out0, ... a result. OperatorCases.swift and
OptimizerTests.swift compute the same from the operands by the names of the cases.
"""
import os

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
generator = torch.Generator().manual_seed(20261121)


def normal(*shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def positive(*shape):
    return torch.rand(*shape, generator=generator, dtype=torch.float64) + 0.25


def integers(high, *shape):
    return torch.randint(0, high, shape, generator=generator)


def distinct(*shape):
    """Numbers that differ by at least 0.1, so that an order survives small changes."""
    count = torch.Size(shape).numel()
    return (torch.randperm(count, generator=generator).double() * 0.1 - count / 20).reshape(shape)


tensors = {}


def case(name, inputs, function):
    outputs = function(*inputs)
    if isinstance(outputs, torch.Tensor):
        outputs = [outputs]
    for kind, values in (("in", inputs), ("out", outputs)):
        for index, value in enumerate(values):
            tensors[f"{name}/{kind}{index}"] = value.detach().clone().contiguous()


a, b, row = normal(3, 4), normal(3, 4), normal(4)
case("add", [a, row], lambda x, y: x + y)
case("add number", [a], lambda x: x + 1.5)
case("add integers", [integers(9, 2, 3), integers(9, 3)], lambda x, y: x + y)
case("subtract", [a, b], lambda x, y: x - y)
case("subtract integers", [integers(9, 2, 3), integers(9, 3)], lambda x, y: x - y)
case("subtract from number", [a], lambda x: 2 - x)
case("sum with multiple", [a, b], lambda x, y: torch.add(x, y, alpha=-0.3))
case("negate", [a], lambda x: -x)
case("multiply", [a, row], lambda x, y: x * y)
case("multiply by number", [a], lambda x: x * -1.25)
case("divide", [a, positive(3, 4)], lambda x, y: x / y)
case("divide by number", [a], lambda x: x / 3)
case("divide number", [positive(3, 4)], lambda x: 2 / x)
case("multiply single precision", [a.float()], lambda x: x * 0.1)
case("multiply half precision", [a.bfloat16()], lambda x: x * 0.1)
case("multiply integers by number", [integers(9, 3)], lambda x: x * 0.5)

for name, function in [
    ("exp", torch.exp), ("expm1", torch.expm1), ("square", torch.square), ("abs", torch.abs),
    ("sin", torch.sin), ("cos", torch.cos), ("tanh", torch.tanh), ("erf", torch.erf),
    ("sigmoid", torch.sigmoid), ("relu", torch.relu), ("silu", F.silu), ("gelu", F.gelu),
    ("gelu tanh", lambda x: F.gelu(x, approximate="tanh")),
]:
    case(name, [normal(2, 5)], function)
for name, function in [
    ("log", torch.log), ("log1p", torch.log1p), ("sqrt", torch.sqrt), ("rsqrt", torch.rsqrt),
    ("power", lambda x: x ** 1.7),
]:
    case(name, [positive(2, 5)], function)
case("power by tensor", [positive(2, 3), normal(2, 3)], lambda x, y: x ** y)
case("sign", [normal(6)], torch.sign)
case("floor", [normal(6) * 3], torch.floor)
case("rounded", [torch.tensor([0.5, 1.5, -0.5, 2.4, -2.6])], torch.round)
case("clamp", [distinct(3, 5)], lambda x: x.clamp(-0.33, 0.41))
case("clamp below", [distinct(3, 5)], lambda x: x.clamp(min=0.02))

c = integers(3, 2, 4).double()
d = integers(3, 2, 4).double()
for name, function in [
    ("equal", torch.eq), ("unequal", torch.ne), ("less", torch.lt), ("at most", torch.le),
    ("greater", torch.gt), ("at least", torch.ge),
]:
    case(name, [c, d], function)
    case(name + " number", [c], lambda x, f=function: f(x, torch.tensor(1.0, dtype=torch.float64)))
case("and", [c > 0, d > 0], torch.logical_and)
case("or", [c > 0, d > 0], torch.logical_or)
case("not", [c > 0], torch.logical_not)
case("is finite", [torch.tensor([1.0, float("inf"), float("nan"), -float("inf")])], torch.isfinite)
case("minimum", [a, b], torch.minimum)
case("maximum", [a, b], torch.maximum)
case("replace", [a, a > 0, b], lambda x, m, y: torch.where(m, y, x))
case("replace by number", [a, a > 0], lambda x, m: x.masked_fill(m, -7.5))
case("all", [c > 0], torch.all)
case("any", [c > 0], torch.any)

case("sum", [a], torch.sum)
case("sum along", [normal(2, 3, 4)], lambda x: x.sum((0, 2), keepdim=True))
case("mean", [a], torch.mean)
case("mean along", [a], lambda x: x.mean(-1))
case("variance", [a], lambda x: x.var(1))
case("variance biased", [a], lambda x: x.var((0, 1), unbiased=False))
case("norm", [normal(2, 2, 3)], lambda x: x.norm())
case("norm along", [a], lambda x: x.norm(dim=1, keepdim=True))
case("max", [distinct(3, 4)], lambda x: x.amax(0))
case("min", [distinct(3, 4)], lambda x: x.amin())
case("log sum exp", [a], lambda x: x.logsumexp(1))
case("argmax", [distinct(3, 4)], lambda x: x.argmax(1))
case("argmax of all", [distinct(3, 4)], lambda x: x.argmax())
case("argmin", [distinct(3, 4)], lambda x: x.argmin(0, keepdim=True))
case("top", [distinct(3, 5)], lambda x: tuple(x.topk(2, -1)))
case("top smallest", [distinct(5, 3)], lambda x: tuple(x.topk(2, 0, largest=False)))
case("sorted", [distinct(3, 4)], lambda x: tuple(x.sort(1)))
case("sorted descending", [integers(3, 2, 6)], lambda x: tuple(x.sort(dim=-1, descending=True, stable=True)))
case("cumulative sum", [a], lambda x: x.cumsum(1))

t = normal(2, 3, 4)
case("transpose", [a], lambda x: x.t())
case("permute", [t], lambda x: x.permute(2, 0, 1))
case("reshape", [t], lambda x: x.reshape(4, -1))
case("flatten", [t], lambda x: x.flatten(1))
case("unsqueeze", [a], lambda x: x.unsqueeze(1))
case("squeeze", [normal(3, 1, 2)], lambda x: x.squeeze(1))
case("expand", [normal(3, 1)], lambda x: x.expand(2, -1, 4))
case("slice", [t], lambda x: x[:, :, 1:4:2])
case("select", [t], lambda x: x[:, -1])
case("concatenate", [a, normal(2, 4)], lambda x, y: torch.cat([x, y], 0))
case("stack", [a, b], lambda x, y: torch.stack([x, y], 1))
case("chunks", [normal(5, 2)], lambda x: x.chunk(2, 0))
case("split", [normal(2, 6)], lambda x: x.split([1, 3, 2], 1))
case("repeat", [normal(2, 1)], lambda x: x.repeat(2, 3))
case("repeat interleaved", [normal(2, 2)], lambda x: x.repeat_interleave(3, 0))
case("flip", [a], lambda x: x.flip(0, 1))
case("roll", [a], lambda x: x.roll(1, 1))
case("pad", [normal(2, 2)], lambda x: F.pad(x, [1, 2, 0, 1], value=0.5))
case("lower triangle", [normal(3, 3)], lambda x: x.tril(-1))
case("upper triangle", [normal(3, 3)], lambda x: x.triu(1))
case("contiguous", [a], lambda x: x.t().contiguous())
case("convert", [a.float()], lambda x: x.double())
case("convert to half precision", [a.float()], lambda x: x.bfloat16())

case("selected", [a, integers(3, 5)], lambda x, i: x.index_select(0, i))
case("gathered", [a, integers(4, 3, 2)], lambda x, i: x.gather(1, i))
case("selected by mask", [a, a > 0], torch.masked_select)
case("scattered", [a, torch.tensor([[0, 2], [1, 3], [3, 0]]), normal(3, 2)],
     lambda x, i, s: x.scatter(1, i, s))
case("scatter added", [a, integers(4, 3, 6), normal(3, 6)], lambda x, i, s: x.scatter_add(1, i, s))
case("embedding", [integers(5, 2, 3), normal(5, 2)], F.embedding)
case("one hot", [integers(4, 5)], lambda i: F.one_hot(i, 4))

case("matmul", [normal(3, 4), normal(4, 2)], torch.matmul)
case("matmul batched", [normal(2, 3, 4), normal(2, 4, 2)], torch.matmul)
case("matmul vector", [normal(3, 4), normal(4)], torch.matmul)
case("linear", [normal(2, 3, 4), normal(5, 4), normal(5)], F.linear)
case("linear without bias", [normal(3, 4), normal(5, 4)], F.linear)
case("conv2d", [normal(2, 3, 5, 5), normal(4, 3, 3, 3), normal(4)],
     lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1))
case("conv2d grouped", [normal(1, 4, 5, 4), normal(4, 2, 2, 2)],
     lambda x, w: F.conv2d(x, w, groups=2, dilation=2))
q, k, v = normal(1, 2, 3, 4), normal(1, 2, 3, 4), normal(1, 2, 3, 4)
case("attention", [q, k, v], F.scaled_dot_product_attention)
case("attention causal", [q, k, v], lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True))
case("attention masked", [q, k, v, torch.tensor([[True, False, True]] * 3)],
     lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, m))
case("attention scaled", [q, k, v, normal(3, 3)],
     lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, m, scale=0.3))
case("attention grouped", [normal(1, 4, 3, 2), normal(1, 2, 3, 2), normal(1, 2, 3, 2)],
     lambda q, k, v: F.scaled_dot_product_attention(q, k, v, enable_gqa=True))

case("softmax", [a], lambda x: x.softmax(-1))
case("softmax along", [a], lambda x: x.softmax(0))
case("log softmax", [a], lambda x: x.log_softmax(-1))
case("normalized", [a], lambda x: F.normalize(x, dim=-1))
case("layer norm", [normal(2, 3, 4), normal(4), normal(4)], lambda x, w, b: F.layer_norm(x, (4,), w, b, 1e-6))
case("rms norm", [normal(2, 3, 4), normal(4)], lambda x, w: F.rms_norm(x, (4,), w, 1e-6))
case("group norm", [normal(2, 4, 3), normal(4), normal(4)], lambda x, w, b: F.group_norm(x, 2, w, b))
case("batch norm", [normal(3, 2, 2), normal(2), positive(2), normal(2), normal(2)],
     lambda x, m, v, w, b: F.batch_norm(x, m, v, w, b))


def batch_norm_training(x, m, v, w, b):
    m, v = m.clone(), v.clone()
    return F.batch_norm(x, m, v, w, b, training=True, momentum=0.3), m, v


case("batch norm in training", [normal(3, 2, 2), normal(2), positive(2), normal(2), normal(2)],
     batch_norm_training)
case("batch norm by the batch", [normal(3, 2, 2), normal(2), normal(2)],
     lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True))

image = distinct(1, 2, 4, 4)
case("max pool", [image], lambda x: F.max_pool2d(x, 2))
case("max pool overlapping", [image], lambda x: F.max_pool2d(x, 3, 2, 1))
case("average pool", [image], lambda x: F.avg_pool2d(x, 3, 1, 1))
case("adaptive average pool", [image], lambda x: F.adaptive_avg_pool2d(x, (3, 1)))
case("resize nearest", [image], lambda x: F.interpolate(x, (6, 3)))
case("resize bilinear", [image], lambda x: F.interpolate(x, (6, 3), mode="bilinear"))
case("resize bilinear aligned", [image],
     lambda x: F.interpolate(x, (6, 3), mode="bilinear", align_corners=True))
case("resize bicubic", [image], lambda x: F.interpolate(x, (5, 7), mode="bicubic"))

logits, classes = normal(4, 3), torch.tensor([2, 0, 1, 1])
case("cross entropy", [logits, classes], F.cross_entropy)
case("cross entropy smoothed", [logits, classes, positive(3)],
     lambda x, y, w: F.cross_entropy(x, y, w, ignore_index=1, label_smoothing=0.1))
case("cross entropy of probabilities", [logits, normal(4, 3).softmax(-1)],
     lambda x, y: F.cross_entropy(x, y, reduction="sum"))
case("negative log likelihood", [normal(4, 3).log_softmax(-1), classes],
     lambda x, y: F.nll_loss(x, y, reduction="none"))
case("squared error", [a, b], F.mse_loss)
case("absolute error", [a, b], lambda x, y: F.l1_loss(x, y, reduction="sum"))
case("smooth absolute error", [a, b], lambda x, y: F.smooth_l1_loss(x, y, beta=0.5))
p = normal(3, 4).softmax(-1)
case("divergence", [a.log_softmax(-1), p], lambda x, y: F.kl_div(x, y, reduction="sum"))
case("divergence of logarithms", [a.log_softmax(-1), p.log()],
     lambda x, y: F.kl_div(x, y, reduction="sum", log_target=True))
case("binary cross entropy", [a, positive(3, 4).clamp(max=1)], F.binary_cross_entropy_with_logits)
case("cosine similarity", [a, b], lambda x, y: F.cosine_similarity(x, y, -1))

case("zeros", [], lambda: torch.zeros(2, 3))
case("ones", [], lambda: torch.ones(2, dtype=torch.float64))
case("full", [], lambda: torch.full((2, 2), 1.5))
case("range", [], lambda: torch.arange(2, 7))
save_file(tensors, os.path.join(HERE, "operators.safetensors"))

# Optimisers: ten steps on fixed gradients of two parameters.
tensors = {}
start = [normal(3, 2).float(), normal(4).float()]
gradients = [[normal(3, 2).float(), normal(4).float()] for _ in range(10)]
tensors.update({f"start/{i}": value for i, value in enumerate(start)})
tensors.update({f"gradient{s}/{i}": g for s, step in enumerate(gradients) for i, g in enumerate(step)})
for name, make in {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "sgd momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
    "sgd nesterov": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8, nesterov=True),
    "sgd dampened": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8, dampening=0.5),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "adam decay": lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.95), weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, eps=1e-6, weight_decay=0.1),
}.items():
    parameters = [value.clone().requires_grad_() for value in start]
    optimizer = make(parameters)
    for step, gradient in enumerate(gradients):
        if step == 5:
            for group in optimizer.param_groups:
                group["lr"] *= 0.5
        for parameter, value in zip(parameters, gradient):
            parameter.grad = value.clone()
        optimizer.step()
        for index, parameter in enumerate(parameters):
            tensors[f"{name}/step{step}/{index}"] = parameter.detach().clone()
save_file(tensors, os.path.join(HERE, "optimizers.safetensors"))
