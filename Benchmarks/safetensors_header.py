"""Write the beginning of a safetensors file of float32 tensors."""

from __future__ import annotations

import json
import math
import struct


def header(shapes: dict[str, tuple[int, ...]]) -> bytes:
    """Return length and header; the tensors' bytes follow in the same order."""
    entries, position = {}, 0
    for name, shape in shapes.items():
        size = 4 * math.prod(shape)
        entries[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [position, position + size]}
        position += size
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text
