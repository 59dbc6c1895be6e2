from __future__ import annotations

import gzip
import os
import struct
import tracemalloc
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from record_judge import file_of, record

from linear_learner.data import channel_reader
from linear_learner.data.channel_reader import ChannelReader
from linear_learner.data.dataset import Dataset
from linear_learner.data.sources import list_files, natural_key
from linear_learner.environment import ChannelConfig, Part
from linear_learner.errors import ClientError, UnsupportedContentType
from linear_learner.formats import recordio_protobuf
from linear_learner.formats.csr import CsrMatrix, Rows
from linear_learner.formats.options import Options
from linear_learner.formats.schema_learner import TextSettings
from linear_learner.native.decoders import Room


def read_channel(channel: ChannelConfig, **given: Any) -> Dataset:
    return ChannelReader(channel, **given).read()[0]


@pytest.fixture
def channel(tmp_path: Path) -> ChannelConfig:
    folder = tmp_path / "train"
    folder.mkdir()
    (folder / "part-0.csv").write_text("1,2.5,3\n0,4,5\n")
    (folder / "part-1.csv").write_text("1,6,7\n")
    return ChannelConfig("train", folder, "text/csv")


def one_record(label: float | None, features: list[float]) -> bytes:
    """A frame with a dense float32 Record, put together by hand from the encoding's rules."""

    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    def entry(number: int, values: list[float]) -> bytes:
        tensor = field(1, struct.pack(f"<{len(values)}f", *values))
        return field(number, field(1, b"values") + field(2, field(2, tensor)))

    payload = entry(1, features) + (b"" if label is None else entry(2, [label]))
    return struct.pack("<II", 0xCED7230A, len(payload)) + payload + bytes(-len(payload) % 4)


def test_all_files_make_one_data_set(channel: ChannelConfig) -> None:
    data = read_channel(channel)
    assert data.name == "train"
    assert data.features.dtype == data.labels.dtype == np.float32
    assert data.features.flags.c_contiguous
    np.testing.assert_array_equal(data.features, [[2.5, 3], [4, 5], [6, 7]])
    np.testing.assert_array_equal(data.labels, [1, 0, 1])
    first, second = channel.path / "part-0.csv", channel.path / "part-1.csv"
    assert [data.where(i) for i in range(3)] == [f"{first}, row 1", f"{first}, row 2", f"{second}, row 1"]


def test_long_reading_shows_that_it_is_alive(
    channel: ChannelConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(channel_reader, "BETWEEN_SIGNS", 0)
    caplog.set_level("INFO")
    ChannelReader(channel).read()
    assert caplog.messages[-1] == "Channel 'train': 3 rows read so far, 100 % of the bytes."
    caplog.clear()
    # A pass of an epoch has signs of its own.
    for _ in ChannelReader(channel).batches(np.random.default_rng(0)):
        pass
    assert caplog.messages == []


def test_the_channel_is_left_as_it_was(channel: ChannelConfig) -> None:
    before = sorted(channel.path.rglob("*"))
    read_channel(channel)
    assert sorted(channel.path.rglob("*")) == before


def test_files_come_in_natural_order() -> None:
    names = ["a/part-10", "part-10.csv", "part-2.csv", "part-02.csv", "a/part-9", "b10/x", "b9/x", "10", "9", "x", "B"]
    ordered = sorted(map(Path, names), key=natural_key)
    assert [str(path) for path in ordered] == [
        "9", "10", "B", "a/part-9", "a/part-10", "b9/x", "b10/x", "part-02.csv", "part-2.csv", "part-10.csv", "x"
    ]  # fmt: skip


def test_files_of_sub_folders_count_and_hidden_ones_do_not(channel: ChannelConfig) -> None:
    for name in ("sub/deep/part-2.csv", ".amazon.manifest", "_SUCCESS", ".hidden/part.csv", "_temporary/part.csv"):
        file = channel.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("0,8,9\n" if name.startswith("sub") else "not data")
    assert len(list_files(channel)) == 3
    np.testing.assert_array_equal(read_channel(channel).labels, [1, 0, 1, 0])


@pytest.mark.parametrize("content_type", ["text/csv", None])
def test_a_damaged_packed_file_is_told_of_the_channel(channel: ChannelConfig, content_type: str | None) -> None:
    (channel.path / "part-0.csv").write_bytes(gzip.compress(b"1,2.5,3\n")[:12])
    with pytest.raises(ClientError, match=r"data channel 'train'\. The gzip file is cut short \(.*part-0.csv\)"):
        read_channel(replace(channel, content_type=content_type))


def test_the_width_of_libsvm_rows_is_that_of_the_largest_index_in_all_files(channel: ChannelConfig) -> None:
    (channel.path / "part-0.csv").write_text("1 2:5\n0\n")
    (channel.path / "part-1.csv").write_text("0 4:7 1:6\n")
    for content_type in ("libsvm", None):
        data = read_channel(replace(channel, content_type=content_type))
        np.testing.assert_array_equal(data.features.toarray(), [[0, 5, 0, 0], [0, 0, 0, 0], [6, 0, 0, 7]])
        np.testing.assert_array_equal(data.labels, [1, 0, 0])
    reader = ChannelReader(replace(channel, content_type="libsvm; index_base=0"))
    assert [batch.feature_dim for batch, _ in reader.batches()] == [3, 5]
    assert [batch.feature_dim for batch, _ in reader.batches()] == [5, 5]


def test_libsvm_rows_have_the_width_that_is_known(channel: ChannelConfig) -> None:
    channel = replace(channel, content_type="libsvm")
    (channel.path / "part-0.csv").write_text("1 2:5\n0\n")
    (channel.path / "part-1.csv").write_text("0 4:7\n")
    assert read_channel(channel, feature_dim=6, options=Options(feature_dim=6)).feature_dim == 6
    with pytest.raises(
        ClientError, match=r"channel 'train'\. .*beyond the last feature \(.*part-1.csv, row 1, 3 featu"
    ):
        read_channel(channel, options=Options(feature_dim=3))


def test_libsvm_rows_need_a_value(channel: ChannelConfig) -> None:
    for name in ("part-0.csv", "part-1.csv"):
        (channel.path / name).write_text("1\n0\n")
    with pytest.raises(ClientError, match="Its rows have labels but no values"):
        read_channel(replace(channel, content_type="libsvm"))


@pytest.mark.parametrize("content_type", ["text/libsvm", "application/x-recordio-protobuf", None])
def test_a_label_column_needs_columns_with_names(channel: ChannelConfig, content_type: str | None) -> None:
    (channel.path / "a").write_bytes(file_of(record([1.0], [0.0])))
    with pytest.raises(ClientError, match="Its columns have no names, and label_column names the column 'y'"):
        ChannelReader(replace(channel, content_type=content_type), options=Options(label_column="y"))


def test_a_link_to_a_file_is_a_file(channel: ChannelConfig, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.csv").write_text("0,8,9\n")
    (channel.path / "part-2.csv").symlink_to(tmp_path / "elsewhere.csv")
    np.testing.assert_array_equal(read_channel(channel).labels, [1, 0, 1, 0])


def test_a_link_to_anything_else_is_refused(channel: ChannelConfig, tmp_path: Path) -> None:
    link = channel.path / "part-2"
    for target in (tmp_path / "nothing", channel.path):
        link.symlink_to(target)
        with pytest.raises(
            ClientError, match=r"Channel 'train' holds a link that leads to no file \(.*part-2\)\. Remove it"
        ):
            read_channel(channel)
        link.unlink()


def test_a_fifo_is_refused_and_not_waited_for(channel: ChannelConfig) -> None:
    os.mkfifo(channel.path / "part-2")
    with pytest.raises(ClientError, match="holds something that is not a file"):
        read_channel(channel)


def test_a_file_that_may_not_be_read_is_told(channel: ChannelConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    # root may read everything, so the question is answered for it
    monkeypatch.setattr(os, "access", lambda file, mode: "part-1" not in str(file))
    with pytest.raises(ClientError, match=r"holds a file that may not be read \(.*part-1.csv\)"):
        read_channel(channel)


def test_a_channel_without_files_or_rows_is_told(channel: ChannelConfig) -> None:
    for file in channel.path.iterdir():
        file.write_text("\n\n")
    with pytest.raises(ClientError, match=r"Channel 'train' has no rows"):
        read_channel(channel)
    for file in channel.path.iterdir():
        file.rename(file.with_name("_" + file.name))
    with pytest.raises(
        ClientError, match=r"Channel 'train' has no rows .*names that begin with a dot or an underscore"
    ):
        read_channel(channel)


def test_a_file_that_is_named_and_holds_a_header_alone(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("y,a,b\n")
    config = ChannelConfig("train", tmp_path / "data.csv", "text/csv")
    with pytest.raises(ClientError, match=r"no rows .*data\.csv.*The file is empty, or holds a header alone"):
        list(ChannelReader(config).read())


def test_a_manifest_without_its_files_is_told_from_an_empty_channel(tmp_path: Path) -> None:
    folder = tmp_path / "train"
    folder.mkdir()
    (folder / ".amazon.manifest").write_text('[{"prefix": "s3://bucket/rows/"}, "matrix_0.pbr"]')
    with pytest.raises(ClientError, match=r"'train' has a manifest, and none .*S3Prefix"):
        read_channel(ChannelConfig("train", folder))


def test_a_channel_without_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match=r"Channel 'test' has no folder \(.*/test\)\. Put its files there, or "):
        read_channel(ChannelConfig("test", tmp_path / "test", "text/csv"))


def test_fast_file_mode_looks_like_files(channel: ChannelConfig) -> None:
    fast, files = read_channel(replace(channel, input_mode="FastFile")), read_channel(channel)
    np.testing.assert_array_equal(fast.features, files.features)
    np.testing.assert_array_equal(fast.labels, files.labels)


def test_an_empty_file_among_others_is_no_matter(channel: ChannelConfig) -> None:
    (channel.path / "part-00.csv").write_bytes(b"")
    assert len(read_channel(channel)) == 3
    assert len(read_channel(ChannelConfig("train", channel.path))) == 3


def test_without_a_content_type_the_bytes_tell(channel: ChannelConfig) -> None:
    unnamed = ChannelConfig("train", channel.path)
    assert len(read_channel(unnamed)) == 3
    for file in channel.path.iterdir():
        file.write_bytes(one_record(1, [2, 3]))
    data = read_channel(unnamed)
    np.testing.assert_array_equal(data.features, [[2, 3], [2, 3]])
    np.testing.assert_array_equal(data.labels, [1, 1])
    (channel.path / "part-0.csv").write_bytes(b"\x00\x01")
    with pytest.raises(
        ClientError, match=r"Unable to read data channel 'train'\. Requested content-type is 'application/x-rec"
    ):
        read_channel(unnamed)


def test_an_unknown_content_type_is_told_with_its_channel(channel: ChannelConfig) -> None:
    unknown = ChannelConfig("train", channel.path, "image/png")
    with pytest.raises(UnsupportedContentType, match=r"ContentType \('image/png', '1.0'\)") as raised:
        read_channel(unknown)
    assert raised.value.where == "channel 'train'"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "1,,3",
            "Unable to read data channel 'train'. Found missing (NaN) values ({file}, row 2, column 2, value ''). "
            "Please remove any missing (NaN) values in the input data, or set missing_values=mean to fill in features",
        ),
        (
            "1,x,3",
            "Unable to read data channel 'train'. Requested content-type is 'text/csv'. Found a value that is not a "
            "number ({file}, row 2, column 2, value 'x'). Please verify the data matches the requested content-type; "
            "or set categorical_columns=auto for features that are text and text_labels=true for labels that are",
        ),
    ],
)
def test_what_a_decoder_says_is_told_of_the_channel(channel: ChannelConfig, line: str, expected: str) -> None:
    file = channel.path / "part-1.csv"
    file.write_text(f"1,6,7\n{line}\n")
    with pytest.raises(ClientError) as raised:
        read_channel(channel)
    assert str(raised.value) == expected.format(file=file)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_text_that_auto_has_passed_over_needs_the_name_of_its_column(channel: ChannelConfig, kind: str) -> None:
    for number, cell in enumerate((None, "x")):
        if kind == "csv":
            (channel.path / f"part-{number}.csv").write_text(f"y,a,b\n1,2,{'3' if cell is None else cell}\n")
        else:
            parquet.write_table(pa.table({"y": [1], "a": [2], "b": [cell]}), channel.path / f"part-{number}.csv")
    channel = replace(channel, content_type={"csv": "text/csv", "parquet": "application/x-parquet"}[kind])

    def read(columns: str) -> Dataset:
        reader = ChannelReader(channel, options=Options(allow_missing=True))
        reader.use_schema(reader.learn_schema(TextSettings((columns,), keeps_missing=True)).schema())
        return reader.read()[0]

    with pytest.raises(ClientError, match=r"part-1.csv") as raised:
        read("auto")
    assert "or name features that are text in categorical_columns (auto looks" in raised.value.fix
    assert read("b").features.tolist() == [[2, 1, 0], [2, 0, 1]]


def test_after_an_error_the_file_is_closed_while_the_error_is_looked_at(channel: ChannelConfig) -> None:
    file = channel.path / "part-1.csv"
    file.write_text("1,6,7\n1,x,7\n")
    with pytest.raises(ClientError) as raised:
        read_channel(channel)
    assert raised.value.__traceback__ is not None
    assert not [link for link in Path("/proc/self/fd").iterdir() if os.path.realpath(link) == str(file.resolve())]


def test_missing_labels_are_told_in_amazons_words(channel: ChannelConfig) -> None:
    expected = "Labeled train data required with label size equal 1. Label size on train dataset found to be 0"
    with pytest.raises(ClientError, match=rf"^{expected} \(content type 'text/csv; label_size=0'\)"):
        read_channel(ChannelConfig("train", channel.path, "text/csv; label_size=0"))
    for file in channel.path.iterdir():
        file.write_bytes(one_record(None, [2, 3]))
    with pytest.raises(ClientError, match=rf"^{expected} \(.*part-0.csv, row 1\)"):
        read_channel(ChannelConfig("train", channel.path))


def test_feature_dim_must_be_that_of_the_data(channel: ChannelConfig) -> None:
    assert read_channel(channel, feature_dim=2).feature_dim == 2
    with pytest.raises(ClientError) as raised:
        read_channel(channel, feature_dim=3)
    assert str(raised.value) == (
        "Incorrect configuration or train dataset provided. The value of feature_dim hyperparameter '3' doesn't match "
        f"train data dimensionality '2' ({channel.path}/part-0.csv). "
        "Please set feature_dim to the number of features in train dataset"
    )


def test_all_files_have_the_same_columns(channel: ChannelConfig) -> None:
    (channel.path / "part-1.csv").write_text("\n1,6\n")
    with pytest.raises(
        ClientError, match=r"The rows have 1 features, those of the files before have 2 \(.*part-1.csv, row 2\)"
    ):
        read_channel(channel)


def test_all_files_have_the_columns_of_the_schema(channel: ChannelConfig) -> None:
    (channel.path / "part-0.csv").write_text("y,a,b\n1,x,3\n0,z,5\n")
    (channel.path / "part-1.csv").write_text("\n1,x\n")
    where = r"The rows have 1 features, and the schema has 2 columns \(.*part-1.csv, row 2\)"
    settings = TextSettings(("auto",))
    with pytest.raises(ClientError, match=where):
        ChannelReader(channel).learn_schema(settings)
    reader = ChannelReader(replace(channel, path=channel.path / "part-0.csv"))
    options = Options(schema=reader.learn_schema(settings).schema())
    with pytest.raises(ClientError, match=where):
        read_channel(channel, options=options)


def test_gzip_files_are_unpacked_whatever_their_names(channel: ChannelConfig) -> None:
    for file in channel.path.iterdir():
        file.write_bytes(gzip.compress(file.read_bytes()))
    for content_type in ("text/csv", None):
        data = read_channel(ChannelConfig("train", channel.path, content_type))
        np.testing.assert_array_equal(data.features, [[2.5, 3], [4, 5], [6, 7]])
    assert data.where(1) == f"{channel.path}/part-0.csv, row 2"
    (channel.path / "part-2.csv").write_text("0,8,9\n")  # packed and plain files mix
    np.testing.assert_array_equal(read_channel(channel).labels, [1, 0, 1, 0])
    for file in channel.path.iterdir():
        file.write_bytes(gzip.compress(one_record(1, [2, 3]) * 2))
    assert len(read_channel(ChannelConfig("train", channel.path))) == 6


def test_a_gzip_file_that_is_cut_short_is_told_with_its_channel(channel: ChannelConfig) -> None:
    file = channel.path / "part-1.csv"
    file.write_bytes(gzip.compress(b"1,6,7\n" * 100)[:-8])
    for content_type in ("text/csv", "application/x-recordio-protobuf"):
        for other in {*channel.path.iterdir()} - {file}:
            other.write_bytes(b"" if content_type != "text/csv" else other.read_bytes())
        with pytest.raises(
            ClientError, match=r"Unable to read data channel 'train'\. The gzip file is cut short \(.*part-1.csv\)"
        ):
            read_channel(ChannelConfig("train", channel.path, content_type))
        with pytest.raises(ClientError, match=r"The gzip file is cut short"):
            read_channel(ChannelConfig("train", channel.path))


@pytest.mark.parametrize("headers", [("y,a,b\n", "y,a,b\n"), ("y,a,b\n", ""), ("", "target,a,b\n")])
def test_names_of_features_are_kept(channel: ChannelConfig, headers: tuple[str, str]) -> None:
    assert read_channel(channel).feature_names is None
    for name, header in zip(("part-0.csv", "part-1.csv"), headers, strict=True):
        file = channel.path / name
        file.write_text(header + file.read_text())
    data = read_channel(channel)
    assert data.feature_names == ("a", "b")
    np.testing.assert_array_equal(data.features, [[2.5, 3], [4, 5], [6, 7]])
    assert data.where(2) == f"{channel.path}/part-1.csv, row {2 if headers[1] else 1}"


def test_columns_that_go_by_their_numbers_beside_texts(channel: ChannelConfig) -> None:
    """The labels tell a header from a row, and a number that is a column's name may stand in a row."""
    (channel.path / "part-0.csv").write_text("label,0,1\nyes,red,3\nno,blue,0\nyes,red,1\n")
    (channel.path / "part-1.csv").write_text("no,blue,1\n")
    reader = ChannelReader(channel)
    reader.use_schema(reader.learn_schema(TextSettings(("auto",), text_labels=True)).schema())
    assert reader.schema is not None and reader.schema.classes == ("no", "yes")
    data, _ = reader.read()
    assert data.feature_names == ("0=blue", "0=red", "1")
    np.testing.assert_array_equal(data.labels, [1, 0, 1, 0])
    np.testing.assert_array_equal(data.features, [[0, 1, 3], [1, 0, 0], [0, 1, 1], [1, 0, 1]])


def test_a_file_may_be_a_header_alone(channel: ChannelConfig) -> None:
    for name in ("part-00.csv", "part-3.csv"):
        (channel.path / name).write_text("y,a,b\n")
    data = read_channel(channel)
    assert (len(data), data.feature_names) == (3, ("a", "b"))
    assert data.where(2) == f"{channel.path}/part-1.csv, row 1"
    for name in ("part-0.csv", "part-1.csv"):
        (channel.path / name).unlink()
    with pytest.raises(ClientError, match="Channel 'train' has no rows"):
        read_channel(channel)
    (channel.path / "part-1.csv").write_text("1,2\n")
    with pytest.raises(ClientError, match="The rows have 1 features, those of the files before have 2"):
        read_channel(channel)


def test_all_headers_give_the_same_names(channel: ChannelConfig) -> None:
    first, second = channel.path / "part-0.csv", channel.path / "part-1.csv"
    first.write_text("y,a,b\n" + first.read_text())
    second.write_text("y,b,a\n1,2,3\n")
    with pytest.raises(ClientError) as raised:
        read_channel(channel)
    assert str(raised.value) == (
        "Unable to read data channel 'train'. Its headers differ from file to file: feature 1 is 'a' in the one and "
        f"'b' in the other ({first}; {second}). Please give all files of a channel the same columns in the same order"
    )


@pytest.mark.parametrize("threads", [1, 3])
def test_the_number_of_threads_changes_nothing(
    channel: ChannelConfig, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_reader, "cpu_count", lambda: threads)
    table = np.random.default_rng(0).standard_normal((60_000, 3)).astype(np.float32)
    for name, rows in (("part-0.csv", table[:50_000]), ("part-1.csv", table[50_000:])):
        (channel.path / name).write_text("".join(f"{row[0]!r},{row[1]!r}, {row[2]!r}\n" for row in rows.tolist()))
    data = read_channel(channel)
    np.testing.assert_array_equal(data.features, table[:, 1:])
    np.testing.assert_array_equal(data.labels, table[:, 0])
    assert data.where(49_999) == f"{channel.path}/part-0.csv, row 50000"
    assert data.where(50_000) == f"{channel.path}/part-1.csv, row 1"
    assert len(data.segments) == 2


def test_a_large_channel_is_in_memory_once(channel: ChannelConfig) -> None:
    row = one_record(1, [0.5] * 25)
    for file in channel.path.iterdir():
        file.write_bytes(row * 80_000)
    unnamed = ChannelConfig("train", channel.path)
    tracemalloc.start()
    data = read_channel(unnamed)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(data) == 160_000
    # 16 MB of features; blocks of 1 MiB and what is decoded of them come on top.
    assert peak < 1.1 * data.features.nbytes + (6 << 20)


def sparse_record(label: float, keys: list[int], values: list[float], columns: int) -> bytes:
    message = record(values, label)
    message.features["values"].float32_tensor.keys.extend(keys)
    message.features["values"].float32_tensor.shape.append(columns)
    return file_of(message)


def test_sparse_rows_of_all_files_make_one_data_set(channel: ChannelConfig) -> None:
    for file in channel.path.iterdir():
        file.unlink()
    (channel.path / "part-0").write_bytes(sparse_record(1, [4, 0], [2.5, 1], 6) + sparse_record(0, [], [], 6))
    (channel.path / "part-1").write_bytes(sparse_record(1, [5], [7], 6))
    data = read_channel(replace(channel, content_type="application/x-recordio-protobuf"))
    assert isinstance(data.features, CsrMatrix)
    assert data.feature_dim == 6
    np.testing.assert_array_equal(data.features.toarray(), [[1, 0, 0, 0, 2.5, 0], [0] * 6, [0, 0, 0, 0, 0, 7]])
    np.testing.assert_array_equal(data.labels, [1, 0, 1])
    assert data.where(2).endswith("part-1, row 1")


@pytest.mark.parametrize("sparse_first", [True, False])
def test_files_of_a_channel_are_all_sparse_or_all_dense(channel: ChannelConfig, sparse_first: bool) -> None:
    for file in channel.path.iterdir():
        file.unlink()
    contents = [sparse_record(1, [0], [1], 2), one_record(1, [1, 2])]
    for i, content in enumerate(contents if sparse_first else contents[::-1]):
        (channel.path / f"part-{i}").write_bytes(content)
    expected = "rows are dense, those of the files before are sparse" if sparse_first else "rows are sparse, those of"
    with pytest.raises(ClientError, match=rf"data channel 'train'.*{expected}.*part-1, row 1\)"):
        read_channel(replace(channel, content_type="application/x-recordio-protobuf"))


@pytest.fixture(params=["dense", "sparse"])
def records(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ChannelConfig:
    """Five files of a thousand rows each, of which the first feature numbers them; read by three threads, in blocks of
    some fifty rows."""
    monkeypatch.setattr(channel_reader, "cpu_count", lambda: 3)
    decode = partial(recordio_protobuf.decode, block_size=3000)
    monkeypatch.setattr(channel_reader, "decoder_for", lambda *_, **__: decode)
    folder = tmp_path / "records"
    folder.mkdir()
    for part in range(5):
        numbers = range(1000 * part, 1000 * part + 1000)
        if request.param == "dense":
            rows = [one_record(i, [i, 1, 2]) for i in numbers]
        else:
            rows = [sparse_record(i, [0, 5, 9][: 1 + i % 3], [i, 1, 2][: 1 + i % 3], 12) for i in numbers]
        (folder / f"part-{part}").write_bytes(b"".join(rows))
    return ChannelConfig("train", folder, "application/x-recordio-protobuf")


def first_features(features: Rows) -> list[float]:
    dense = features.toarray() if isinstance(features, CsrMatrix) else features
    return [float(number) for number in dense[:, 0]]


@pytest.mark.parametrize("part", [None, Part(1, 3)])
def test_records_are_decoded_where_they_stay(
    records: ChannelConfig, part: Part | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Into no other memory than that of the data set; but not where it keeps a part of them."""
    asked_for = set()
    array = Room.array

    def noted(room: Room, size: int, dtype: type) -> np.ndarray:
        asked_for.add(dtype)
        return array(room, size, dtype)

    monkeypatch.setattr(Room, "array", noted)
    data = read_channel(replace(records, part=part))
    assert first_features(data.features) == data.labels.tolist()
    if part is None:
        assert data.labels.tolist() == list(range(5000)) and asked_for == {np.uint8}
    else:
        assert 1500 < len(data) < 1800 and np.float32 in asked_for


def test_what_follows_the_rows_that_fit_lies_behind_them(records: ChannelConfig) -> None:
    whole = read_channel(records).features.nbytes
    for limit in (1, whole // 3, whole // 2):
        data, rest = ChannelReader(records).read(limit)
        assert rest is not None
        head = first_features(data.features)
        following = [number for batch in rest for number in first_features(batch.features)]
        assert head + following == list(range(5000))
        assert first_features(data.features) == head


def test_records_whose_number_is_not_known_ahead_follow_those_at_their_place(records: ChannelConfig) -> None:
    """They are in files that unpack to more than their size."""
    for part in (1, 3):
        file = records.path / f"part-{part}"
        file.write_bytes(gzip.compress(file.read_bytes()))
    assert first_features(read_channel(records).features) == list(range(5000))
