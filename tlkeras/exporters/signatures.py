"""What an exported SavedModel answers: its signatures over one graph.

Every output has dimension 0 equal to the number of images, because TF Serving's
row format and its batching merge and split requests along it.
"""

from collections.abc import Callable

import tensorflow as tf

from tlkeras.data.preprocess import decode_bounded
from tlkeras.evaluation.metrics import LABEL_THRESHOLD
from tlkeras.exporters.inference import ServedModel
from tlkeras.exporters.version_files import (
    DEFAULT_SIGNATURE,
    HEATMAP_SIGNATURE,
    IMAGE_SIGNATURE,
)
from tlkeras.frozen_graph import freeze_graph

# A GraphDef holds at most 2 GB; larger networks keep their variables.
MAX_CONSTANT_BYTES = 1_500_000_000

Outputs = dict[str, tf.Tensor]


class ClassifierModule(tf.Module):
    """A classifier from encoded images to named answers.

    One function, frozen to constants where the format holds them, is called by
    all signatures: frozen apart, each would store the weights again. So is one
    that decodes.

    Args:
        served: What to serve.
        max_constant_bytes: Weights beyond this size stay variables.

    Attributes:
        is_frozen: Whether the weights are constants of the graph.
    """

    def __init__(
        self,
        served: ServedModel,
        max_constant_bytes: int = MAX_CONSTANT_BYTES,
    ) -> None:
        super().__init__(name="classifier")
        self._size = served.image_size
        self._definition = served.definition
        self._read = tf.function(
            self._read_bytes,
            input_signature=[tf.TensorSpec((None,), tf.string)],
            autograph=False,
        ).get_concrete_function()
        self._multi_label = served.multi_label
        self._has_maps = served.has_maps
        self._to_scores = getattr(tf.nn, served.loss.activation)
        self._class_names = tf.constant(served.class_names)
        self.is_frozen = served.num_bytes <= max_constant_bytes
        self._infer: Callable[[tf.Tensor], list[tf.Tensor]]
        if self.is_frozen:
            graph = freeze_graph(served.model, batch_size=None, dtype="float32")
            self._infer = graph.function
        else:
            model = served.model
            self._weights = [weight.value for weight in model.weights]
            self._infer = tf.function(
                lambda images: model(images, training=False), autograph=False
            )

    def signatures(self) -> dict[str, tf.types.experimental.ConcreteFunction]:
        """Returns the concrete functions by signature name.

        `serving_default`: `image_bytes`, string [N], encoded images -> the
        answers; `image`: float32 [N, S, S, 3], RGB in 0..255 -> the answers;
        `features`: `image_bytes` -> `features` [N, d], the CNN codes;
        `heatmap`, where the mean of the class maps is the logits:
        `image_bytes` -> the maps and the answers.
        """
        size = self._size
        encoded = tf.TensorSpec((None,), tf.string, name="image_bytes")
        pixels = tf.TensorSpec((None, size, size, 3), tf.float32, name="image")
        functions: dict[str, tuple[Callable[[tf.Tensor], Outputs], tf.Tensor]]
        functions = {
            DEFAULT_SIGNATURE: (self.classify_bytes, encoded),
            IMAGE_SIGNATURE: (self.classify_checked_pixels, pixels),
            "features": (self.extract_features, encoded),
        }
        if self._has_maps:
            functions[HEATMAP_SIGNATURE] = (self.locate, encoded)
        return {
            name: tf.function(run, autograph=False).get_concrete_function(spec)
            for name, (run, spec) in functions.items()
        }

    def classify_bytes(self, image_bytes: tf.Tensor) -> Outputs:
        """Answers for encoded images, string [N]."""
        return self.classify_pixels(self._read(image_bytes))

    def classify_checked_pixels(self, image: tf.Tensor) -> Outputs:
        """Answers for decoded images; refuses any other shape."""
        size = self._size
        return self.classify_pixels(_check_shape(image, (None, size, size, 3)))

    def classify_pixels(self, image: tf.Tensor) -> Outputs:
        """Answers for decoded images, float32 [N, S, S, 3] in 0..255.

        Returns:
            `probabilities` float32 [N, C] and `classes` string [N, C], and for
            single labels `label` string [N] and `score` float32 [N]; for
            several labels `labels` string [N, C], those above the threshold
            first, most probable first, then "", and `scores` [N, C] in the
            same order.
        """
        _, logits, *_ = self._infer(image)
        return self._answer(logits)

    def _answer(self, logits: tf.Tensor) -> Outputs:
        names = tf.repeat(self._class_names[None], tf.shape(logits)[0], axis=0)
        probabilities = self._to_scores(logits)
        answers = {"probabilities": probabilities, "classes": names}
        if self._multi_label:
            order = tf.argsort(probabilities, direction="DESCENDING")
            scores = tf.gather(probabilities, order, batch_dims=1)
            labels = tf.gather(names, order, batch_dims=1)
            return {
                **answers,
                "labels": tf.where(scores >= LABEL_THRESHOLD, labels, ""),
                "scores": scores,
            }
        best = tf.argmax(logits, axis=-1)
        return {
            **answers,
            "label": tf.gather(self._class_names, best),
            "score": tf.reduce_max(probabilities, axis=-1),
        }

    def extract_features(self, image_bytes: tf.Tensor) -> Outputs:
        """Returns `features` float32 [N, d], the CNN codes."""
        codes, *_ = self._infer(self._read(image_bytes))
        return {"features": codes}

    def locate(self, image_bytes: tf.Tensor) -> Outputs:
        """Returns the answers with `heatmap` float32 [N, h, w, C].

        Its mean over the cells is the logits; softmax, or the sigmoid of
        several labels, in each cell gives scores in 0..1.
        """
        _, logits, maps = self._infer(self._read(image_bytes))
        answers = self._answer(logits)
        del answers["probabilities"]
        return {"heatmap": maps, **answers}

    def _read_bytes(self, image_bytes: tf.Tensor) -> tf.Tensor:
        """Decodes images as in training: float32 [N, S, S, 3] in 0..255."""
        size = self._size
        image_bytes = _check_shape(image_bytes, (None,))
        with tf.control_dependencies([_assert_images(image_bytes)]):
            image_bytes = tf.identity(image_bytes)
        images, num_pixels = tf.map_fn(
            lambda content: decode_bounded(
                content, size, size, self._definition
            ),
            image_bytes,
            fn_output_signature=(
                tf.TensorSpec((size, size, 3), tf.uint8),
                tf.TensorSpec((), tf.int64),
            ),
        )
        bounded = _assert_pixels(num_pixels, self._definition.max_pixels)
        with tf.control_dependencies([bounded]):
            return tf.cast(images, tf.float32)


def _check_shape(tensor: tf.Tensor, shape: tuple[int | None, ...]) -> tf.Tensor:
    """Fails with InvalidArgument on any other shape.

    Servers do not compare a request with the signature's shape. Without a check
    the network answers for images of another size, and another rank ends the
    process. Behind the placeholder the shape is unknown, so that the check is
    not optimised away.
    """
    unknown = tf.raw_ops.PlaceholderWithDefault(input=tensor, shape=None)
    return tf.ensure_shape(unknown, shape)


def _assert_images(image_bytes: tf.Tensor) -> tf.Operation:
    """Fails with the places of what begins like no image.

    The decoders' own errors name a node of the graph, not the image.
    """
    # 12 bytes always, so that substrings exist: the longest magic number.
    head = tf.strings.substr(
        tf.strings.join([tf.strings.substr(image_bytes, 0, 12), b"\0" * 12]),
        0,
        12,
    )

    def begins(*starts: bytes) -> tf.Tensor:
        found = [
            tf.equal(tf.strings.substr(head, 0, len(start)), start)
            for start in starts
        ]
        return tf.reduce_any(tf.stack(found), axis=0)

    is_webp = begins(b"RIFF") & tf.equal(tf.strings.substr(head, 8, 4), b"WEBP")
    is_image = is_webp | begins(
        b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM"
    )
    return tf.debugging.Assert(
        tf.reduce_all(is_image),
        [
            "image_bytes holds no JPEG, PNG, GIF, BMP or WebP at positions",
            tf.where(~is_image)[:, 0],
            "of the batch",
        ],
        summarize=16,
    )


def _assert_pixels(num_pixels: tf.Tensor, limit: int) -> tf.Operation:
    """Fails with the places of images that claim too many pixels, int64 [N]."""
    is_large = num_pixels > limit
    return tf.debugging.Assert(
        ~tf.reduce_any(is_large),
        [
            f"image_bytes holds images of over {limit} pixels at positions",
            tf.where(is_large)[:, 0],
            "of the batch; make them smaller",
        ],
        summarize=16,
    )
