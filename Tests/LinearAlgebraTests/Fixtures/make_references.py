"""Writes references.json: small matrices with hard spectra and what 60 digits say about them.

Needs numpy and mpmath. The elements are doubles, exact as written; the results are computed from
them with 60 digits and rounded once.
"""

import json
import pathlib

import mpmath as mp
import numpy as np

mp.mp.dps = 60
rng = np.random.default_rng(20240607)


def orthonormal(n, k):
    return np.linalg.qr(rng.standard_normal((n, k)))[0]


def with_spectrum(m, n, values):
    k = len(values)
    return orthonormal(m, k) @ np.diag(values) @ orthonormal(n, k).T


def exact(a):
    return mp.matrix([[mp.mpf(float(x)) for x in row] for row in a])


def numbers(values):
    return [float(x) for x in values]


def flat(a):
    return [float(a[i, j]) for i in range(a.rows) for j in range(a.cols)]


def factor(a):
    """Thin singular value decomposition in 60 digits, largest first."""
    m, n = a.rows, a.cols
    if m < n:
        u, s, v = factor(a.T)
        return v.T, s, u.T
    u, s, v = mp.svd_r(a)
    order = sorted(range(len(s)), key=lambda i: -s[i])
    pick = lambda x, rows: mp.matrix([x[i, :].tolist()[0] for i in order]) if rows else mp.matrix(
        [[x[r, i] for i in order] for r in range(x.rows)])
    return pick(u, False), [s[i] for i in order], pick(v, True)


general = {
    "clustered": with_spectrum(8, 6, [3, 3 - 1e-9, 3 - 2e-9, 1, 1 + 1e-12, 1e-3]),
    "rank deficient": with_spectrum(9, 6, [5, 2, 1, 0, 0, 0]),
    "graded over 12 orders": with_spectrum(10, 10, 10.0 ** -np.linspace(0, 12, 10)),
    "graded rows": np.diag(10.0 ** -np.linspace(0, 12, 7)) @ rng.standard_normal((7, 7)),
    "zero": np.zeros((4, 3)),
    "one row": rng.standard_normal((1, 5)),
    "one column": rng.standard_normal((5, 1)),
    "one element": np.array([[-2.5]]),
    "tall": rng.standard_normal((23, 4)),
    "wide": rng.standard_normal((4, 23)),
    "equal rows": np.ones((5, 6)),
    "Hilbert": np.array([[1 / (i + j + 1) for j in range(8)] for i in range(8)]),
    "large": 1e30 * rng.standard_normal((5, 5)),
    "small": 1e-30 * rng.standard_normal((5, 5)),
}
symmetric = {
    "positive definite": with_spectrum(1, 1, [2.0]),
    "clustered": None,
    "indefinite": None,
    "graded": None,
}


def symmetric_with(values):
    q = orthonormal(len(values), len(values))
    a = q @ np.diag(values) @ q.T
    return (a + a.T) / 2


symmetric["clustered"] = symmetric_with([2, 2, 2, 1, 1 - 1e-10, 0.5])
symmetric["indefinite"] = symmetric_with([4, 1, 0.1, -1e-6, -2, -7])
symmetric["graded"] = symmetric_with(10.0 ** -np.linspace(0, 12, 8))

references = {"general": [], "symmetric": [], "systems": []}
for name, a in general.items():
    u, s, v = factor(exact(a))
    entry = {
        "name": name, "rows": a.shape[0], "columns": a.shape[1], "elements": numbers(a.ravel()),
        "singularValues": numbers(s),
    }
    if s[-1] > s[0] * mp.mpf("1e-6"):
        entry["polar"] = flat(u * v)
    references["general"].append(entry)
for name, a in symmetric.items():
    values, vectors = mp.eigsy(exact(a))
    order = sorted(range(len(values)), key=lambda i: -values[i])
    entry = {
        "name": name, "rows": a.shape[0], "columns": a.shape[0], "elements": numbers(a.ravel()),
        "eigenvalues": numbers([values[i] for i in order]),
    }
    if min(values) > max(values) * mp.mpf("1e-8"):
        root = vectors * mp.diag([mp.sqrt(v) for v in values]) * vectors.T
        inverse = vectors * mp.diag([1 / mp.sqrt(v) for v in values]) * vectors.T
        entry["root"] = flat(root)
        entry["inverseRoot"] = flat(inverse)
    references["symmetric"].append(entry)
for name, a, rank in [
    ("tall", rng.standard_normal((9, 4)), 4),
    ("wide", rng.standard_normal((3, 8)), 3),
    ("square", rng.standard_normal((6, 6)), 6),
    ("deficient", np.outer(np.arange(1.0, 8.0), [1.0, 2.0, -1.0]) + np.outer(np.ones(7), [0.0, 1.0, 1.0]), 2),
]:
    b = rng.standard_normal((a.shape[0], 2))
    u, s, v = factor(exact(a))
    inverse = mp.diag([1 / x for x in s[:rank]])
    us = u[:, :rank]
    x = v[:rank, :].T * inverse * us.T * exact(b)
    residual = exact(a) * x - exact(b)
    references["systems"].append({
        "name": name, "rows": a.shape[0], "columns": a.shape[1], "elements": numbers(a.ravel()),
        "right": numbers(b.ravel()), "rank": rank, "solution": flat(x),
        "residual": float(mp.norm(residual)),
    })
path = pathlib.Path(__file__).with_name("references.json")
kinds = ",\n".join(
    f'"{kind}": [\n' + ",\n".join(json.dumps(entry) for entry in entries) + "\n]"
    for kind, entries in references.items()
)
path.write_text("{\n" + kinds + "\n}\n")
