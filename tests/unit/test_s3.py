"""Objects of S3 read as files, from a server that answers as S3 does."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import threading
import urllib.request
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linear_learner import aws, s3
from linear_learner.data.channel_reader import ChannelReader
from linear_learner.data.dataset import Dataset
from linear_learner.environment import ChannelConfig, Environment
from linear_learner.errors import ClientError, PlatformError
from linear_learner.s3 import S3Path

BUCKET = "a-bucket"


def read_channel(channel: ChannelConfig, **given: Any) -> Dataset:
    return ChannelReader(channel, **given).read()[0]


def put(account: Any, key: str, content: bytes) -> S3Path:
    account.put_object(Bucket=BUCKET, Key=key, Body=content)
    return S3Path.parse(f"s3://{BUCKET}/{key}")


class Relay:
    """Hands requests on to the server, and the answers back; of the next ``cut`` bodies that GET asks for only half."""

    def __init__(self, server: str, cut: int) -> None:
        self.cut = cut
        relay = self

        class Handler(BaseHTTPRequestHandler):
            def handle_one(self) -> None:
                request = urllib.request.Request(server + self.path, headers=dict(self.headers), method=self.command)
                with urllib.request.urlopen(request) as answer:
                    body = answer.read()
                    self.send_response(answer.status)
                    for name, value in answer.headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                if self.command == "GET" and relay.cut:
                    relay.cut -= 1
                    body = body[: len(body) // 2]
                    self.close_connection = True
                self.wfile.write(body)

            do_GET = do_HEAD = handle_one  # noqa: N815 (the names that http.server calls)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Relay:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_a_path_is_local_unless_it_begins_with_the_scheme() -> None:
    assert s3.path("data/train") == Path("data/train") and not isinstance(s3.path("data/train"), S3Path)
    place = s3.path("s3://my-bucket/jobs/one/")
    assert isinstance(place, S3Path)
    assert (place.bucket, place.key, str(place)) == ("my-bucket", "jobs/one", "s3://my-bucket/jobs/one")


def test_parts_are_put_together_as_those_of_a_path() -> None:
    place = s3.path("s3://my-bucket/jobs") / "one" / "input/data"
    assert str(place) == "s3://my-bucket/jobs/one/input/data"
    assert str(place.parent) == "s3://my-bucket/jobs/one/input"
    assert (place.name, str(place.with_name("x"))) == ("data", "s3://my-bucket/jobs/one/input/x")
    assert place.relative_to(s3.path("s3://my-bucket/jobs")).parts == ("one", "input", "data")
    assert pickle.loads(pickle.dumps(place)) == place


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("s3://", r"is not an address in S3\. Write s3://bucket/key"),
        ("s3:///key", r"is not an address in S3\. Write s3://bucket/key"),
        ("s3://Bucket/key", r"'Bucket' is not the name of a bucket \(s3://Bucket/key\)\. Names have 3 to 63"),
        ("s3://b/key", r"'b' is not the name of a bucket"),
        ("s3://my_bucket/key", r"'my_bucket' is not the name of a bucket"),
    ],
)
def test_an_address_without_a_bucket_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ClientError, match=problem):
        s3.path(text)


@pytest.mark.parametrize("key", ["a//b", "a/../b", "./b", "/a"])
def test_an_address_that_a_path_would_read_otherwise_is_refused(key: str) -> None:
    with pytest.raises(ClientError, match="empty or only dots"):
        s3.path(f"s3://my-bucket/{key}")


def test_what_would_touch_the_disk_fails_and_says_so(tmp_path: Path) -> None:
    place = s3.path("s3://my-bucket/jobs/one")
    for use in (os.stat, os.fspath, lambda p: p.mkdir(), lambda p: p.unlink(), lambda p: p.open("wb"), open):
        with pytest.raises(ClientError, match=r"cannot be used here \(s3://my-bucket/jobs/one\)\. Give a local path"):
            use(place)


def test_files_and_folders_are_told_apart(account: Any) -> None:
    file = put(account, "jobs/one/part-0.csv", b"1,2\n")
    root = S3Path.parse(f"s3://{BUCKET}")
    assert file.is_file() and not file.is_dir() and file.exists() and file.stat().st_size == 4
    for folder in (root, root / "jobs", root / "jobs/one"):
        assert folder.is_dir() and not folder.is_file() and folder.exists()
    for nothing in (root / "jobs/on", root / "jobs/one/part-0"):
        assert not nothing.exists()
        with pytest.raises(FileNotFoundError, match="no such object"):
            nothing.open("rb")


def test_a_folder_lists_what_is_directly_below_it_however_many(
    fresh_clients: None, account: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.put_object(Bucket=BUCKET, Key="data/", Body=b"")
    for number in range(7):
        put(account, f"data/part-{number}", b"x" * number)
    put(account, "data/more/part-0", b"")
    place = S3Path.parse(f"s3://{BUCKET}/data")
    calls = []
    account.meta.events.register("before-call.s3.*", lambda model, **_: calls.append(model.name))
    monkeypatch.setattr(place, "_pages", lambda **options: S3Path._pages(place, **options, MaxKeys=3))
    found = {child.name: child for child in place.iterdir()}
    assert sorted(found) == ["more", *(f"part-{number}" for number in range(7))]
    assert found["more"].is_dir() and found["part-5"].is_file() and found["part-5"].stat().st_size == 5
    assert [child.name for child in place.glob("m*")] == ["more"]
    assert calls.count("ListObjectsV2") >= 3 and "HeadObject" not in calls


@pytest.mark.parametrize("size", [0, 1, s3.SMALLEST_RANGE, s3.SMALLEST_RANGE + 1, 1_000_003])
def test_an_object_is_read_from_its_beginning_to_its_end(account: Any, size: int) -> None:
    content = np.random.default_rng(0).bytes(size)
    place = put(account, "object", content)
    with place.open("rb") as file:
        assert b"".join(iter(lambda: file.read(70_001), b"")) == content
    assert place.read_bytes() == content


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(steps=st.lists(st.tuples(st.integers(0, 1100), st.integers(0, 300), st.sampled_from(["set", "cur", "end"]))))
def test_an_object_is_read_as_bytes_in_memory_are(account: Any, steps: list[tuple[int, int, str]]) -> None:
    content = np.random.default_rng(1).bytes(1000)
    expected = io.BytesIO(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(s3, "SMALLEST_RANGE", 16)
        patch.setattr(s3, "LARGEST_RANGE", 64)
        with put(account, "object", content).open("rb") as file:
            for offset, size, how in steps:
                if how == "set":
                    assert file.seek(offset) == expected.seek(offset)
                elif how == "end":
                    back = -min(offset, 1000)
                    assert file.seek(back, os.SEEK_END) == expected.seek(back, os.SEEK_END)
                assert file.read(size) == expected.read(size)
                assert file.tell() == expected.tell()


def test_ranges_grow_while_a_reader_goes_straight_on_and_no_further_than_their_limit(
    fresh_clients: None, account: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "SMALLEST_RANGE", 100)
    monkeypatch.setattr(s3, "LARGEST_RANGE", 400)
    place = put(account, "object", bytes(2000))
    asked = []
    account.meta.events.register(
        "before-parameter-build.s3.GetObject", lambda params, **_: asked.append(params["Range"])
    )
    with place.open("rb") as file:
        while file.read(50):
            pass
    sizes = [int(end) - int(start) + 1 for start, _, end in (text[6:].partition("-") for text in asked)]
    assert sum(sizes) == 2000 and max(sizes) == 400 and sizes[0] == 100


@pytest.mark.parametrize("now", [bytes(2 * s3.SMALLEST_RANGE - 1) + b"x", b"shorter", b""], ids=len)
def test_an_object_that_is_written_anew_while_it_is_read_is_told(account: Any, now: bytes) -> None:
    place = put(account, "object", bytes(2 * s3.SMALLEST_RANGE))
    with place.open("rb") as file:
        file.read(10)
        put(account, "object", now)
        with pytest.raises(ClientError, match="written anew while it was read"):
            file.read()


def test_a_channel_is_read_as_from_the_disk(account: Any, tmp_path: Path) -> None:
    rows = np.random.default_rng(2).normal(size=(500, 3)).round(3)
    lines = [f"{i % 2},{','.join(map(str, row))}\n".encode() for i, row in enumerate(rows)]
    files = {"part-2.csv": b"".join(lines[:200]), "part-10.csv.gz": gzip.compress(b"".join(lines[200:]))}
    for name, content in {**files, "_SUCCESS": b"", "sub/.hidden": b"nothing"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert s3.upload(tmp_path, S3Path.parse(f"s3://{BUCKET}/train")) == 4
    local = read_channel(ChannelConfig("train", tmp_path))
    remote = read_channel(ChannelConfig("train", S3Path.parse(f"s3://{BUCKET}/train")))
    assert np.array_equal(local.features, remote.features) and np.array_equal(local.labels, remote.labels)


def test_a_wrong_row_is_told_with_the_address_of_its_object(account: Any) -> None:
    put(account, "train/part-0.csv", b"0,1\n1,x\n")
    with pytest.raises(ClientError, match=rf"s3://{BUCKET}/train/part-0.csv.*row 2.*value 'x'"):
        read_channel(ChannelConfig("train", S3Path.parse(f"s3://{BUCKET}/train")))


def test_the_folder_of_a_job_is_read(account: Any) -> None:
    put(account, "job/input/config/hyperparameters.json", b'{"epochs": "3"}')
    put(account, "job/input/data/train/part-0", b"")
    env = Environment(S3Path.parse(f"s3://{BUCKET}/job"))
    assert env.hyperparameters() == {"epochs": "3"}
    assert list(env.channels()) == ["train"] and env.hosts() == ("algo-1", ["algo-1"])
    with pytest.raises(ClientError, match=f"File not found .s3://{BUCKET}/none/input/config/hyperparameters.json"):
        Environment(S3Path.parse(f"s3://{BUCKET}/none")).hyperparameters()


def test_a_zip_is_read_in_place(account: Any) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a", b"1" * 1000)
    with put(account, "model_algo-1", packed.getvalue()).open("rb") as file, zipfile.ZipFile(file) as archive:
        assert archive.read("a") == b"1" * 1000


def test_a_bucket_that_is_not_there_is_told(account: Any) -> None:
    with pytest.raises(ClientError, match=r"NoSuchBucket\] \(s3://no-such-bucket/a\)\. Check the name"):
        list(s3.path("s3://no-such-bucket/a").iterdir())


def test_a_file_that_cannot_be_uploaded_is_told_as_aws_says_it(account: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(ClientError, match=r"NoSuchBucket\] \(s3://no-such-bucket/file\)"):
        s3.upload(tmp_path, S3Path.parse("s3://no-such-bucket"))


def test_missing_credentials_are_told(fresh_clients: None, account: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    aws.client.cache_clear()
    with pytest.raises(ClientError, match=r"AWS credentials are missing.*Run 'aws configure'"):
        s3.path(f"s3://{BUCKET}/a").is_file()


def test_a_server_that_is_not_there_is_told(fresh_clients: None, account: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    aws.client.cache_clear()
    with pytest.raises(PlatformError, match=r"AWS cannot be reached.*Check the network"):
        s3.path(f"s3://{BUCKET}/a").is_file()


def test_bytes_that_stop_coming_are_asked_for_again(
    fresh_clients: None, account: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relay between client and server cuts the first answers short."""
    content = np.random.default_rng(3).bytes(50_000)
    place = put(account, "object", content)
    with Relay(os.environ["AWS_ENDPOINT_URL"], cut=2) as relay:
        monkeypatch.setenv("AWS_ENDPOINT_URL", relay.address)
        monkeypatch.setattr(s3, "FIRST_PAUSE", 0.01)
        aws.client.cache_clear()
        assert place.read_bytes() == content
        assert relay.cut == 0
        relay.cut = s3.TRIES
        with pytest.raises(PlatformError, match="AWS cannot be reached"):
            place.read_bytes()


@pytest.mark.parametrize("size", [0, 10, 20 << 20])
def test_what_is_written_becomes_the_object(account: Any, size: int) -> None:
    """The largest goes in parts."""
    content = np.random.default_rng(4).bytes(size)
    place = S3Path.parse(f"s3://{BUCKET}/out")
    with s3.writing(place) as stream:
        for start in range(0, size, 1 << 20):
            stream.write(content[start : start + (1 << 20)])
        assert not place.exists()
    assert account.get_object(Bucket=BUCKET, Key="out")["Body"].read() == content


@pytest.mark.parametrize("size", [0, 10, 20 << 20])
def test_what_is_not_written_to_its_end_is_no_object(account: Any, size: int) -> None:
    place = S3Path.parse(f"s3://{BUCKET}/out")
    with pytest.raises(ZeroDivisionError), s3.writing(place) as stream:
        stream.write(bytes(size))
        raise ZeroDivisionError
    assert not place.exists()
    assert "Uploads" not in account.list_multipart_uploads(Bucket=BUCKET)


@pytest.mark.parametrize("size", [10, 20 << 20])
def test_what_cannot_be_written_is_told(account: Any, size: int) -> None:
    with (
        pytest.raises(ClientError, match=r"NoSuchBucket\] \(s3://no-such-bucket/out\)"),
        s3.writing(S3Path.parse("s3://no-such-bucket/out")) as stream,
    ):
        for _ in range(0, size, 10):
            stream.write(b"0123456789")


@pytest.mark.parametrize("key", ["a//b", "a/b//c/d.csv"])
def test_a_key_with_an_empty_part_is_told_and_not_walked_for_ever(account: Any, key: str) -> None:
    account.put_object(Bucket=BUCKET, Key=key, Body=b"0,1\n")
    with pytest.raises(ClientError, match="has a part that is empty or only dots"):
        read_channel(ChannelConfig("train", S3Path.parse(f"s3://{BUCKET}/a/"), "text/csv"))
