"""What the environment of serve decides."""

from __future__ import annotations

import pytest

from linear_learner.environment import cpu_count
from linear_learner.errors import ClientError
from linear_learner.serving.settings import Settings

MIB = 1024 * 1024


def of(**environ: str) -> Settings:
    return Settings.from_environ(environ)


def test_an_empty_environment_gives_an_endpoint_of_one_model() -> None:
    settings = of()
    assert settings.port == 8080
    assert settings.workers == cpu_count()
    assert settings.body_limit == 6 * MIB
    assert settings.default_accept == "application/json"
    assert not settings.multi_model
    assert (settings.batch_strategy, settings.payload_mib) == ("MULTI_RECORD", 6)
    assert settings.max_concurrent_transforms == min(cpu_count(), 16)


def test_models_may_take_half_of_the_memory_in_whole_mib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("linear_learner.serving.settings.total_memory", lambda: 2001 * MIB)
    assert of().models_memory == 1000 * MIB
    assert of(LINEAR_LEARNER_MODELS_MEMORY_IN_MB="7").models_memory == 7 * MIB


def test_the_port_is_that_of_the_command_line_then_of_the_environment() -> None:
    assert of(SAGEMAKER_BIND_TO_PORT="9000").port == 9000
    assert Settings.from_environ({"SAGEMAKER_BIND_TO_PORT": "9000"}, port=9001).port == 9001


def test_num_workers_overrides_the_cpus() -> None:
    assert of(NUM_WORKERS="7").workers == 7


def test_names_that_other_containers_have_for_the_same() -> None:
    assert of(SAGEMAKER_MODEL_SERVER_WORKERS="5").workers == 5
    assert of(SAGEMAKER_NUM_MODEL_WORKERS="6").workers == 6
    assert of(SAGEMAKER_NUM_MODEL_WORKERS="6", SAGEMAKER_MODEL_SERVER_WORKERS="5", NUM_WORKERS=" ").workers == 5
    assert of(NUM_WORKERS="7", SAGEMAKER_MODEL_SERVER_WORKERS="5").workers == 7
    assert of(SAGEMAKER_MAX_REQUEST_SIZE="1000").body_limit == 1000
    assert of(SAGEMAKER_MAX_REQUEST_SIZE="1000", MAX_CONTENT_LENGTH="2000").body_limit == 2000
    assert of(SAGEMAKER_MODEL_SERVER_TIMEOUT="90", SAGEMAKER_BATCH="true").request_seconds == 90
    assert of(SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS="80").request_seconds == 80


def test_max_content_length_is_the_limit_of_a_body() -> None:
    assert of(MAX_CONTENT_LENGTH="1000").body_limit == 1000
    assert of(MAX_CONTENT_LENGTH="1000", SAGEMAKER_BATCH="true").body_limit == 1000


@pytest.mark.parametrize("batch", ["true", "True", "TRUE"])
def test_batch_transform_sends_larger_bodies_and_waits_longer(batch: str) -> None:
    assert of(SAGEMAKER_BATCH=batch).body_limit == 100 * MIB
    assert of(SAGEMAKER_BATCH=batch, SAGEMAKER_MAX_PAYLOAD_IN_MB="20").body_limit == 20 * MIB
    # 0 asks for streams without a limit, which built-in algorithms do not take.
    assert of(SAGEMAKER_BATCH=batch, SAGEMAKER_MAX_PAYLOAD_IN_MB="0").body_limit == 100 * MIB
    assert of(SAGEMAKER_BATCH=batch).request_seconds > of().request_seconds


@pytest.mark.parametrize("batch", ["false", "", "no"])
def test_no_batch_transform(batch: str) -> None:
    assert of(SAGEMAKER_BATCH=batch).body_limit == 6 * MIB


def test_no_larger_payload_is_asked_for_than_is_taken() -> None:
    assert of(MAX_CONTENT_LENGTH=str(2 * MIB)).payload_mib == 2
    assert of(SAGEMAKER_BATCH="true", MAX_CONTENT_LENGTH=str(3 * MIB - 1)).payload_mib == 2
    assert of(MAX_CONTENT_LENGTH="10").payload_mib == 1
    assert of(MAX_CONTENT_LENGTH=str(50 * MIB)).payload_mib == 6
    assert of(SAGEMAKER_BATCH="true", SAGEMAKER_MAX_PAYLOAD_IN_MB="20").payload_mib == 20


def test_payload_times_concurrency_stays_within_100_mb() -> None:
    batch = {"NUM_WORKERS": "8", "SAGEMAKER_BATCH": "true"}
    assert of(**batch, SAGEMAKER_MAX_PAYLOAD_IN_MB="30").max_concurrent_transforms == 3
    assert of(**batch, SAGEMAKER_MAX_PAYLOAD_IN_MB="200").max_concurrent_transforms == 1
    assert of(NUM_WORKERS="8").max_concurrent_transforms == 8
    assert of(NUM_WORKERS="8", SAGEMAKER_MAX_CONCURRENT_TRANSFORMS="2").max_concurrent_transforms == 2


@pytest.mark.parametrize(
    ("environ", "strategy"),
    [
        ({}, "MULTI_RECORD"),
        ({"SAGEMAKER_BATCH": "true"}, "MULTI_RECORD"),
        ({"SAGEMAKER_BATCH": "true", "SAGEMAKER_BATCH_STRATEGY": "SINGLE_RECORD"}, "SINGLE_RECORD"),
        # The SDK's local mode knows these spellings only.
        ({"SAGEMAKER_BATCH": "True"}, "MultiRecord"),
        ({"SAGEMAKER_BATCH": "True", "SAGEMAKER_BATCH_STRATEGY": "SINGLE_RECORD"}, "SingleRecord"),
        ({"SAGEMAKER_BATCH": "True", "SAGEMAKER_BATCH_STRATEGY": "MultiRecord"}, "MultiRecord"),
    ],
)
def test_the_batch_strategy_is_spelt_as_the_asker_does(environ: dict[str, str], strategy: str) -> None:
    assert of(**environ).batch_strategy == strategy


def test_a_batch_strategy_that_nobody_knows_is_refused() -> None:
    with pytest.raises(
        ClientError, match=r"SAGEMAKER_BATCH_STRATEGY is 'both'.*Use one of: MULTI_RECORD, SINGLE_RECORD"
    ):
        of(SAGEMAKER_BATCH_STRATEGY="both")


def test_the_default_accept() -> None:
    assert of(SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT=" Text/CSV ").default_accept == "text/csv"


def test_outputs() -> None:
    assert of(SAGEMAKER_INFERENCE_OUTPUT="predicted_label, probabilities").outputs == (
        "predicted_label",
        "probabilities",
    )


def test_multi_model() -> None:
    assert of(SAGEMAKER_MULTI_MODEL="true").multi_model
    assert not of(SAGEMAKER_MULTI_MODEL="false").multi_model


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "SAGEMAKER_BIND_TO_PORT",
            "http",
            "SAGEMAKER_BIND_TO_PORT is 'http' .environment.. Set it to an integer from 1 to",
        ),
        ("SAGEMAKER_BIND_TO_PORT", "65536", "an integer from 1 to 65535"),
        ("SAGEMAKER_BIND_TO_PORT", "0", "an integer from 1 to 65535"),
        ("NUM_WORKERS", "0", "NUM_WORKERS is '0' .environment.. Set it to an integer from 1 to 1024$"),
        ("NUM_WORKERS", "100000000", "NUM_WORKERS is '100000000' .environment.. Set it to an integer from 1 to 1024$"),
        ("NUM_WORKERS", "-1", "NUM_WORKERS is '-1'"),
        ("NUM_WORKERS", "1.5", "NUM_WORKERS is '1.5'"),
        ("NUM_WORKERS", "٣", "NUM_WORKERS is '٣'"),
        ("NUM_WORKERS", "9" * 5000, "NUM_WORKERS is '999"),
        ("SAGEMAKER_MODEL_SERVER_WORKERS", "0", "SAGEMAKER_MODEL_SERVER_WORKERS is '0'"),
        ("SAGEMAKER_MODEL_SERVER_TIMEOUT", "1m", "SAGEMAKER_MODEL_SERVER_TIMEOUT is '1m'"),
        ("SAGEMAKER_MAX_REQUEST_SIZE", "6MB", "SAGEMAKER_MAX_REQUEST_SIZE is '6MB'"),
        ("MAX_CONTENT_LENGTH", "6MB", "MAX_CONTENT_LENGTH is '6MB'"),
        ("SAGEMAKER_MAX_PAYLOAD_IN_MB", "x", "SAGEMAKER_MAX_PAYLOAD_IN_MB is 'x'"),
        ("SAGEMAKER_MAX_CONCURRENT_TRANSFORMS", "0", "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS is '0'"),
        (
            "SAGEMAKER_INFERENCE_OUTPUT",
            "scores",
            r"no output 'scores' .SAGEMAKER_INFERENCE_OUTPUT.. Ask for some of: sc",
        ),
        ("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "text/html", "ACCEPT is 'text/html' .environment.. Use one of: app"),
    ],
)
def test_a_bad_value_is_named(name: str, value: str, message: str) -> None:
    with pytest.raises(ClientError, match=message):
        of(**{name: value})
