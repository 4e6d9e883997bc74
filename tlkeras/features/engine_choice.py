"""Which engine computes a prefix, decided once and remembered."""

import dataclasses
import functools
import hashlib
import json
from pathlib import Path

import keras
import numpy as np

from tlkeras import devices, workdir
from tlkeras.console import Console
from tlkeras.data.dataset import Split
from tlkeras.errors import InputError
from tlkeras.features.activations import ReadImages
from tlkeras.features.engine import Decision, Engine, FrozenNetwork
from tlkeras.features.engines import ENGINES, choose_engine, engine_obstacle
from tlkeras.features.keras_engine import reference_outputs
from tlkeras.features.network_hash import graph_hash
from tlkeras.features.precision_gate import PrecisionReport, compare_precision
from tlkeras.frozen_graph import freeze_graph

# For bfloat16: half of them fit the quick probe, so that one of the other 128
# may change its class before the agreement falls below 99 %.
GATE_IMAGES = 256
SAMPLE_IMAGES = 8  # for float32: a wrong graph is off on any image


def _recall(path: Path) -> Decision | None:
    """Returns what was decided earlier; None if that is not to be had."""
    if not path.exists():
        return None
    try:
        with workdir.reading(path):
            decision = Decision(**workdir.read_json(path))
            texts = dataclasses.astuple(decision)
            are_texts = all(isinstance(text, str) for text in texts)
    except (OSError, InputError):
        return None
    return decision if are_texts and decision.engine in ENGINES else None


class CheckedEngine(FrozenNetwork):
    """An engine that is chosen by checks and compiled when it is needed.

    The decision is kept below the cache folder, so that a run whose
    activations are all cached neither checks nor compiles again.

    Args:
        prefix: Images -> frontier; its weights must be final.
        train: The training split: its images serve the checks.
        read: Its images, not augmented.
        dtype: In which images come to the engine.
        engine: `auto`, `keras` or `openvino`.
        precision: `auto`, `float32` or `bfloat16`.
        num_streams: Threads that will call it.
        remembers: Whether the cache folder may be used.
        console: For people.
    """

    def __init__(
        self,
        prefix: keras.Model,
        train: Split,
        read: ReadImages,
        dtype: np.dtype,
        *,
        engine: str,
        precision: str,
        num_streams: int,
        remembers: bool,
        console: Console,
    ) -> None:
        self.prefix = prefix
        self.train = train
        self.read = read
        self.dtype = dtype
        self.wanted_engine = engine
        self.wanted_precision = precision
        self.num_streams = num_streams
        self.remembers = remembers
        self.console = console
        self._compiled: Engine | None = None

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of the frontier tensors, without the batch dimension."""
        return tuple(tuple(tensor.shape[1:]) for tensor in self.prefix.outputs)

    @property
    def image_size(self) -> int:
        """Side S of its images, pixels."""
        return int(self.prefix.inputs[0].shape[1])

    @functools.cached_property
    def graph(self) -> str:
        """Hash of the prefix."""
        return graph_hash(self.prefix)

    @property
    def engine(self) -> Engine:
        """The engine, compiled at the first use."""
        decision = self.decision
        if self._compiled is None:
            self._compile(decision.engine, decision.precision)
        assert self._compiled is not None
        return self._compiled

    @functools.cached_property
    def decision(self) -> Decision:
        """What was decided for this prefix, now or by an earlier run."""
        name = f"{self._question()}.json"
        path = workdir.cache_directory() / "engines" / name
        decision = _recall(path) if self.remembers else None
        if decision is None or engine_obstacle(decision.engine):
            decision = self._decide()
            if self.remembers:
                self._remember(path, decision)
        self.console.line(
            f"  engine {decision.engine} in {decision.precision}: "
            f"{decision.reason}"
        )
        return decision

    def require_graph(self) -> None:
        """Makes sure that workers without Keras can compute what it would.

        Raises:
            InputError: If not.
        """
        backend = keras.backend.backend()
        if accelerator := devices.accelerator_name():
            backend = f"{backend} on {accelerator}"
        if backend != "tensorflow":
            raise InputError(
                f"A network of Keras with {backend} runs in one process only; "
                "expected the backend tensorflow on a CPU: leave away "
                "--processes and --beam_pipeline_options."
            )

    def serialize(
        self, batch_size: int | None
    ) -> tuple[bytes, tuple[str, ...]]:
        """Returns a GraphDef on uint8 images, and the names of its outputs."""
        frozen = freeze_graph(self.prefix, batch_size=batch_size, dtype="uint8")
        return frozen.serialize(), frozen.output_names

    def _remember(self, path: Path, decision: Decision) -> None:
        try:
            workdir.make_directory(path.parent, what="cache folder")
            workdir.remove_leftovers(path.parent, idle_seconds=workdir.DAY)
            workdir.write_json(path, dataclasses.asdict(decision))
        except (OSError, InputError) as error:
            self.console.line(f"  the engine is not remembered: {error}")

    @property
    def _own_precision(self) -> str:
        return str(self.prefix.outputs[0].dtype)

    def _question(self) -> str:
        """Returns a hash of what the decision depends on."""
        parts = [
            self.graph,
            self.wanted_engine,
            self.wanted_precision,
            str(self.dtype),
            str(devices.accelerator_name()),
            sorted(devices.installed_versions().items()),
            list(ENGINES),
        ]
        if self.wanted_precision == "bfloat16":
            parts.append(self.train.digests)
        if "bfloat16" in (self.wanted_precision, self._own_precision):
            # The cache folder may be shared with another kind of processor.
            # Not for float32, which all of them have: asking takes a second.
            parts.append(
                [
                    sorted(spec.capabilities())
                    for spec in ENGINES.values()
                    if not spec.obstacle()
                ]
            )
        return hashlib.blake2b(
            json.dumps(parts).encode(), digest_size=12
        ).hexdigest()

    def _decide(self) -> Decision:
        own = self._own_precision
        wanted = self.wanted_precision
        if wanted in ("auto", own):
            reason = self._compile(self.wanted_engine, own)
        elif wanted == "bfloat16" and own == "float32":
            reason = self._decide_bfloat16()
        else:
            raise InputError(
                f"features.precision={wanted} does not fit a network that "
                f"computes in {own}; expected auto: set "
                "--config.features.precision=auto."
            )
        assert self._compiled is not None
        return Decision(self._compiled.name, self._compiled.precision, reason)

    def _decide_bfloat16(self) -> str:
        """Compiles in bfloat16 if it can and may be used; returns why."""
        reason = self._compile(self.wanted_engine, "bfloat16")
        assert self._compiled is not None
        if self._compiled.precision != "bfloat16":
            return reason  # it says that the processor has none
        report = self._compare()
        if report.passed:
            return f"{reason}; bfloat16 is accepted: {report}"
        reason = self._compile(self.wanted_engine, self._own_precision)
        return f"{reason}; bfloat16 is refused: {report}"

    def _compile(self, engine: str, precision: str) -> str:
        """Compiles the prefix and returns why with this engine."""
        choice = choose_engine(
            self.prefix,
            self._sample(SAMPLE_IMAGES)[1],
            engine=engine,
            precision=precision,
            num_streams=self.num_streams,
        )
        self._compiled = choice.engine
        return choice.reason

    def _sample(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns places in the training split, spread over it, and images.

        Args:
            count: At most so many.

        Returns:
            int64 [n], and [n, S, S, 3] in 0..255 in the engine's dtype.
        """
        count = min(count, len(self.train))
        rows = np.linspace(0, len(self.train) - 1, count).astype(np.int64)
        return rows, self.read(rows, np.zeros_like(rows)).astype(self.dtype)

    def _compare(self) -> PrecisionReport:
        """Holds the compiled engine against Keras on training images."""
        engine = self._compiled
        assert engine is not None
        rows, images = self._sample(GATE_IMAGES)
        parts = [
            images[i : i + engine.batch_size]
            for i in range(0, len(images), engine.batch_size)
        ]
        reference = [reference_outputs(self.prefix, part) for part in parts]
        values = [engine.run(part) for part in parts]
        return compare_precision(
            [np.concatenate(t) for t in zip(*reference, strict=True)],
            [np.concatenate(t) for t in zip(*values, strict=True)],
            self.train.targets_of(rows),
        )
