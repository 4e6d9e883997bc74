"""The validation images as points: near each other where the codes are."""

import dataclasses
from typing import Any

import numpy as np

from tlkeras import workdir
from tlkeras.charts import (
    MARKERS,
    SERIES,
    THEME,
    chart_settings,
    new_chart,
    to_svg,
)
from tlkeras.report.run_files import Content, RunFiles

# 2000 points take 5 times as long as their PCA, 4000 already 11 times.
MAX_TSNE_POINTS = 2000
MIN_POINTS = 5
PERPLEXITY = 30.0
NUM_STEPS = 500  # half of the default; the picture hardly changes any more
NUM_COMPONENTS = 50  # kept of the codes before t-SNE
MAX_NAMED_CLASSES = 10
SEVERAL = "several labels"


@dataclasses.dataclass(frozen=True)
class Embedding:
    """Points in the plane.

    Attributes:
        points: float [n, 2].
        labels: [n] names.
        method: `t-SNE` or `PCA`.
        num_images: n.
    """

    points: np.ndarray
    labels: list[str]
    method: str

    @property
    def named(self) -> list[str]:
        """The classes with a colour of their own, largest first."""
        names, counts = np.unique(self.labels, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return [str(names[i]) for i in order[:MAX_NAMED_CLASSES]]


def build_embedding(files: RunFiles) -> Content | None:
    """Returns the picture of the codes; None for runs that left none."""
    path = files.directory / workdir.CODES
    if not path.exists():
        return None
    with workdir.reading(path), np.load(path) as stored:
        codes = stored["codes"].astype(np.float32)
        labels = [str(label) for label in stored["labels"]]
        if codes.ndim != 2 or len(codes) != len(labels):
            raise ValueError(f"{codes.shape} codes, {len(labels)} labels")
    if files.multi_label:
        labels = [SEVERAL if "|" in label else label for label in labels]
    if len(codes) < MIN_POINTS or not np.isfinite(codes).all():
        return None
    points, method = embed_codes(codes)
    embedding = Embedding(points, labels, method)
    figure = plot_embedding(embedding)
    named = embedding.named
    return {
        "figure": figure,
        "svg": to_svg(figure, "chart-codes"),
        "method": method,
        "num_images": len(points),
        "num_codes": codes.shape[1],
        "named": [
            {"name": name, "index": i, "count": labels.count(name)}
            for i, name in enumerate(named)
        ],
        "num_others": len(set(labels)) - len(named),
    }


def embed_codes(codes: np.ndarray) -> tuple[np.ndarray, str]:
    """Places codes in the plane: t-SNE, or PCA where there are many.

    Args:
        codes: float32 [n, d].

    Returns:
        float [n, 2] and the name of the method.

    Reference:
        van der Maaten and Hinton, Visualizing Data using t-SNE, 2008.
    """
    from sklearn.decomposition import PCA

    if (codes == codes[0]).all():
        return np.zeros((len(codes), 2)), "PCA"
    count = min(NUM_COMPONENTS, *codes.shape)
    pca = PCA(count, svd_solver="randomized", random_state=0)
    components = pca.fit_transform(codes - codes.mean(0))
    if count < 2:
        return np.pad(components, ((0, 0), (0, 1))), "PCA"
    if len(codes) > MAX_TSNE_POINTS:
        return components[:, :2], "PCA"
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    # The default start, scaled to a small standard deviation.
    start = components[:, :2] / components[:, 0].std() * 1e-4
    tsne = TSNE(
        perplexity=min(PERPLEXITY, (len(codes) - 1) / 3),
        init=start.astype(np.float32),
        learning_rate="auto",
        max_iter=NUM_STEPS,
        random_state=0,
    )
    # Its threads wait for each other by spinning: beside any other work two
    # are nine times slower than one.
    with threadpool_limits(limits=1):
        return tsne.fit_transform(components), "t-SNE"


def plot_embedding(embedding: Embedding) -> Any:
    """Draws the points, a colour and a marker for each of ten classes.

    Where there are more classes the rest is grey.
    """
    labels = np.array(embedding.labels)
    with chart_settings():
        figure, axes = new_chart(7.0, 5.0)
        axes.grid(False)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines["bottom"].set_visible(False)
        size = 26 if len(labels) <= 800 else 9
        # As paths 1400 points are 170 kB of the page, as pixels 1600 are 79 kB.
        style = {"lw": 0, "alpha": 0.8, "rasterized": len(labels) > 1500}
        others = ~np.isin(labels, embedding.named)
        axes.scatter(
            *embedding.points[others].T,
            s=size / 2,
            color=THEME["band"],
            **{**style, "alpha": 0.4},
        )
        for i, name in enumerate(embedding.named):
            axes.scatter(
                *embedding.points[labels == name].T,
                s=size,
                marker=MARKERS[i],
                color=SERIES[i],
                **style,
            )
    return figure
