"""Jobs that cannot work: each ends with exit code 2 and a sentence that says what is wrong, where, and what to do."""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from job_folder import CSV, RECORDIO, JobFolder, Outcome, frame, record, recordio

Spoil = Callable[[JobFolder], object]

ROWS = np.random.default_rng(0).normal(size=(20, 3)).round(2)
LABELS = (ROWS[:, 0] > 0).astype(float)
SETTINGS = {"epochs": 1, "num_models": 2, "_engine": "operators"}
LINES = [f"{label:g},{a},{b},{c}" for label, (a, b, c) in zip(LABELS, ROWS, strict=True)]


@pytest.fixture
def good(job: JobFolder) -> JobFolder:
    """A job that works; each test spoils one thing about it."""
    job.hyperparameters("binary_classifier", **SETTINGS)
    job.channel("train", ROWS, LABELS).channel("validation", ROWS, LABELS)
    return job.config("inputdataconfig", {name: {"ContentType": CSV} for name in ("train", "validation")})


def test_what_is_spoiled_below_works(good: JobFolder) -> None:
    outcome = good.run()
    assert (outcome.code, outcome.failure) == (0, None)


def setting(predictor_type: str = "binary_classifier", **values: object) -> Spoil:
    return lambda job: job.hyperparameters(predictor_type, **(SETTINGS | values))


def config(name: str, content: object) -> Spoil:
    return lambda job: job.config(name, content)


def channel_config(**train: object) -> Spoil:
    return config("inputdataconfig", {"train": train})


def line(number: int, text: str, *, channel: str = "train") -> Spoil:
    """Replaces a line (from 1) of the channel's file."""
    lines = [text if i == number else line for i, line in enumerate(LINES, 1)]
    return content("\n".join(lines).encode(), channel=channel)


def content(data: bytes, *, channel: str = "train") -> Spoil:
    return lambda job: job.file(f"input/data/{channel}/part-0", data)


def records(*rows: bytes) -> Spoil:
    """Frames after ten good records, in a channel without a content type."""

    def spoil(job: JobFolder) -> None:
        job.file("input/data/train/part-0", recordio(ROWS[:10], LABELS[:10]) + b"".join(rows))
        job.config("inputdataconfig", {"train": {}})

    return spoil


def both(*spoils: Spoil) -> Spoil:
    return lambda job: [spoil(job) for spoil in spoils]


def without(path: str) -> Spoil:
    def spoil(job: JobFolder) -> None:
        target = job.base / path
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    return spoil


def is_a_folder(path: str) -> Spoil:
    return both(without(path), lambda job: (job.base / path).mkdir())


def extra(make: Callable[[Path], object]) -> Spoil:
    return lambda job: make(job.base / "input/data/train/part-1")


HYPERPARAMETERS = {
    "a misspelt name": (
        setting(mini_batch_siz=10),
        "Additional hyperparameters are not allowed ('mini_batch_siz' was unexpected). Did you mean 'mini_batch_size'?",
    ),
    "no predictor_type": (
        config("hyperparameters", {"epochs": "1"}),
        "No value(s) were specified for 'predictor_type' which are required",
        "'binary_classifier', 'multiclass_classifier', 'regressor'",
    ),
    "a predictor_type that does not exist": (
        setting("classifier"),
        "The value 'classifier' is not valid for the 'predictor_type' hyperparameter",
        "Did you mean 'binary_classifier'?",
    ),
    "a word for a number": (
        setting(learning_rate="fast"),
        "The value for hyperparameter 'learning_rate' should be of type float, but provided 'fast'",
        "'auto'; or a number greater than 0",
    ),
    "a fraction for a count": (
        setting(epochs="1.5"),
        "The value for hyperparameter 'epochs' should be of type integer, but provided '1.5'",
        "at least 1",
    ),
    "out of range": (
        setting(target_recall=1.5),
        "The value '1.5' is not valid for the 'target_recall' hyperparameter",
        "a number greater than 0 and less than 1",
    ),
    "nan": (setting(wd="nan"), "The value 'nan' is not valid for the 'wd' hyperparameter", "It must be finite"),
    "infinity": (setting(l1="inf"), "The value 'inf' is not valid for the 'l1' hyperparameter", "It must be finite"),
    "neither true nor false": (
        setting(use_bias="maybe"),
        "The value 'maybe' is not valid for the 'use_bias' hyperparameter",
        "'true', 'false'",
    ),
    "a loss of another predictor_type": (
        setting(loss="squared_loss"),
        "The value 'squared_loss' is not valid for the 'loss' hyperparameter",
        "'logistic', 'hinge_loss' when predictor_type is 'binary_classifier'",
    ),
    "a multiclass job without num_classes": (
        setting("multiclass_classifier"),
        "No value(s) were specified for 'num_classes'",
        "when predictor_type is 'multiclass_classifier'",
    ),
    "two classes": (
        setting("multiclass_classifier", num_classes=2),
        "The value '2' is not valid for the 'num_classes' hyperparameter",
        "at least 3",
        "use predictor_type 'binary_classifier'",
    ),
    "several mistakes": (
        setting(epocs=3, wd=-1, use_bias="maybe"),
        "3 hyperparameters are wrong.",
        "1. ",
        "'epocs'",
        "2. ",
        "'wd'",
        "3. ",
        "'use_bias'",
    ),
    "another feature_dim than the data's": (
        setting(feature_dim=4),
        "Incorrect configuration or train dataset provided. The value of feature_dim hyperparameter '4' doesn't match "
        "train data dimensionality '3'",
        "train/part-0",
        "Please set feature_dim",
    ),
    "a learning rate beyond all bounds": (
        setting("regressor", learning_rate=1e30, optimizer="sgd", normalize_data="false"),
        "The loss of every model became infinite or NaN",
        "epoch 0",
        "Lower learning_rate",
    ),
    # Raw weights are the label's units over those of the feature.
    "units that no weight can span": (
        both(
            setting("regressor"),
            content(b"3e30,1,1e-20\n1e30,2,2e-20\n2e30,3,3e-20\n"),
            without("input/config/inputdataconfig.json"),
            without("input/data/validation"),
        ),
        "In raw units, the weight of feature 2 is beyond the range of float32",
        "channel 'train'",
        "Scale features and labels",
    ),
}

CONFIG_FILES = {
    "no hyperparameters.json": (
        without("input/config/hyperparameters.json"),
        "File not found",
        "hyperparameters.json",
        "--base",
    ),
    "a folder for hyperparameters.json": (
        is_a_folder("input/config/hyperparameters.json"),
        "A folder stands where a file should",
        "hyperparameters.json",
        "Mount the file itself",
    ),
    "hyperparameters.json with a comma too many": (
        config("hyperparameters", b'{"epochs": "1",}'),
        "Not a JSON document",
        "line 1 column 16",
        "hyperparameters.json",
    ),
    "hyperparameters.json in another encoding": (
        config("hyperparameters", '{"epochs": "1"}'.encode("utf-16")),
        "Not a JSON document",
        "position 0",
        "hyperparameters.json",
    ),
    "a list of hyperparameters": (
        config("hyperparameters", ["epochs", 1]),
        "Not a JSON object",
        "hyperparameters.json",
        'Write {"name": "value", ...}',
    ),
    "no train channel": (
        config("inputdataconfig", {"validation": {}}),
        "The channel 'train' is missing",
        "the job has validation",
        "Give the job a channel named 'train'",
    ),
    "no channel": (
        config("inputdataconfig", {}),
        "The channel 'train' is missing",
        "the job has no channels",
        "Give the job a channel named 'train'",
        "input/data/train",
    ),
    "no data": (
        both(without("input/data"), without("input/config/inputdataconfig.json")),
        "The channel 'train' is missing",
        "input/data/train",
    ),
    "a channel that is no object": (
        config("inputdataconfig", {"train": CSV}),
        "Channel 'train' is not described by a JSON object",
        "inputdataconfig.json",
        'Write "train": {"ContentType": "text/csv"}',
    ),
    "a content type that is no text": (
        channel_config(ContentType=["text/csv"]),
        """ContentType ["text/csv"] of channel 'train' is not a string""",
        "inputdataconfig.json",
    ),
    "a content type that is not supported": (
        channel_config(ContentType="application/x-image"),
        "No iterator has been registered for ContentType ('application/x-image', '1.0')",
        "channel 'train'",
        "Use one of: application/x-parquet, application/x-recordio-protobuf, text/csv, text/libsvm",
    ),
    "two labels": (
        channel_config(ContentType="text/csv;label_size=2"),
        "label_size '2'",
        "neither 0 nor 1",
        "leave it out",
    ),
    "no label": (
        channel_config(ContentType="text/csv;label_size=0"),
        "Labeled train data required with label size equal 1. Label size on train dataset found to be 0",
        "label_size=0",
        "leave label_size=0 out",
    ),
    "an input mode that does not exist": (
        channel_config(TrainingInputMode="Stream"),
        """TrainingInputMode "Stream" of channel 'train' is not known""",
        "inputdataconfig.json",
        "Use one of: File, FastFile, Pipe",
    ),
    "two hosts and a store of one": (
        both(
            config("resourceconfig", {"current_host": "algo-1", "hosts": ["algo-1", "algo-2"]}),
            setting(_kvstore="local"),
        ),
        "The store 'local' does not join the 2 hosts of the job",
        "hyperparameter _kvstore",
        "leave it out, or set it to dist_sync",
    ),
    "a folder for checkpoints that cannot be": (
        config("checkpointconfig", {"LocalPath": "/tmp/\ud83d"}),
        r'LocalPath "/tmp/\ud83d" is not the absolute path of a folder',
        "checkpointconfig.json",
        "leave LocalPath out",
    ),
    "a file where the folder for checkpoints should be": (
        both(
            config("checkpointconfig", {"LocalPath": "/opt/ml/checkpoints/of/this"}),
            lambda job: (job.base / "checkpoints").write_text("a file"),
        ),
        "The folder for checkpoints, ",
        "/checkpoints is no folder (LocalPath of ",
        "checkpointconfig.json). Remove it, or name another folder",
    ),
    "hosts that are no list": (
        config("resourceconfig", {"current_host": "algo-1", "hosts": "algo-1"}),
        "current_host or hosts is not what it should be",
        "resourceconfig.json",
        '{"current_host": "algo-1", "hosts": ["algo-1"]}',
    ),
}

CHANNELS = {
    "a channel without a folder": (
        without("input/data/validation"),
        "Channel 'validation' has no folder",
        "input/data/validation",
        "Put its files there, or take the channel out of inputdataconfig.json",
    ),
    "a channel of hidden files": (
        lambda job: (job.base / "input/data/train/part-0").rename(job.base / "input/data/train/.part-0"),
        "Channel 'train' has no rows",
        "input/data/train",
        "names that begin with a dot",
    ),
    "an empty file": (content(b""), "Channel 'train' has no rows", "input/data/train", "Its files are empty"),
    "a header alone": (content(b"label,a,b\n"), "Channel 'train' has no rows", "input/data/train", "a header alone"),
    "a link that leads nowhere": (
        extra(lambda file: file.symlink_to("nowhere")),
        "Channel 'train' holds a link that leads to no file",
        "train/part-1",
        "Remove it",
    ),
    "a named pipe": (
        extra(os.mkfifo),
        "Channel 'train' holds something that is not a file",
        "train/part-1",
        "Remove it",
    ),
    "validation of another width": (
        lambda job: job.channel("validation", ROWS[:, :2], LABELS),
        "Incorrect configuration or validation dataset provided. The validation data dimensionality '2' doesn't match "
        "train data dimensionality '3'",
        "validation/part-0",
        "Please give the validation dataset the columns of the train dataset",
    ),
}

CSV_FILES = {
    "text in the first row": (
        line(1, "1,0.5,x,0.1"),
        "Unable to read data channel 'train'",
        "train/part-0, row 1, column 3, value 'x'",
    ),
    "a header that is not the first row": (
        line(7, "label,a,b,c"),
        "Unable to read data channel 'train'",
        "train/part-0, row 7, column 1, value 'label'",
    ),
    "text in a cell": (
        line(7, "1,0.5,x,0.1"),
        "Unable to read data channel 'train'",
        "Found a value that is not a number",
        "train/part-0, row 7, column 3, value 'x'",
    ),
    "an empty cell": (
        line(7, "1,0.5,,0.1"),
        "Unable to read data channel 'train'. Found missing (NaN) values",
        "train/part-0, row 7, column 3, value ''",
        "Please remove any missing (NaN) values",
    ),
    "nan in a cell": (
        line(7, "1,0.5,0.1,NaN"),
        "Unable to read data channel 'train'. Found missing (NaN) values",
        "train/part-0, row 7, column 4, value 'NaN'",
    ),
    "infinity in a cell": (
        line(7, "1,-inf,0.1,0.2"),
        "Unable to read data channel 'train'. Found infinite floating point values",
        "train/part-0, row 7, column 2, value '-inf'",
    ),
    "a number beyond float32": (
        line(7, "1,1e39,0.1,0.2"),
        "Unable to read data channel 'train'. Found values beyond the range of float32",
        "train/part-0, row 7, column 2, value '1e39'",
        "Please scale the values",
    ),
    "a short row": (
        line(7, "1,0.1,0.2"),
        "Unable to read data channel 'train'",
        "The row has 3 columns, the first one has 4",
        "train/part-0, row 7",
    ),
    "a bad cell of the validation channel": (
        line(7, "1,0.5,x,0.1", channel="validation"),
        "Unable to read data channel 'validation'",
        "validation/part-0, row 7, column 3, value 'x'",
    ),
    "semicolons": (
        content(b"1;2.5;3\n0;1.5;2\n"),
        "Unable to read data channel 'train'",
        "row 1, column 1, value '1;2.5;3'",
    ),
    "labels alone": (content(b"1\n0\n"), "Unable to read data channel 'train'", "a label but no features"),
    "Parquet": (
        content(b"PAR1\x15\x04\x15" + bytes(60)),
        "Unable to read data channel 'train'. Requested content-type is 'text/csv'",
        "train/part-0, row 1",
    ),
    "records that are called CSV": (
        content(recordio(ROWS, LABELS)),
        "Unable to read data channel 'train'. Requested content-type is 'text/csv'",
        "The data looks like application/x-recordio-protobuf: set this content type",
    ),
}

LABEL_FAULTS = {
    "a third label": (
        line(7, "2,0.1,0.2,0.3"),
        "Label 2 of channel 'train' is neither 0 nor 1",
        "train/part-0, row 7",
        "the labels are 0, 1, 2",
        "set predictor_type=multiclass_classifier and num_classes",
    ),
    "labels -1 and 1": (
        content(b"1,2,3\n-1,2,2\n"),
        "Label -1 of channel 'train' is neither 0 nor 1",
        "train/part-0, row 2",
        "Write 0 for the label -1",
    ),
    "labels from 1 on": (
        both(content(b"1,2,3\n2,2,2\n3,1,1\n"), setting("multiclass_classifier", num_classes=3)),
        "Label 3 of channel 'train' is not one of 0, 1, ... 2",
        "train/part-0, row 3",
        "subtract 1 from each",
    ),
    "quantities for labels": (
        line(7, "0.5,0.1,0.2,0.3"),
        "Label 0.5 of channel 'train' is neither 0 nor 1",
        "train/part-0, row 7",
        "set predictor_type=regressor",
    ),
    "one label for all": (
        lambda job: job.channel("train", ROWS, np.ones(20)),
        "Every label of channel 'train' is 1",
        "give rows of at least two classes",
    ),
    "a bad label in the test channel": (
        lambda job: job.channel("test", ROWS, LABELS + 1).config(
            "inputdataconfig", {name: {"ContentType": CSV} for name in ("train", "test")}
        ),
        "Label 2 of channel 'test' is neither 0 nor 1",
        "test/part-0, row",
    ),
}

RECORDS = {
    "a record that ends early": (
        records(recordio(ROWS[:1], LABELS[:1])[:-7]),
        f"Unable to read data channel 'train'. Requested content-type is '{RECORDIO}'",
        "The record is cut short",
        "train/part-0, row 11, byte 560",
    ),
    "bytes between records": (
        records(b"\0\0\0\0", recordio(ROWS[:1], LABELS[:1])),
        "Unable to read data channel 'train'",
        "magic number",
        "train/part-0, row 11, byte 560",
    ),
    "a frame without a message": (
        records(frame(b"\xff" * 8)),
        "Unable to read data channel 'train'",
        "The record is not a protobuf message",
        "train/part-0, row 11",
    ),
    "an empty frame": (
        records(frame(b"")),
        "Unable to read data channel 'train'",
        "The record has no tensor features['values']",
        "train/part-0, row 11",
    ),
    "a record without a label": (
        records(frame(record([1, 2, 3], []))),
        "Labeled train data required with label size equal 1. Label size on train dataset found to be 0",
        "train/part-0, row 11",
        "Please give every row exactly one label",
    ),
    "a record of two labels": (
        records(frame(record([1, 2, 3], [0, 1]))),
        "Labeled train data required with label size equal 1. Label size on train dataset found to be 2",
        "train/part-0, row 11",
    ),
    "a wider record": (
        records(frame(record([1, 2, 3, 4], [1]))),
        "Unable to read data channel 'train'",
        "The record has 4 features, the first one has 3",
        "train/part-0, row 11",
    ),
    "nan in a record": (
        records(frame(record([1, np.nan, 3], [1]))),
        "Unable to read data channel 'train'. Found missing (NaN) values",
        "train/part-0, row 11, feature 2, value 'nan'",
    ),
    "infinity in a record": (
        records(frame(record([1, 2, np.inf], [1]))),
        "Unable to read data channel 'train'. Found infinite floating point values",
        "train/part-0, row 11, feature 3",
    ),
    "a label that is nan": (
        records(frame(record([1, 2, 3], [np.nan]))),
        "Unable to read data channel 'train'. Found missing (NaN) values",
        "train/part-0, row 11, label",
    ),
    "a bad label in a record": (
        records(frame(record([1, 2, 3], [7]))),
        "Label 7 of channel 'train' is neither 0 nor 1",
        "train/part-0, row 11",
    ),
    "CSV that is called recordIO": (
        channel_config(ContentType=RECORDIO),
        f"Unable to read data channel 'train'. Requested content-type is '{RECORDIO}'",
        "train/part-0",
        "The data looks like text/csv: set this content type",
    ),
    "something else": (
        both(content(b"PK\x03\x04" + struct.pack("<I", 1) * 9), config("inputdataconfig", {"train": {}})),
        "Unable to read data channel 'train'",
        "does not start with RecordIO's magic number",
        "train/part-0, byte 0",
    ),
}

MISTAKES = HYPERPARAMETERS | CONFIG_FILES | CHANNELS | CSV_FILES | LABEL_FAULTS | RECORDS


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_one_sentence(good: JobFolder, mistake: str) -> None:
    spoil, *parts = MISTAKES[mistake]
    spoil(good)
    outcome = good.run()
    assert outcome.code == 2
    assert outcome.failure is not None
    assert_told(outcome, outcome.failure, parts)
    assert not outcome.model_dir.exists()


def assert_told(outcome: Outcome, failure: str, parts: list[str]) -> None:
    """The message comes first, the rest of ``parts`` after it in their order; and the log's last words are the same."""
    assert failure.startswith(f"Customer Error: {parts[0]}")
    at = 0
    for part in parts:
        at = failure.lower().find(part.lower(), at)
        assert at >= 0, f"{part!r} is not where it should be in {failure!r}"
    assert "Traceback" not in outcome.log
    error = outcome.log[outcome.log.rindex(" ERROR ") :]
    assert error.partition("] ")[2] == f"{failure}\n"
    # Of the failure file only so much is shown.
    assert len(failure) <= 1024


@pytest.fixture(params=["at the start", "in the data", "in the last step"])
def late(request: pytest.FixtureRequest) -> Spoil:
    """A mistake that shows at some stage of a job."""
    return {
        "at the start": setting(epochs=0),
        "in the data": line(20, "1,0,0,x", channel="validation"),
        "in the last step": HYPERPARAMETERS["units that no weight can span"][0],
    }[request.param]


def test_a_failing_job_leaves_an_earlier_model_alone(good: JobFolder, late: Spoil) -> None:
    assert good.run().code == 0
    before = dict(files(good.base / "model"))
    late(good)
    assert good.run().code == 2
    assert dict(files(good.base / "model")) == before


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    return ((str(file.relative_to(folder)), file.read_bytes()) for file in sorted(folder.rglob("*")))


def test_a_job_that_works_takes_an_earlier_failure_away(good: JobFolder) -> None:
    setting(epochs=0)(good)
    assert good.run().failure is not None
    setting()(good)
    assert good.run().failure is None


def test_a_model_folder_that_cannot_be_written_is_the_platforms_fault(good: JobFolder) -> None:
    good.file("model", b"")
    outcome = good.run()
    assert outcome.code == 3
    assert outcome.failure is not None and outcome.failure.startswith("Platform Error: The model could not be written")
    assert "Traceback" not in outcome.log
