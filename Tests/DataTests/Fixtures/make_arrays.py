"""Writes arrays.npz (deflated), stored.npz and numbers-idx3-ubyte.gz: numbers that follow a formula.

Needs numpy. The number at position k in C order is (37 k + 11) mod 251, for signed integers less 100,
for floats less 100 and divided by 8, for booleans its parity.
"""

import gzip
import pathlib
import struct

import numpy as np

here = pathlib.Path(__file__).parent
shape = (5, 2, 3)
k = (37 * np.arange(30) + 11) % 251
types = ["b1", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]


def numbers(kind):
    if kind == "b1":
        return (k % 2).astype(bool)
    values = k - 100 if kind[0] in "if" else k
    if kind == "i1":
        values = values // 2
    return values / 8 if kind[0] == "f" else values


arrays = {}
for kind in types:
    for order in "CF":
        for endian in "<>":
            array = numbers(kind).astype(endian + kind).reshape(shape)
            name = f"{kind}_{order}_{'little' if endian == '<' else 'big'}"
            arrays[name] = np.asfortranarray(array) if order == "F" else array
arrays["number"] = np.float32(3)
np.savez_compressed(here / "arrays.npz", **arrays)
np.savez(here / "stored.npz", x=numbers("f4").astype("f4").reshape(shape), y=np.arange(5))
# Longer than the buffer, so that it is unpacked in several steps.
np.savez_compressed(here / "long.npz", x=np.arange(200000, dtype="u4") // 7)
with gzip.GzipFile(here / "numbers-idx3-ubyte.gz", "wb", mtime=0) as file:
    file.write(struct.pack(">HBB3I", 0, 8, 3, *shape) + k.astype("u1").tobytes())
