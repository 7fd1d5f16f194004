"""Writes small pictures, what Pillow decodes them to, and what it makes of them at other sizes.

Needs numpy and Pillow 11, which filters rows before columns in every case, while version 13 chooses
the order and differs by at most one. images.npz holds, for each picture, the pixels after decoding;
sizes.npz pictures whose shorter side was brought to a size by BICUBIC and which were then cropped in the
middle, as torchvision's Resize and CenterCrop do.
"""

import io
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image

here = pathlib.Path(__file__).parent
rng = np.random.default_rng(7)


def picture(height, width, channels):
    y, x = np.mgrid[:height, :width]
    waves = [
        127 + 90 * np.sin(x / (3 + c) + c) * np.cos(y / (5 - c)) + 30 * (x + y) / (width + height) for c in range(channels)
    ]
    noise = rng.normal(0, 4, (height, width, channels))
    return np.clip(np.stack(waves, -1) + noise, 0, 255).astype(np.uint8)


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


decoded = {}


def keep(name, data):
    (here / name).write_bytes(data)
    image = Image.open(io.BytesIO(data))
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    decoded[name] = np.asarray(image)


def save(name, image, **options):
    buffer = io.BytesIO()
    image.save(buffer, **options)
    keep(name, buffer.getvalue())


rgb = Image.fromarray(picture(37, 53, 3))
save("rgb.png", rgb, format="PNG")
save("rgba.png", Image.fromarray(picture(20, 31, 4)), format="PNG")
save("grey.png", Image.fromarray(picture(20, 31, 1)[..., 0]), format="PNG")
save("grey_alpha.png", Image.fromarray(picture(9, 11, 2)), format="PNG")
save("palette.png", rgb.quantize(16), format="PNG")
save("rgb.jpg", rgb, format="JPEG", quality=90)
save("rgb_420.jpg", rgb, format="JPEG", quality=80, subsampling=2)
save("progressive.jpg", rgb, format="JPEG", quality=85, progressive=True)
save("grey.jpg", rgb.convert("L"), format="JPEG", quality=90)
# A file that claims a gamma of 1, which Pillow ignores.
buffer = io.BytesIO()
rgb.save(buffer, format="PNG")
plain = buffer.getvalue()
keep("gamma.png", plain[:33] + chunk(b"gAMA", struct.pack(">I", 100000)) + plain[33:])
# Samples of 16 bits.
wide = rng.integers(0, 65536, (7, 9, 3)).astype(">u2")
rows = b"".join(b"\0" + row.tobytes() for row in wide)
keep(
    "wide.png",
    plain[:8]
    + chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 7, 16, 2, 0, 0, 0))
    + chunk(b"IDAT", zlib.compress(rows))
    + chunk(b"IEND", b""),
)
np.savez_compressed(here / "images.npz", **{k: v[None] for k, v in decoded.items()})

sizes = {}
for height, width, size in [(37, 53, 24), (53, 37, 24), (40, 40, 24), (37, 53, 61), (200, 31, 24), (24, 24, 24), (25, 60, 24)]:
    image = picture(height, width, 3)
    short, long = min(height, width), max(height, width)
    other = int(size * long / short)
    new = (size, other) if width <= height else (other, size)
    small = Image.fromarray(image).resize(new, Image.Resampling.BICUBIC)
    left, top = int(round((new[0] - size) / 2.0)), int(round((new[1] - size) / 2.0))
    small = small.crop((left, top, left + size, top + size))
    sizes[f"in_{height}_{width}_{size}"] = image[None]
    sizes[f"out_{height}_{width}_{size}"] = np.asarray(small)[None]
# Black and white, where the filter overshoots.
sharp = (255 * (np.indices((90, 70)).sum(0) // 7 % 2)).astype(np.uint8)[..., None].repeat(3, -1)
sizes["in_90_70_32"] = sharp[None]
resized = Image.fromarray(sharp).resize((32, int(32 * 90 / 70)), Image.Resampling.BICUBIC)
top = int(round((resized.height - 32) / 2.0))
sizes["out_90_70_32"] = np.asarray(resized.crop((0, top, 32, top + 32)))[None]
np.savez_compressed(here / "sizes.npz", **sizes)
