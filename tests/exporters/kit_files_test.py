"""The configuration files of the deployment kit in export/."""

import re
from pathlib import Path

import yaml
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from tensorflow_serving.config import model_server_config_pb2

from tlkeras.exporters.warmup import WARMUP_BATCH_SIZES

KIT = Path(__file__).parents[2] / "export"


def make_message(package, fields, **messages):
    """Builds a message class from published field numbers."""
    pool = descriptor_pool.DescriptorPool()
    wrappers = descriptor_pb2.FileDescriptorProto()
    wrappers_pb2.DESCRIPTOR.CopyToProto(wrappers)
    pool.Add(wrappers)
    file = descriptor_pb2.FileDescriptorProto(
        name="config.proto",
        package=package,
        syntax="proto3",
        dependency=[wrappers.name],
    )
    for name, columns in {"Config": fields, **messages}.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in columns.items():
            repeated = kind.startswith("repeated ")
            kind = kind.removeprefix("repeated ")
            added = message.field.add(
                name=field, number=number, label=3 if repeated else 1
            )
            if kind.startswith("."):
                added.type, added.type_name = 11, kind
            else:
                added.type = {"int64": 3, "bool": 8, "string": 9}[kind]
    pool.Add(file)
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName(f"{package}.Config")
    )


def test_the_model_config_parses():
    text = (KIT / "models.config").read_text()
    second = re.sub(r"^  # (  |config|\})", r"  \1", text, flags=re.M)
    for content, names in (
        (text, ["digits"]),
        (second, ["digits", "clothing"]),
    ):
        parsed = text_format.Parse(
            content, model_server_config_pb2.ModelServerConfig()
        )
        models = parsed.model_config_list.config
        assert [model.name for model in models] == names
        for model in models:
            assert model.base_path == f"/models/{model.name}"
    first = models[0]
    loaded = list(first.model_version_policy.specific.versions)
    assert set(first.version_labels) == {"stable", "canary"}
    assert set(first.version_labels.values()) <= set(loaded)


def test_the_batching_config_parses():
    """Fields of session_bundle_config.proto of TF Serving."""
    number = ".google.protobuf.Int64Value"
    config = text_format.Parse(
        (KIT / "batching.config").read_text(),
        make_message(
            "batching",
            {
                1: ("max_batch_size", number),
                2: ("batch_timeout_micros", number),
                3: ("max_enqueued_batches", number),
                4: ("num_batch_threads", number),
                6: ("allowed_batch_sizes", "repeated int64"),
                7: ("pad_variable_length_inputs", "bool"),
            },
        )(),
    )
    # The server demands that the largest size is max_batch_size.
    assert tuple(config.allowed_batch_sizes) == WARMUP_BATCH_SIZES
    assert config.max_batch_size.value == max(WARMUP_BATCH_SIZES)


def test_the_monitoring_config_parses():
    """Fields of monitoring_config.proto of TF Serving."""
    config = text_format.Parse(
        (KIT / "monitoring.config").read_text(),
        make_message(
            "monitoring",
            {1: ("prometheus_config", ".monitoring.Prometheus")},
            Prometheus={1: ("enable", "bool"), 2: ("path", "string")},
        )(),
    )
    assert config.prometheus_config.enable
    assert config.prometheus_config.path.startswith("/")


def test_compose_mounts_what_the_flags_name():
    compose = yaml.safe_load((KIT / "compose.yaml").read_text())
    service = compose["services"]["serving"]
    mounts = dict(volume.split(":")[:2] for volume in service["volumes"])
    assert mounts == {"./models": "/models", ".": "/config"}
    for flag in service["command"]:
        value = flag.partition("=")[2]
        if value.startswith("/config/"):
            assert (KIT / value.removeprefix("/config/")).exists()


def test_the_kubernetes_manifest_serves_the_same_flags():
    documents = list(yaml.safe_load_all((KIT / "kubernetes.yaml").read_text()))
    kinds = {document["kind"]: document for document in documents}
    assert set(kinds) == {
        "PersistentVolumeClaim",
        "Deployment",
        "Service",
        "HorizontalPodAutoscaler",
    }
    pod = kinds["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    compose = yaml.safe_load((KIT / "compose.yaml").read_text())
    assert container["args"] == compose["services"]["serving"]["command"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/v1/models/digits"
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert {m["name"] for m in container["volumeMounts"]} == volumes


def test_the_kit_does_without_tlkeras():
    for script in KIT.glob("*.py"):
        assert "tlkeras" not in re.findall(
            r"^\s*(?:import|from) (\w+)", script.read_text(), re.M
        ), script
