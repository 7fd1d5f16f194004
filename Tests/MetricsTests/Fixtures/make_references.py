"""Writes references.json: random predictions and what scikit-learn, SciPy and pycocotools say.

Needs numpy, scipy, scikit-learn and pycocotools.
"""

import contextlib
import io
import json
import pathlib

import numpy as np
from pycocotools import mask as masks
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scipy import stats
from sklearn import metrics

rng = np.random.default_rng(20240607)


def labels(name, n, classes, error):
    actual = rng.integers(0, classes, n)
    other = rng.integers(0, classes, n)
    predicted = np.where(rng.random(n) < error, other, actual)
    return classified(name, predicted, actual)


def classified(name, predicted, actual):
    predicted, actual = np.asarray(predicted), np.asarray(actual)
    f1 = lambda average: metrics.f1_score(actual, predicted, average=average, zero_division=0)
    return {
        "name": name,
        "predicted": predicted.tolist(),
        "actual": actual.tolist(),
        "accuracy": metrics.accuracy_score(actual, predicted),
        "matthews": metrics.matthews_corrcoef(actual, predicted),
        "macro": f1("macro"),
        "micro": f1("micro"),
        "weighted": f1("weighted"),
        "binary": metrics.f1_score(actual == 1, predicted == 1, zero_division=0),
        "miou": float(np.mean(metrics.jaccard_score(actual, predicted, average=None, zero_division=0))),
    }


def scored():
    n, classes = 60, 7
    scores = rng.standard_normal((n, classes)).astype(np.float32)
    actual = rng.integers(0, classes, n)
    top = lambda k: metrics.top_k_accuracy_score(actual, scores, k=k, labels=range(classes))
    return {
        "scores": scores.ravel().tolist(),
        "classCount": classes,
        "actual": actual.tolist(),
        "top": [top(k) for k in range(1, classes)],
    }


def correlated(name, x, y):
    x, y = np.asarray(x, float), np.asarray(y, float)
    return {
        "name": name,
        "predicted": x.tolist(),
        "actual": y.tolist(),
        "pearson": stats.pearsonr(x, y)[0],
        "spearman": stats.spearmanr(x, y)[0],
    }


def correlations():
    x = rng.standard_normal(80)
    y = 0.6 * x + rng.standard_normal(80)
    return [
        correlated("normal", x, y),
        correlated("many ties", np.round(2 * x), np.round(y)),
        correlated("large offset", 1e8 + x, -1e6 - 3 * y),
        correlated("two examples", [1, 2], [5, 4]),
    ]


def box(size):
    w, h = rng.uniform(4, 0.7 * size[1]), rng.uniform(4, 0.7 * size[0])
    return np.round([rng.uniform(0, size[1] - w), rng.uniform(0, size[0] - h), w, h], 2).tolist()


def ellipse(size):
    cy, cx = rng.uniform(0, size[0]), rng.uniform(0, size[1])
    ry, rx = rng.uniform(3, 0.35 * size[0]), rng.uniform(3, 0.35 * size[1])
    y, x = np.mgrid[: size[0], : size[1]]
    return ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 <= 1


def encode(pixels):
    rle = masks.encode(np.asfortranarray(pixels.astype(np.uint8)))
    return {"size": list(rle["size"]), "counts": rle["counts"].decode()}


def runs(pixels):
    flat = pixels.ravel(order="F").astype(int)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat, [1 - flat[-1]]])))
    return np.diff(np.concatenate([[0], edges])).tolist()


def detection(kind):
    annotations, found = [], []
    images = range(1, 9)
    for image in images:
        size = (160, 200)
        for _ in range(rng.integers(0, 9)):
            category = int(rng.integers(1, 5))
            crowd = int(rng.random() < 0.15)
            entry = {"id": len(annotations) + 1, "image_id": image, "category_id": category, "iscrowd": crowd}
            if kind == "bbox":
                entry["bbox"] = box(size)
                entry["area"] = entry["bbox"][2] * entry["bbox"][3] * rng.uniform(0.4, 1)
            else:
                pixels = ellipse(size)
                entry["segmentation"] = encode(pixels)
                entry["area"] = float(pixels.sum())
                entry["bbox"] = [0, 0, 1, 1]
            annotations.append(entry)
            for _ in range(rng.integers(0, 4)):
                score = float(np.round(rng.random(), 1 if rng.random() < 0.5 else 6))
                guess = {"image_id": image, "category_id": category, "score": score}
                if kind == "bbox":
                    shift = rng.normal(0, 0.08, 4) * np.array(entry["bbox"])[[2, 3, 2, 3]]
                    guess["bbox"] = np.round(np.maximum(np.array(entry["bbox"]) + shift, 0.5), 2).tolist()
                else:
                    moved = np.roll(pixels, rng.integers(-4, 5, 2), (0, 1))
                    guess["segmentation"] = encode(moved)
                found.append(guess)
        for _ in range(rng.integers(0, 4)):
            guess = {"image_id": image, "category_id": int(rng.integers(1, 6)), "score": float(rng.random())}
            guess["bbox" if kind == "bbox" else "segmentation"] = (
                box(size) if kind == "bbox" else encode(ellipse(size))
            )
            found.append(guess)
    # One image with more than a hundred objects of a category.
    if kind == "bbox":
        for _ in range(130):
            found.append({"image_id": 8, "category_id": 1, "score": float(rng.random()), "bbox": box((160, 200))})
    for entry in annotations + found:
        if kind == "segm" and rng.random() < 0.5:
            entry["uncompressed"] = runs(masks.decode(entry["segmentation"]))
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "info": {},
            "images": [{"id": i, "height": 160, "width": 200} for i in images],
            "categories": [{"id": c} for c in range(1, 6)],
            "annotations": annotations,
        }
        truth.createIndex()
        keep = ("image_id", "category_id", "score", "bbox", "segmentation")
        result = truth.loadRes([{k: v for k, v in g.items() if k in keep} for g in found])
        evaluation = COCOeval(truth, result, kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()

    def plain(entry):
        names = {"image_id": "image", "category_id": "category", "iscrowd": "isCrowd"}
        kept = ("image_id", "category_id", "score", "area", "iscrowd")
        out = {names.get(k, k): entry[k] for k in kept if k in entry}
        if kind == "bbox":
            out["box"] = entry["bbox"]
        elif "uncompressed" in entry:
            out["runs"] = entry["uncompressed"]
        else:
            out["counts"] = entry["segmentation"]["counts"]
        return out

    return {
        "name": kind,
        "imageCount": len(images),
        "height": 160,
        "width": 200,
        "annotations": [plain(e) for e in annotations],
        "found": [plain(e) for e in found],
        "figures": evaluation.stats.tolist(),
    }


def polygons():
    cases = []
    for _ in range(12):
        height, width = (int(v) for v in rng.integers(8, 60, 2))
        shapes = []
        for _ in range(rng.integers(1, 4)):
            corners = int(rng.integers(3, 9))
            points = rng.uniform(-3, 63, (corners, 2))
            shapes.append(np.round(points, 2).ravel().tolist())
        rle = masks.merge(masks.frPyObjects(shapes, height, width))
        cases.append(
            {
                "height": height,
                "width": width,
                "polygons": shapes,
                "counts": rle["counts"].decode(),
                "area": int(masks.area(rle)),
            }
        )
    return cases


def maps():
    depth = rng.uniform(0.5, 9, 200).astype(np.float32)
    depth[rng.random(200) < 0.2] = 0
    guess = (depth + rng.normal(0, 0.3, 200)).astype(np.float32)
    valid = depth > 0
    error = np.abs(guess.astype(float) - depth)[valid]
    normals = rng.standard_normal((301, 3)).astype(np.float32)
    normals[rng.random(301) < 0.1] = 0
    turned = (normals + rng.normal(0, 0.4, normals.shape)).astype(np.float32)
    some = np.linalg.norm(normals, axis=1) > 0
    a, b = turned[some].astype(float), normals[some].astype(float)
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    return {
        "depth": depth.tolist(),
        "predictedDepth": guess.tolist(),
        "absolute": float(error.mean()),
        "relative": float((error / depth[valid].astype(float)).mean()),
        "normals": normals.ravel().tolist(),
        "predictedNormals": turned.ravel().tolist(),
        "angles": [float(angle.mean()), float(np.median(angle))]
        + [float((angle < t).mean()) for t in (11.25, 22.5, 30)],
    }


references = {
    "labels": [
        labels("two classes", 200, 2, 0.4),
        labels("six classes", 300, 6, 0.5),
        labels("forty classes", 100, 40, 0.3),
        classified("constant prediction", [1] * 50, rng.integers(0, 2, 50)),
        classified("constant label", rng.integers(0, 3, 50), [2] * 50),
        classified("gap in the labels", [0, 3, 3, 7, 0], [0, 3, 7, 7, 3]),
        classified("all wrong", [0, 1, 2, 0], [1, 2, 0, 2]),
    ],
    "scores": scored(),
    "correlations": correlations(),
    "detection": [detection("bbox"), detection("segm")],
    "polygons": polygons(),
    "maps": maps(),
}
path = pathlib.Path(__file__).parent / "references.json"
path.write_text(json.dumps(references, separators=(",", ":")) + "\n")
