"""Makes tests/golden/metrics.json: fixed inputs, and the results of NumPy, SciPy, scikit-learn, scikit-image, POT and prdc.

    pip install numpy scipy scikit-learn scikit-image pot prdc
    python tests/peers/metrics.py tests/golden/metrics.json

None of it shares a line with the metrics that `cargo test -p ganlet-tests metrics` holds to it.
"""
import json
import sys
from importlib import metadata

import numpy as np
import ot
import prdc
import scipy.linalg
import scipy.ndimage
import scipy.spatial
import scipy.stats
import skimage.metrics
import sklearn.metrics.pairwise
import sklearn.neighbors

NEIGHBORS = 3
rng = np.random.default_rng(20)


def rounded(array, digits=4):
    """Inputs with few digits: the file stays small, and both implementations read equal numbers."""
    return np.round(array, digits)


mixing = rng.normal(size=(6, 6))
real = rounded(rng.normal(size=(80, 6)) @ mixing)
made = rounded(1.2 * rng.normal(size=(64, 6)) @ mixing + 0.4)
held_out = rounded(rng.normal(size=(30, 6)) @ mixing)


def frechet(a, b):
    """Heusel et al. 2017, as their published code has it."""
    ca, cb = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    return np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(ca + cb - 2 * scipy.linalg.sqrtm(ca @ cb).real)


def kernel(a, b):
    """Bińkowski et al. 2018: the unbiased estimate."""
    def of(x, y):
        return sklearn.metrics.pairwise.polynomial_kernel(x, y, degree=3, gamma=1 / x.shape[1], coef0=1)

    def within(x):
        k = of(x, x)
        return (k.sum() - np.trace(k)) / (len(x) * (len(x) - 1))

    return within(a) + within(b) - 2 * of(a, b).mean()


def nearest(items, train):
    return sklearn.neighbors.NearestNeighbors(n_neighbors=1).fit(train).kneighbors(items)[0].ravel()


def recalled():
    """Real items that lie in the neighborhood of a generated one."""
    reach = sklearn.neighbors.NearestNeighbors(n_neighbors=NEIGHBORS + 1).fit(made).kneighbors(made)[0][:, -1]
    return (scipy.spatial.distance.cdist(real, made) <= reach).any(1)


features = {
    "real": real.tolist(),
    "made": made.tolist(),
    "held_out": held_out.tolist(),
    "frechet": frechet(real, made),
    "kernel": kernel(real, made),
    "kernel_of_subsets": [kernel(real[16 * i:16 * i + 16], made[16 * i:16 * i + 16]) for i in range(4)],
    "neighborhoods": {k: float(v) for k, v in prdc.compute_prdc(real, made, NEIGHBORS).items()},
    "recalled": recalled().tolist(),
    "memorization": {"made": nearest(made, real).mean(), "held_out": nearest(held_out, real).mean()},
}
radius = 2.5
doubles = int((scipy.spatial.distance.pdist(made) < radius).sum())
features["support"] = {
    "radius": radius,
    "doubles": doubles,
    "at_least": len(made) * (len(made) - 1) / 2 / (scipy.stats.chi2.ppf(0.95, 2 * doubles + 2) / 2),
}

p, q = rng.integers(1, 40, 12), rng.integers(0, 40, 12) + 1
p[3] = 0
histograms = {
    "p": p.tolist(),
    "q": q.tolist(),
    "kl": scipy.stats.entropy(p, q),
    "kl_to_uniform": scipy.stats.entropy(p, np.ones(12)),
    "jensen_shannon": scipy.spatial.distance.jensenshannon(p, q) ** 2,
}

values = rounded(rng.normal(size=300))
binned = {"values": values.tolist(), "low": -2.0, "high": 2.0, "bins": 10,
          "counts": np.histogram(values.clip(-2, 2), 10, (-2, 2))[0].tolist()}

line_a, line_b = rounded(rng.normal(size=90)), rounded(rng.exponential(size=70))
plane_a, plane_b = rounded(rng.normal(size=(60, 2))), rounded(rng.uniform(size=(45, 2)))
angles = np.pi * np.arange(64) / 64
even = np.stack([np.cos(angles), np.sin(angles)])
distances = {
    "line_a": line_a.tolist(),
    "line_b": line_b.tolist(),
    "w1": scipy.stats.wasserstein_distance(line_a, line_b),
    "plane_a": plane_a.tolist(),
    "plane_b": plane_b.tolist(),
    "directions": 64,
    "sliced": float(ot.sliced_wasserstein_distance(plane_a, plane_b, projections=even, p=1)),
}

means = [[0.0, 0.0], [3.0, 0.0], [0.0, 3.0], [3.0, 3.0], [9.0, 9.0]]
sigma = 0.5
which = rng.choice(4, 200, p=[0.5, 0.3, 0.15, 0.05])
points = rounded(np.array(means)[which] + 0.7 * rng.normal(size=(200, 2)))
away, mode = sklearn.neighbors.NearestNeighbors(n_neighbors=1).fit(means).kneighbors(points)
good = away.ravel() <= 3 * sigma
counts = np.bincount(mode.ravel()[good], minlength=len(means))
modes = {
    "means": means,
    "sigma": sigma,
    "points": points.tolist(),
    "modes": int((counts > 0).sum()),
    "high_quality": good.mean(),
    "reverse_kl": scipy.stats.entropy(counts, np.ones(len(means))),
    "counts": counts.tolist(),
    "spread": [float(np.sqrt(points[good & (mode.ravel() == m)].var(0, ddof=1).mean()) / sigma) for m in range(4)],
}


BINOMIAL = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256


def halve(image):
    return np.stack([scipy.ndimage.convolve(c, BINOMIAL, mode="mirror")[::2, ::2] for c in image])


def double(image, shape):
    sparse = np.zeros((len(image), *shape))
    sparse[:, ::2, ::2] = image
    return np.stack([scipy.ndimage.convolve(c, 4 * BINOMIAL, mode="mirror") for c in sparse])


def laplacian(image, levels):
    """Karras et al. 2018, as their published code has it; channels first."""
    pyramid = [image]
    for _ in range(levels - 1):
        pyramid.append(halve(pyramid[-1]))
        pyramid[-2] = pyramid[-2] - double(pyramid[-1], pyramid[-2].shape[1:])
    return pyramid


def patches(images, corners, side=7):
    cut = np.stack([images[i][:, y:y + side, x:x + side] for i, y, x in corners])
    cut = cut - cut.mean((0, 2, 3), keepdims=True)
    return (cut / cut.std((0, 2, 3), keepdims=True)).reshape(len(cut), -1)


def images(n):
    smooth = scipy.ndimage.gaussian_filter(rng.normal(size=(n, 2, 18, 17)), (0, 0, 1.5, 1.5))
    return rounded(np.clip(3 * smooth, -1, 1), 3)


sets = [images(4), images(4)]
corners = [(int(i), int(y), int(x)) for i, y, x in zip(rng.integers(0, 4, 40), rng.integers(0, 3, 40), rng.integers(0, 3, 40))]
directions = rng.normal(size=(2 * 49, 24))
directions = rounded(directions / np.linalg.norm(directions, axis=0), 5)
pyramids = [[laplacian(p, 2) for p in images] for images in sets]
# The Rust implementation stores channels last.
interleave = np.arange(2 * 49).reshape(2, 49).T.ravel()
near = {
    # Channels last, as in the images and patches of the Rust implementation.
    "a": [p.transpose(1, 2, 0).ravel().tolist() for p in sets[0]],
    "b": [p.transpose(1, 2, 0).ravel().tolist() for p in sets[1]],
    "shape": [18, 17, 2],
    "levels": [rounded(level.transpose(1, 2, 0).ravel(), 6).tolist() for level in pyramids[0][0]],
    "corners": corners,
    "directions": directions.tolist(),
    "sliced": [
        float(ot.sliced_wasserstein_distance(
            patches([p[level] for p in pyramids[0]], corners)[:, interleave],
            patches([p[level] for p in pyramids[1]], corners)[:, interleave],
            projections=directions, p=1))
        for level in range(2)
    ],
}

bytes_a = rng.integers(0, 256, (3, 48))
bytes_b = (bytes_a + rng.integers(-9, 10, (3, 48))).clip(0, 255)
psnr = {
    "a": bytes_a.tolist(),
    "b": bytes_b.tolist(),
    "db": [skimage.metrics.peak_signal_noise_ratio(a.astype("uint8"), b.astype("uint8")) for a, b in zip(bytes_a, bytes_b)],
}

measured = rounded(rng.normal(9, 1, 5))
low, high = scipy.stats.t.interval(0.95, 4, measured.mean(), scipy.stats.sem(measured))
interval = {"values": measured.tolist(), "mean": measured.mean(), "low": low, "high": high, "spread": measured.std(ddof=1)}

seen, wanted = rng.integers(0, 5, 200), [30, 10, 50, 6, 4]
classes = {"seen": seen.tolist(), "wanted": wanted,
           "kl": scipy.stats.entropy(np.bincount(seen, minlength=5), wanted)}

made_by = {name: metadata.version(name) for name in ["numpy", "scipy", "scikit-learn", "scikit-image", "pot", "prdc"]}
golden = {"made_by": made_by, "features": features, "histograms": histograms, "binned": binned, "distances": distances,
          "modes": modes, "patches": near, "psnr": psnr, "interval": interval, "classes": classes}
with open(sys.argv[1], "w") as file:
    # One key per line, so that diffs show what changed.
    parts = [f" {json.dumps(key)}: {json.dumps(part, default=float)}" for key, part in golden.items()]
    file.write("{\n" + ",\n".join(parts) + "\n}\n")
