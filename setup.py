"""Packaging of tlkeras."""

from pathlib import Path

from setuptools import find_packages, setup

OPENVINO = ["openvino>=2025.0"]
ONNX = ["onnx>=1.17", "onnxruntime>=1.20", "tf2onnx>=1.16.1"]
CLOUD = ["fsspec>=2024.6", "aiohttp>=3.9", "gcsfs>=2024.6", "s3fs>=2024.6"]
BEAM = ["apache-beam>=2.77,<3"]
MEDIAPIPE = ["mediapipe>=0.10.30"]
HUB = ["keras-hub>=0.32"]
DOCS = ["mkdocs-material>=9.5,<10", "mkdocstrings[python]>=0.27"]
TEST = [
    *BEAM,
    *OPENVINO,
    *DOCS,
    *MEDIAPIPE,
    *ONNX,
    *CLOUD,
    *HUB,
    "coverage>=7.4",
    "pandas>=2.2.3",  # writes tables for tests
    "pytest>=8",
    "pytest-cov>=5",
    "pytest-xdist>=3.5",
    "jax>=0.4.30",
    "moto[server]>=5",
    # They drive the system's Chromium; no browser is fetched.
    "axe-playwright-python>=0.1.4",
    "playwright>=1.49",
    "huggingface-hub>=0.26",
    # They run the notebook.
    "ipykernel>=6.29",
    "nbclient>=0.10",
]

setup(
    name="tlkeras",
    version="0.1.0",
    description="Transfer learning for image classification with Keras",
    long_description=Path(__file__).with_name("README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["tlkeras", "tlkeras.*"]),
    package_data={
        "tlkeras": ["assets/*.h5", "py.typed", "theme.css"],
        "tlkeras.report": ["templates/*", "templates/sections/*"],
        "tlkeras.demo": ["templates/*"],
        "tlkeras.tuning.page": ["page.html"],
    },
    install_requires=[
        "absl-py>=2.1",
        "ai-edge-litert>=2.0",
        "filelock>=3.12",
        "flatbuffers>=24.3",
        "grpcio>=1.60",
        # tensorflow-datasets imports it without asking for it.
        "importlib-resources>=6",
        "jinja2>=3.1",
        "keras>=3.15,<4",
        "keras-tuner>=1.4.8,<1.5",
        "matplotlib>=3.8",
        "ml-collections>=1.0",
        "numpy>=2.2",
        "pillow>=10.1",
        "psutil>=5.9",
        "pyarrow>=15",
        "pyyaml>=6",
        "rich>=13.7",
        "scikit-learn>=1.5",
        "scipy>=1.11",
        "tensorboard>=2.18",
        "tensorflow>=2.21,<2.22",
        "tensorflow-datasets>=4.9.7",
        "tensorflow-serving-api>=2.21,<2.22",
        "threadpoolctl>=3.1",
    ],
    extras_require={
        "cloud": CLOUD,
        "beam": BEAM,
        "docs": DOCS,
        "openvino": OPENVINO,
        "hub": HUB,
        "heif": ["pillow-heif>=0.16"],
        "mediapipe": MEDIAPIPE,
        "onnx": ONNX,
        "test": TEST,
        "dev": [*TEST, "mypy>=1.10", "pre-commit>=3.7", "ruff>=0.6"],
    },
    entry_points={"console_scripts": ["tlkeras=tlkeras.cli.main:main"]},
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
