"""What the platform hands a job, read from folders as the service, the SDK's local mode and people lay them out."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from linear_learner.environment import (
    DEFAULT_BASE,
    ChannelConfig,
    Environment,
    available_memory,
    cgroup_cpu_quota,
    cpu_count,
    failure_text,
    total_memory,
)
from linear_learner.errors import AlgorithmError, ClientError, PlatformError


@pytest.fixture
def env(tmp_path: Path) -> Environment:
    (tmp_path / "input/config").mkdir(parents=True)
    return Environment(tmp_path)


def write(env: Environment, name: str, content: object) -> Path:
    file = env.base / "input/config" / f"{name}.json"
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return file


def make_channel(env: Environment, name: str) -> Path:
    folder = env.base / "input/data" / name
    folder.mkdir(parents=True)
    return folder


class TestTheFolder:
    def test_is_opt_ml_unless_another_is_named(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("TRAINING_JOB_NAME", raising=False)
        assert Environment.from_environ() == Environment(Path("/opt/ml"))
        assert Path("/opt/ml") == DEFAULT_BASE
        assert Environment.from_environ(tmp_path) == Environment(tmp_path)

    def test_has_the_places_of_the_service(self) -> None:
        env = Environment(Path("/opt/ml"))
        assert [str(path) for path in (env.hyperparameters_file, env.data_dir, env.model_dir)] == [
            "/opt/ml/input/config/hyperparameters.json", "/opt/ml/input/data", "/opt/ml/model"
        ]  # fmt: skip
        assert str(env.output_data_dir) == "/opt/ml/output/data"
        assert str(env.failure_file) == "/opt/ml/output/failure"

    @pytest.mark.parametrize(("value", "name"), [("a-job", "a-job"), ("", None)])
    def test_belongs_to_a_job_of_the_platform_where_that_has_a_name(
        self, monkeypatch: pytest.MonkeyPatch, value: str, name: str | None
    ) -> None:
        monkeypatch.setenv("TRAINING_JOB_NAME", value)
        assert Environment.from_environ().job_name == name


class TestHyperparameters:
    def test_are_given_as_they_are_written(self, env: Environment) -> None:
        write(env, "hyperparameters", {"epochs": "3", "use_bias": True})
        assert env.hyperparameters() == {"epochs": "3", "use_bias": True}

    def test_may_begin_with_a_byte_order_mark(self, env: Environment) -> None:
        write(env, "hyperparameters", b'\xef\xbb\xbf{"epochs": "3"}')
        assert env.hyperparameters() == {"epochs": "3"}

    def test_that_are_missing_are_told_with_the_way_to_name_their_folder(self, env: Environment) -> None:
        with pytest.raises(ClientError, match=r"File not found \(.*hyperparameters\.json\)\. Name .* --base"):
            env.hyperparameters()

    def test_a_folder_in_their_place_is_dockers(self, env: Environment) -> None:
        (env.base / "input/config/hyperparameters.json").mkdir()
        with pytest.raises(ClientError, match=r"A folder stands where a file should \(.*hyperparameters\.json\)"):
            env.hyperparameters()

    @pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe{}", b"{'epochs': 3}", b"[" * 100_000])
    def test_that_are_no_json_are_told(self, env: Environment, content: bytes) -> None:
        write(env, "hyperparameters", content)
        with pytest.raises(ClientError, match=r"Not a JSON document: .*hyperparameters\.json"):
            env.hyperparameters()

    @pytest.mark.parametrize("content", [[], "epochs", 3, None])
    def test_that_are_no_object_are_told(self, env: Environment, content: object) -> None:
        write(env, "hyperparameters", content)
        with pytest.raises(ClientError, match=r"Not a JSON object \(.*hyperparameters\.json\)"):
            env.hyperparameters()


class TestChannels:
    def test_are_those_of_the_config(self, env: Environment) -> None:
        make_channel(env, "unasked")
        write(
            env,
            "inputdataconfig",
            {
                "train": {
                    "ContentType": "text/csv",
                    "TrainingInputMode": "FastFile",
                    "S3DistributionType": "ShardedByS3Key",
                    "RecordWrapperType": "None",
                },
                "test": {"TrainingInputMode": "Pipe", "RecordWrapperType": "RecordIO"},
            },
        )
        data = env.base / "input/data"
        assert env.channels() == {
            "train": ChannelConfig("train", data / "train", "text/csv", "FastFile", is_sharded=True),
            "test": ChannelConfig("test", data / "test", None, "Pipe", is_wrapped=True),
        }

    def test_need_no_key_at_all(self, env: Environment) -> None:
        """The SDK's local mode leaves keys out; null is no value either."""
        write(env, "inputdataconfig", {"train": {}, "test": {"ContentType": None, "TrainingInputMode": None}})
        assert [(c.content_type, c.input_mode) for c in env.channels().values()] == [(None, "File")] * 2

    def test_are_the_folders_where_there_is_no_config(self, env: Environment) -> None:
        folders = {name: make_channel(env, name) for name in ("validation", "train")}
        (env.base / "input/data/notes.txt").write_text("")
        assert env.channels() == {
            "train": ChannelConfig("train", folders["train"]),
            "validation": ChannelConfig("validation", folders["validation"]),
        }

    def test_are_none_where_there_is_nothing(self, env: Environment) -> None:
        assert env.channels() == {}

    @pytest.mark.parametrize("config", ["text/csv", ["text/csv"], None])
    def test_are_objects(self, env: Environment, config: object) -> None:
        write(env, "inputdataconfig", {"train": config})
        with pytest.raises(ClientError, match=r"'train' is not described by a JSON object \(.*inputdataconfig\.json"):
            env.channels()

    @pytest.mark.parametrize("content_type", [5, True, ["text/csv"], {"type": "text/csv"}])
    def test_have_a_content_type_that_is_a_string(self, env: Environment, content_type: object) -> None:
        write(env, "inputdataconfig", {"train": {"ContentType": content_type}})
        with pytest.raises(ClientError, match=r"^ContentType .* of channel 'train' is not a string \(.*config\.json"):
            env.channels()

    @pytest.mark.parametrize("mode", ["pipe", "Stream", 3])
    def test_have_an_input_mode_of_the_service(self, env: Environment, mode: object) -> None:
        write(env, "inputdataconfig", {"train": {"TrainingInputMode": mode}})
        with pytest.raises(ClientError, match=r"of channel 'train' is not known.*Use one of: File, FastFile, Pipe"):
            env.channels()

    def test_have_a_record_wrapper_of_the_service(self, env: Environment) -> None:
        write(env, "inputdataconfig", {"train": {"RecordWrapperType": "recordio"}})
        with pytest.raises(ClientError, match=r"recordio. of channel 'train' is not known.*one of: None, RecordIO"):
            env.channels()


class TestHosts:
    def test_are_one_without_a_config(self, env: Environment) -> None:
        assert env.hosts() == ("algo-1", ["algo-1"])

    def test_are_those_of_the_config(self, env: Environment) -> None:
        config = {"current_host": "algo-2-x", "hosts": ["algo-1-x", "algo-2-x"], "network_interface_name": "ethwe"}
        write(env, "resourceconfig", config)
        assert env.hosts() == ("algo-2-x", ["algo-1-x", "algo-2-x"])

    def test_may_be_left_out(self, env: Environment) -> None:
        write(env, "resourceconfig", {"current_host": "me"})
        assert env.hosts() == ("me", ["me"])

    @pytest.mark.parametrize(
        "config",
        [
            {"hosts": "algo-1"},
            {"hosts": None},
            {"hosts": []},
            {"hosts": ["algo-1", 2]},
            {"current_host": 5},
            {"current_host": ""},
            {"current_host": "../algo-1"},
            {"current_host": "algo-\ud83d"},
        ],
    )
    def test_have_names_that_a_file_can_bear(self, env: Environment, config: object) -> None:
        write(env, "resourceconfig", config)
        with pytest.raises(ClientError, match=r"current_host or hosts .*resourceconfig\.json.*Write \{"):
            env.hosts()

    @pytest.mark.parametrize("hosts", [["algo-2"], ["algo-2", "algo-3"], ["algo-1", "algo-1"]])
    def test_are_this_one_and_others(self, env: Environment, hosts: list[str]) -> None:
        write(env, "resourceconfig", {"current_host": "algo-1", "hosts": hosts})
        with pytest.raises(ClientError, match=r"current_host 'algo-1' is not one of hosts, .*List every host once"):
            env.hosts()


class TestFailure:
    def test_is_written_with_the_message_first(self, env: Environment) -> None:
        error = ClientError("what", where="where", fix="how")
        env.write_failure(error)
        assert env.failure_file.read_text(encoding="utf-8") == "Customer Error: what (where). How"

    def test_replaces_an_earlier_one(self, env: Environment) -> None:
        env.write_failure(ClientError("a long story about an earlier job"))
        env.write_failure(PlatformError("disk full"))
        assert env.failure_file.read_text() == "Platform Error: disk full"

    def test_is_forgotten(self, env: Environment) -> None:
        env.forget_failure()
        env.write_failure(ClientError("what"))
        env.forget_failure()
        assert not env.failure_file.exists()

    def test_survives_any_character(self, env: Environment) -> None:
        env.write_failure(ClientError("label 'ü\N{SNOWMAN}' is no number"))
        assert "ü\N{SNOWMAN}" in env.failure_file.read_text(encoding="utf-8")
        # Of a file's name that is not UTF-8, and half a character from JSON.
        env.write_failure(ClientError("no number", where="gr\udcf6\udcdfe.csv, '\ud83d'"))
        assert r"gr\udcf6\udcdfe.csv, '\ud83d'" in env.failure_file.read_text(encoding="utf-8")

    @pytest.mark.parametrize(
        ("error", "text"),
        [
            (AlgorithmError("a bug"), "Algorithm Error: a bug"),
            (ValueError("a bug"), "Algorithm Error: a bug (caused by ValueError)\n\nCaused by: a bug"),
            (KeyError(), "Algorithm Error: KeyError (caused by KeyError)\n\nCaused by: "),
        ],
    )
    def test_of_a_bug_names_its_kind(self, error: Exception, text: str) -> None:
        assert failure_text(error) == text

    def test_tells_what_caused_it(self) -> None:
        try:
            try:
                raise OSError("no space left")
            except OSError as cause:
                raise PlatformError("The model could not be written") from cause
        except PlatformError as error:
            text = failure_text(error)
        assert text == (
            "Platform Error: The model could not be written (caused by OSError)\n\nCaused by: no space left"
        )


class TestCpus:
    @pytest.fixture(autouse=True)
    def machine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Eight processors for this process, and no limit."""
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
        monkeypatch.setattr("linear_learner.environment.cgroup_cpu_quota", lambda root: None)
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

    def test_are_those_of_the_process(self) -> None:
        assert cpu_count() == 8

    @pytest.mark.parametrize(("quota", "cpus"), [(0.5, 1), (2.0, 2), (2.5, 3), (16.0, 8)])
    def test_are_no_more_than_a_container_may_use(
        self, monkeypatch: pytest.MonkeyPatch, quota: float, cpus: int
    ) -> None:
        monkeypatch.setattr("linear_learner.environment.cgroup_cpu_quota", lambda root: quota)
        assert cpu_count() == cpus

    @pytest.mark.parametrize(
        ("value", "cpus"), [("3", 3), (" 3 ", 3), ("4,2", 4), ("16", 8), ("0", 1), ("", 8), ("many", 8), ("-1", 8)]
    )
    def test_are_no_more_than_omp_num_threads(self, monkeypatch: pytest.MonkeyPatch, value: str, cpus: int) -> None:
        monkeypatch.setenv("OMP_NUM_THREADS", value)
        assert cpu_count() == cpus

    def test_are_counted_where_a_process_cannot_be_bound(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(os, "sched_getaffinity")
        monkeypatch.setattr(os, "cpu_count", lambda: None)
        assert cpu_count() == 1


class TestQuota:
    @pytest.mark.parametrize(
        ("text", "quota"), [("150000 100000\n", 1.5), ("max 100000\n", None), ("50000 0\n", None), ("\n", None)]
    )
    def test_of_version_2(self, tmp_path: Path, text: str, quota: float | None) -> None:
        (tmp_path / "cpu.max").write_text(text)
        assert cgroup_cpu_quota(tmp_path) == quota

    @pytest.mark.parametrize(("quota", "cpus"), [("200000\n", 2.0), ("-1\n", None)])
    def test_of_version_1(self, tmp_path: Path, quota: str, cpus: float | None) -> None:
        (tmp_path / "cpu").mkdir()
        (tmp_path / "cpu/cpu.cfs_quota_us").write_text(quota)
        (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
        assert cgroup_cpu_quota(tmp_path) == cpus

    def test_of_a_machine_without_control_groups(self, tmp_path: Path) -> None:
        assert cgroup_cpu_quota(tmp_path) is None


class TestTotalMemory:
    @pytest.mark.parametrize(
        ("files", "total"),
        [
            ({}, 2_048_000),
            ({"memory.max": "900000\n"}, 900_000),
            ({"memory.max": "max\n"}, 2_048_000),
            ({"memory/memory.limit_in_bytes": "800000\n"}, 800_000),
            ({"memory/memory.limit_in_bytes": "9223372036854771712\n"}, 2_048_000),  # how it says that there is none
        ],
    )
    def test_is_the_limit_of_the_container_or_the_machine(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], total: int
    ) -> None:
        monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 500}.__getitem__)
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        assert total_memory(tmp_path) == total


class TestAvailableMemory:
    MEMINFO = "MemTotal:       2000 kB\nMemAvailable:   1000 kB\nBuffers: 3 kB\n"

    def available(self, tmp_path: Path, files: dict[str, str], meminfo: str | None = MEMINFO) -> int | None:
        for name, text in files.items():
            (tmp_path / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "cgroup" / name).write_text(text)
        if meminfo is not None:
            (tmp_path / "meminfo").write_text(meminfo)
        return available_memory(tmp_path / "cgroup", tmp_path / "meminfo")

    def test_is_what_the_machine_has_left(self, tmp_path: Path) -> None:
        assert self.available(tmp_path, {}) == 1000 * 1024

    def test_is_less_where_the_control_group_leaves_less(self, tmp_path: Path) -> None:
        """The page cache of files that nobody reads any more is free."""
        files = {"memory.max": "900000", "memory.current": "800000", "memory.stat": "anon 5\ninactive_file 300000\n"}
        assert self.available(tmp_path, files) == 400_000

    def test_knows_the_first_version_of_control_groups(self, tmp_path: Path) -> None:
        files = {
            "memory/memory.limit_in_bytes": "900000",
            "memory/memory.usage_in_bytes": "800000",
            "memory/memory.stat": "inactive_file 1\ntotal_inactive_file 200000\n",
        }
        assert self.available(tmp_path, files) == 300_000

    def test_a_control_group_without_a_limit_says_nothing(self, tmp_path: Path) -> None:
        files = {"memory.max": "max", "memory.current": "800000", "memory.stat": "inactive_file 300000\n"}
        assert self.available(tmp_path, files) == 1000 * 1024

    def test_is_never_less_than_nothing(self, tmp_path: Path) -> None:
        files = {"memory.max": "9", "memory.current": "800", "memory.stat": "inactive_file 3\n"}
        assert self.available(tmp_path, files) == 0

    def test_may_be_unknown(self, tmp_path: Path) -> None:
        assert self.available(tmp_path, {}, meminfo=None) is None
        assert self.available(tmp_path, {}, meminfo="MemTotal: 3 kB\n") is None


class TestCheckpoints:
    @pytest.mark.parametrize(("local", "told"), [
        ("/opt/ml/model/x/y", "model/x/y"), (None, "checkpoints"), ("/opt/ml/file", None), ("/opt/ml/file/in", None),
        ("/opt/ml/nowhere", None), ("/opt/ml/nowhere/in", None), ("/opt/ml/elsewhere/in", "elsewhere/in"),
    ])  # fmt: skip
    def test_are_where_a_folder_is_or_can_be(self, env: Environment, local: str | None, told: str | None) -> None:
        (env.base / "file").touch()
        (env.base / "nowhere").symlink_to("not there")
        (env.base / "elsewhere").symlink_to(".")
        write(env, "checkpointconfig", {} if local is None else {"LocalPath": local})
        if told is not None:
            assert env.checkpoint_dir() == env.base / told
        else:
            what = "is a link that leads to no folder" if "nowhere" in str(local) else "is no folder"
            with pytest.raises(ClientError, match=rf"cannot be made: \S* {what} \(LocalPath of .*config.json\)"):
                env.checkpoint_dir()


def test_what_lies_below_a_folder_that_may_not_be_looked_into_cannot_be_written_to(
    env: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = env.base / "closed"
    checkpoints = closed / "in/checkpoints"
    write(env, "checkpointconfig", {"LocalPath": str(checkpoints)})
    exists = Path.exists

    def look(path: Path) -> bool:
        if closed in path.parents:
            raise PermissionError
        return exists(path)

    def access(path: Path, mode: int) -> bool:
        return closed not in path.parents and exists(path) and (path != closed or mode == os.F_OK)

    closed.mkdir()
    monkeypatch.setattr(Path, "exists", look)
    monkeypatch.setattr("linear_learner.environment.os.access", access)
    assert env.unwritable_folders() == [checkpoints]


def test_a_folder_that_may_be_written_to_but_not_entered_takes_no_files(
    env: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("linear_learner.environment.os.access", lambda path, mode: not mode & os.X_OK)
    assert env.unwritable_folders() == [env.model_dir, env.failure_file.parent]
