"""Writes the PyTorch fixtures and expected.json next to this script (made with torch 2.13).

expected.json lists for each file, in order, the tensors that a reader must find: name, dtype as
safetensors spells it, shape, and the bytes of the elements in row-major order in hexadecimal.
"""

import argparse
import collections
import json
import pathlib

import numpy
import torch

HERE = pathlib.Path(__file__).parent
NAMES = {
    torch.float32: "F32", torch.float64: "F64", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8",
    torch.uint8: "U8", torch.uint16: "U16", torch.uint32: "U32", torch.uint64: "U64",
    torch.bool: "BOOL", torch.complex64: "C64", torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
}
expected = {}


def describe(name, tensor):
    raw = tensor.detach().contiguous().reshape(-1).view(torch.uint8) if tensor.numel() else None
    data = raw.numpy().tobytes().hex() if raw is not None else ""
    return {"name": name, "dtype": NAMES[tensor.dtype], "shape": list(tensor.shape), "data": data}


def save(file, content, tensors, **options):
    torch.save(content, HERE / file, **options)
    expected[file] = [describe(name, tensor) for name, tensor in tensors.items()]


def ramp(dtype, count=4):
    return torch.arange(1, count + 1).to(dtype)


floats = {
    str(t).removeprefix("torch."): ramp(t)
    for t in [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.complex64,
              torch.float8_e4m3fn, torch.float8_e5m2]
}
integers = {
    str(t).removeprefix("torch."): ramp(t)
    for t in [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.uint16,
              torch.uint32, torch.uint64, torch.bool]
}
save("floats.pt", floats, floats)
save("integers.pt", integers, integers)

block = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
views = {
    "whole": block,
    "same": block,
    "transposed": block.transpose(0, 2),
    "sliced": block[:, 1:, ::2],
    "row": block[1, 2],
    "expanded": block[0, 0, :1].expand(3, 5),
    "single_axes": block[:1, 2:, :].transpose(0, 1),
    "number": block[1, 1, 1],
    "empty": torch.zeros(0, 3),
    "empty_view": block[:, 3:, :],
}
save("views.pt", views, views)

module = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.BatchNorm1d(1))
with torch.no_grad():
    for index, tensor in enumerate(module.state_dict().values()):
        tensor.fill_(index + 1)
save("state_dict.bin", module.state_dict(), module.state_dict())

marked = torch.nn.Parameter(ramp(torch.float32))
marked.label = 3
subclassed = ramp(torch.float32)
subclassed.label = 3
parameters = {
    "parameter": torch.nn.Parameter(ramp(torch.float16)),
    "with_state": marked,
    "with_attribute": subclassed,
}
save("parameters.pt", parameters, parameters)

weights = collections.OrderedDict(w=ramp(torch.float32), b=ramp(torch.bfloat16, 2))
wrapped = {
    "epoch": 3,
    "loss": 0.25,
    "big": 1 << 80,
    "negative": -(1 << 40),
    "flags": {1, 2},
    "frozen": frozenset([1]),
    "raw": b"abc",
    "array": bytearray(b"abc"),
    "none": None,
    "pair": (1, "x", True),
    "size": torch.Size([2, 3]),
    "dtype": torch.float16,
    "device": torch.device("cpu"),
    "layout": torch.strided,
    "options": argparse.Namespace(rate=0.1),
    "score": numpy.float64(0.5),
    "state": numpy.arange(3),
    "optimizer": {"state": {0: {"step": ramp(torch.float32, 1)}}, "param_groups": [{"lr": 0.1}]},
    "state_dict": weights,
}
for protocol in [2, 3, 4, 5]:
    save(f"wrapped_protocol{protocol}.ckpt", wrapped, weights, pickle_protocol=protocol)
save("only_member.pt", {"epoch": 1, "net": weights}, weights)
nested = {"text": {"w": ramp(torch.float32), 7: ramp(torch.int8)}, "image": [ramp(torch.int16)]}
save("nested.pt", nested, {
    "text.w": nested["text"]["w"], "text.7": nested["text"][7], "image.0": nested["image"][0]})

old = {"weight": block.transpose(0, 1), "row": block[1, 0], "half": ramp(torch.float16),
       "small": ramp(torch.float8_e5m2)}
for protocol in [2, 4]:
    save(f"stream_protocol{protocol}.bin", old, old, _use_new_zipfile_serialization=False,
         pickle_protocol=protocol)

(HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
