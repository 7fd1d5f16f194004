"""Writes coco/: annotations and results in COCO's files, and what pycocotools says about them.

Needs numpy and pycocotools. Usage: python make_coco.py
"""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
from pycocotools import mask as masks
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

HERE = Path(__file__).resolve().parent / "coco"
HEIGHT, WIDTH = 60, 80


def runs(box: list[float], rng: np.random.Generator, *, compressed: bool) -> dict:
    """Return the runs of a noisy ellipse in a box."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    x, y, width, height = box
    inside = ((columns - x - width / 2) / width) ** 2 + ((rows - y - height / 2) / height) ** 2 < 0.25
    inside &= rng.random((HEIGHT, WIDTH)) > 0.05
    pixels = np.asfortranarray(inside.astype(np.uint8))
    if compressed:
        encoded = masks.encode(pixels)
        return {"size": [HEIGHT, WIDTH], "counts": encoded["counts"].decode()}
    flat = pixels.flatten(order="F")
    changes = np.flatnonzero(np.diff(np.concatenate([[0], flat, [2]])))
    return {"size": [HEIGHT, WIDTH], "counts": np.diff(np.concatenate([[0], changes])).tolist()}


def main() -> None:
    """Write the files."""
    rng = np.random.default_rng(8)
    HERE.mkdir(exist_ok=True)
    annotations, boxes, segments = [], [], []
    identities = [7, 3, 11, 5]
    for image in identities:
        for _ in range(int(rng.integers(3, 7))):
            size = rng.choice([8, 20, 45], 2)
            x, y = rng.random() * (WIDTH - size[0]), rng.random() * (HEIGHT - size[1])
            box = [round(float(v), 2) for v in (x, y, *size)]
            crowd = bool(rng.random() < 0.15)
            category = int(rng.integers(1, 4))
            polygon = [box[0], box[1], box[0] + box[2], box[1], box[0] + box[2] / 2, box[1] + box[3]]
            if crowd or rng.random() < 0.5:
                shape = runs(box, rng, compressed=not crowd)
            else:
                shape = [polygon]
            encoded = masks.frPyObjects(shape, HEIGHT, WIDTH) if crowd or isinstance(shape, list) else shape
            area = float(np.sum(masks.area(encoded)))
            annotations.append(
                {
                    **{"id": len(annotations) + 1, "image_id": image, "category_id": category},
                    **{"bbox": box, "segmentation": shape, "area": area, "iscrowd": int(crowd)},
                }
            )
            for _ in range(int(rng.integers(0, 3))):
                shifted = (np.array(box) + rng.normal(0, 2, 4)).clip(1).round(2).tolist()
                guess = {
                    "image_id": image,
                    "category_id": category if rng.random() < 0.8 else int(rng.integers(1, 4)),
                    "score": round(float(rng.random()), 4),
                }
                boxes.append({**guess, "bbox": shifted})
                segments.append({**guess, "segmentation": runs(shifted, rng, compressed=True)})
    images = [{"id": image, "height": HEIGHT, "width": WIDTH} for image in identities]
    categories = [{"id": category, "name": str(category)} for category in range(1, 4)]
    truth = {"images": images, "annotations": annotations, "categories": categories}
    for name, content in (("annotations", truth), ("boxes", boxes), ("masks", segments)):
        (HERE / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    expected = {}
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(HERE / "annotations.json"))
        for name, kind in (("boxes", "bbox"), ("masks", "segm")):
            evaluation = COCOeval(coco, coco.loadRes(str(HERE / f"{name}.json")), kind)
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
            expected[name] = evaluation.stats.tolist()
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
