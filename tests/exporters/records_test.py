import json

from tlkeras.exporters.records import ExportRecord

FIELDS = [
    "name",
    "version",
    "time",
    "run",
    "config_hash",
    "libraries",
    "split",
    "num_images",
    "max_drop",
    "keras_accuracy",
    "formats",
]
# Of a file that was written and run.
ROW_FIELDS = [
    "path",
    "refused",
    "num_bytes",
    "is_finite",
    "accuracy",
    "accuracy_interval",
    "drop",
    "drop_interval",
    "num_disagreements",
    "mcnemar_p",
    "largest_probability_shift",
    "worst_class",
    "worst_class_drop",
    "latency_p50_ms",
    "latency_p99_ms",
    "note",
    "operators",
    "heatmap_shift",
    "warning",
    "seconds",
]


def test_the_fields_of_an_export_stand_in_one_order(exported):
    stored = json.loads((exported / "export.json").read_text())
    assert list(stored) == FIELDS
    for row in stored["formats"].values():
        assert list(row) == ROW_FIELDS


def test_an_export_is_read_and_written_as_it_was(exported):
    text = (exported / "export.json").read_text()
    record = ExportRecord.from_dict(json.loads(text))
    again = json.dumps(record.as_dict(), indent=2, ensure_ascii=False)
    assert again + "\n" == text
    assert ExportRecord.from_dict(record.as_dict()) == record
    assert not record.is_refused


def test_a_row_without_figures_is_short(exported):
    values = json.loads((exported / "export.json").read_text())
    row = {
        "path": "",
        "refused": "it cannot be written",
        "seconds": 0.1,
        "instead": "int16x8",
    }
    values["formats"]["int8"] = row
    record = ExportRecord.from_dict(values)
    assert record.is_refused
    assert record.formats["int8"].measured is None
    assert list(record.as_dict()["formats"]["int8"].items()) == list(
        row.items()
    )
