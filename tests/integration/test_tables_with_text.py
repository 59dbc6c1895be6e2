"""Tables as people keep them, with words in columns and labels: trained, saved and served, beside scikit-learn."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import itertools
import json
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import zstandard
from finished_job import MakeJob
from flask.testing import FlaskClient
from hosts import Hosts, all_well
from job_folder import JobFolder, Outcome, recordio
from pyarrow import parquet
from saved_model import SavedModel
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from linear_learner import cli
from linear_learner.data import channel_reader
from linear_learner.model import artifact
from linear_learner.serving.app import create_app
from linear_learner.serving.settings import Settings

NAMES = ("age", "workclass", "education", "hours", "income")
WORK = ("Private", "Self-emp, not inc", "State-gov", "?")
EDUCATION = ("11th", "Bachelors", "Doctorate", "HS-grad")
TEXTS = {"categorical_columns": "auto", "text_labels": "true", "label_column": "income"}
Table = list[list[Any]]


def people(rows: int, seed: int) -> Table:
    """Like the census data of 1994, with an income that depends on all columns."""
    random = np.random.default_rng(seed)
    work, education = random.integers(len(WORK), size=rows), random.integers(len(EDUCATION), size=rows)
    age, hours = random.integers(17, 90, rows), random.integers(1, 99, rows)
    score = 0.03 * (age - 50) + 0.03 * (hours - 50)
    score += np.array([0, 0.7, -0.5, -1])[work] + np.array([-2, 1, 2, -0.5])[education]
    income = np.where(random.random(rows) < 1 / (1 + np.exp(-score)), ">50K", "<=50K")
    texts = ([WORK[i] for i in work], [EDUCATION[i] for i in education])
    return [list(row) for row in zip(age.tolist(), *texts, hours.tolist(), income.tolist(), strict=True)]


PEOPLE = {"train": people(2000, 1), "validation": people(800, 2)}


def as_csv(rows: Sequence[Sequence[Any]], names: Sequence[str] | None = NAMES) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows if names is None else [names, *rows])
    return out.getvalue().encode()


def as_parquet(rows: Table, names: Sequence[str] = NAMES, *, as_dictionary: bool = False) -> bytes:
    table = pa.table({name: [row[i] for row in rows] for i, name in enumerate(names)})
    if as_dictionary:
        texts = {i: name for i, name in enumerate(NAMES) if pa.types.is_string(table.schema.field(name).type)}
        for i, name in texts.items():
            table = table.set_column(i, name, table[name].dictionary_encode())
    out = io.BytesIO()
    parquet.write_table(table, out)
    return out.getvalue()


def run(job: JobFolder, files: dict[str, bytes], predictor_type: str = "binary_classifier", **settings: Any) -> Outcome:
    """``files``: by their paths below the data folder."""
    job.hyperparameters(predictor_type, **{"epochs": 10, "num_models": 4, **settings})
    for path, content in files.items():
        job.file(f"input/data/{path}", content)
    kinds = {path.partition("/")[0]: "x-parquet" if path.endswith("pq") else "csv" for path in files}
    long = {"csv": "text/csv", "x-parquet": "application/x-parquet"}
    job.config("inputdataconfig", {channel: {"ContentType": long[kind]} for channel, kind in kinds.items()})
    return job.run()


def files_of(rows: dict[str, Table]) -> dict[str, bytes]:
    return {f"{channel}/a.csv": as_csv(table) for channel, table in rows.items()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    outcome = run(JobFolder(tmp_path_factory.mktemp("people")), files_of(PEOPLE), **TEXTS)
    assert outcome.code == 0, outcome.failure
    return outcome


def client_of(model_dir: Path, **settings: Any) -> FlaskClient:
    return create_app(artifact.load(model_dir), Settings(**settings)).test_client()


@pytest.fixture(scope="module")
def client(finished: Outcome) -> FlaskClient:
    return client_of(finished.model_dir)


def ask(client: FlaskClient, body: object, content_type: str = "application/json", **headers: str) -> Any:
    """The predictions."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"Accept": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    answer = client.post("/invocations", data=data, content_type=content_type, headers=sent)
    assert answer.status_code == 200, answer.text
    assert answer.json is not None
    return answer.json["predictions"]


def refused(client: FlaskClient, body: object, content_type: str = "application/json") -> str:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = client.post("/invocations", data=data, content_type=content_type)
    assert answer.status_code == 400
    return answer.text


def features(rows: Table) -> np.ndarray:
    return np.array([row[:-1] for row in rows], object)


def test_the_model_is_as_good_as_scikit_learns(finished: Outcome, client: FlaskClient) -> None:
    one_hot = make_column_transformer((OneHotEncoder(), [1, 2]), (StandardScaler(), [0, 3]), sparse_threshold=0)
    judge = make_pipeline(one_hot, LogisticRegression(C=1e4, max_iter=1000))
    train, validation = PEOPLE["train"], PEOPLE["validation"]
    judge.fit(features(train), [row[-1] for row in train])
    labels = [row[-1] for row in validation]
    expected = judge.predict_proba(features(validation))[:, 1]
    found = ask(client, as_csv([row[:-1] for row in validation], None), "text/csv")
    scores = np.array([row["score"] for row in found])
    assert log_loss(labels, scores, labels=["<=50K", ">50K"]) <= 1.01 * log_loss(labels, expected)
    accuracy = np.mean([row["predicted_label"] == label for row, label in zip(found, labels, strict=True)])
    assert accuracy >= np.mean(judge.predict(features(validation)) == labels) - 0.01
    assert accuracy == pytest.approx(finished.final("validation", "binary_classification_accuracy"))


def test_the_log_says_how_texts_become_numbers(finished: Outcome) -> None:
    assert finished.found("(Labels: .*)") == ["Labels: '<=50K' is 0, '>50K' is 1; the positive label is '>50K'."]
    (line,) = finished.found("(Columns of categories: .*)")
    assert "'workclass' with 4, 'education' with 4. 4 columns become 10 features, in dense rows." in line


def test_the_schema_is_in_the_model_and_each_level_has_a_weight(finished: Outcome) -> None:
    assert finished.facts["schema"] == {
        "columns": [
            {"name": "age"},
            {"name": "workclass", "levels": sorted(WORK)},
            {"name": "education", "levels": list(EDUCATION)},
            {"name": "hours"},
        ],
        "classes": ["<=50K", ">50K"],
    }
    names = finished.facts["feature_names"]
    assert names[:2] == ["age", "workclass=?"]
    assert SavedModel.of(finished.model_dir).weights.shape == (10, 1) == (len(names), 1)


def test_scores_are_those_of_plain_weights(finished: Outcome, client: FlaskClient) -> None:
    model = SavedModel.of(finished.model_dir)
    age, work, education, hours, _ = PEOPLE["validation"][0]
    by_name = {"age": age, f"workclass={work}": 1, f"education={education}": 1, "hours": hours}
    row = np.array([[by_name.get(name, 0) for name in finished.facts["feature_names"]]])
    (found,) = ask(client, {"instances": [{"features": [age, work, education, hours]}]})
    assert found["score"] == pytest.approx(float(model.scores(row)[0]), rel=1e-5)


def test_rows_come_in_any_form(client: FlaskClient) -> None:
    age, work, education, hours, _ = PEOPLE["validation"][0]
    row = [age, work, education, hours]
    named = dict(zip(NAMES[:-1], row, strict=True))
    header = as_csv([reversed(row)], tuple(reversed(NAMES[:-1])))
    answers = [
        ask(client, {"instances": [{"features": row}]}),
        ask(client, {"instances": [{"features": named}]}),
        ask(client, {"instances": [{"data": {"features": {"values": row}}}]}),
        ask(client, json.dumps({"features": row}).encode(), "application/jsonlines"),
        ask(client, as_csv([row], None), "text/csv"),
        ask(client, as_csv([row], NAMES[:-1]), "text/csv"),
        ask(client, header, "text/csv"),
        ask(client, as_csv([[">50K", *row]], None), "text/csv; label_size=1"),
    ]
    assert all(answer == answers[0] for answer in answers)


def test_answers_hold_the_texts_of_labels(client: FlaskClient) -> None:
    row = as_csv([PEOPLE["validation"][0][:-1]], None)
    wish = {"X_Amzn_SageMaker_Custom_Attributes": "inference_output=predicted_label,labels,probabilities,contributions"}
    (answer,) = ask(client, row, "text/csv", **wish)
    assert answer["labels"] == ["<=50K", ">50K"]
    assert answer["predicted_label"] == answer["labels"][int(np.argmax(answer["probabilities"]))]
    moved = {term["feature"] for term in answer["contributions"]["features"]}
    assert {"age", "workclass=Private", "education=Doctorate"} < moved
    plain = client.post("/invocations", data=row, content_type="text/csv", headers={"Accept": "text/csv"})
    assert plain.text.split(",")[1] in ("<=50K", ">50K")


@pytest.mark.parametrize(
    ("content_type", "body", "message"),
    [
        ("text/csv", b"39,Private,Bachelors,many\n", "row 1, column 4, value 'many'"),
        ("text/csv", b"39,Private,Bachelors,4\n39,,Bachelors,40\n", "missing (NaN) values (request, row 2, column 2"),
        (
            "text/csv",
            b"39,Private,40\n",
            "A row has 3 columns, and the table of the model 4 (request, row 1). Send age, ",
        ),
        ("text/csv", b"age,workclass,hours\n39,Private,40\n", "row 1, 'education' is missing"),
        ("text/csv", b"age,workclass,education,hour\n39,Private,11th,40\n", "'hours' is missing"),
        (
            "application/json",
            {"instances": [{"features": [39, "Private", "11th", "many"]}]},
            "\"many\" is a string, not a number (request, instances[0].features[3], column 'hours')",
        ),
        ("application/json", {"instances": [{"features": [39, None, "11th", 4]}]}, "column 'workclass'"),
        ("application/json", {"instances": [{"features": {"age": 39}}]}, 'lacks the feature "workclass"'),
        ("application/json", {"instances": [{"features": [0] * 10}]}, "A row has 10 columns, and the table of the"),
    ],
)
def test_a_bad_request_names_row_and_column(client: FlaskClient, content_type: str, body: object, message: str) -> None:
    assert message in refused(client, body, content_type)


def test_an_unseen_category_counts_for_nothing(client: FlaskClient, finished: Outcome) -> None:
    (found,) = ask(client, b"39,Astronaut,Bachelors,40", "text/csv")
    row = [{"age": 39, "education=Bachelors": 1, "hours": 40}.get(name, 0) for name in finished.facts["feature_names"]]
    (expected,) = SavedModel.of(finished.model_dir).scores(np.array([row]))
    assert found["score"] == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("kind", ["label first", "several files", "zstd", "parquet", "dictionaries"])
def test_the_same_table_in_any_form_gives_the_same_weights(kind: str, finished: Outcome, job: JobFolder) -> None:
    files, settings = files_of(PEOPLE), TEXTS
    if kind == "label first":
        files = {f"{name}/a.csv": as_csv([[r[-1], *r[:-1]] for r in rows], None) for name, rows in PEOPLE.items()}
        settings = {**TEXTS, "label_column": "", "categorical_columns": "3,4"}
    elif kind == "several files":
        first = [NAMES[-1], *NAMES[:-1]]
        rows = {name: [[row[-1], *row[:-1]] for row in table] for name, table in PEOPLE.items()}
        files = {"train/a.csv": as_csv(rows["train"][:77], None), "train/b.csv": as_csv(rows["train"][77:], first)}
        files["validation/a.csv"] = as_csv(rows["validation"], None)
        settings = {**TEXTS, "label_column": ""}
    elif kind == "zstd":
        files = {path: zstandard.compress(content) for path, content in files.items()}
    elif kind in ("parquet", "dictionaries"):
        as_dictionary = kind == "dictionaries"
        files = {f"{name}/a.pq": as_parquet(rows, as_dictionary=as_dictionary) for name, rows in PEOPLE.items()}
    outcome = run(job, files, **settings)
    assert outcome.code == 0, outcome.failure
    expected, found = SavedModel.of(finished.model_dir), SavedModel.of(outcome.model_dir)
    np.testing.assert_array_equal(found.weights, expected.weights)


def test_a_stream_is_learnt_from_as_well(finished: Outcome, job: JobFolder) -> None:
    rows = PEOPLE["train"] * 20
    outcome = run(job, files_of({**PEOPLE, "train": rows}), **TEXTS, memory_mb=1, epochs=2)
    assert outcome.code == 0, outcome.failure
    assert outcome.found("(They are streamed)") or outcome.found("(streamed: read anew)")
    assert outcome.facts["schema"] == finished.facts["schema"]
    assert outcome.objective("validation") <= 1.05 * finished.objective("validation")


def test_the_positive_label_may_be_chosen(finished: Outcome, job: JobFolder) -> None:
    outcome = run(job, files_of(PEOPLE), **TEXTS, positive_label="<=50K")
    assert outcome.facts["schema"]["classes"] == [">50K", "<=50K"]
    answers = ask(client_of(outcome.model_dir), as_csv([row[:-1] for row in PEOPLE["validation"]], None), "text/csv")
    others = ask(client_of(finished.model_dir), as_csv([row[:-1] for row in PEOPLE["validation"]], None), "text/csv")
    assert np.corrcoef([a["score"] for a in answers], [b["score"] for b in others])[0, 1] < -0.99
    same = [a["predicted_label"] == b["predicted_label"] for a, b in zip(answers, others, strict=True)]
    assert np.mean(same) > 0.95


def test_classes_may_be_many_and_need_no_count(job: JobFolder) -> None:
    random = np.random.default_rng(0)
    kinds = {"iris": 0, "ant": 4, "cat": 9}
    rows = [[kind, *random.normal(place, 1, 2).tolist()] for kind, place in kinds.items() for _ in range(60)]
    outcome = run(job, {"train/a.csv": as_csv(rows, None)}, "multiclass_classifier", text_labels="true")
    assert outcome.code == 0, outcome.failure
    assert outcome.facts["num_classes"] == 3
    assert outcome.facts["schema"] == {"columns": [], "classes": ["ant", "cat", "iris"]}
    answers = ask(client_of(outcome.model_dir), b"0,0\n4,4\n9,9\n", "text/csv")
    assert [answer["predicted_label"] for answer in answers] == ["iris", "ant", "cat"]


def test_a_regressor_takes_categories(job: JobFolder) -> None:
    rows = [[{"a": 1.0, "b": 5.0}[kind] + 2 * x, kind, x] for kind in "ab" for x in np.linspace(0, 1, 100)]
    outcome = run(job, {"train/a.csv": as_csv(rows, None)}, "regressor", categorical_columns="2", epochs=30)
    assert outcome.code == 0, outcome.failure
    found = ask(client_of(outcome.model_dir), b"a,0.5\nb,0.5\n", "text/csv")
    assert [answer["score"] for answer in found] == pytest.approx([2, 6], abs=0.1)


def test_many_levels_make_sparse_rows(job: JobFolder) -> None:
    rows = [[i % 2, f"user {i % 1500}", i % 7] for i in range(6000)]
    outcome = run(job, {"train/a.csv": as_csv(rows, None)}, categorical_columns="auto")
    assert outcome.code == 0, outcome.failure
    assert outcome.found(r"(2 columns become 1501 features, in sparse rows)")
    assert outcome.final("train", "binary_classification_accuracy") == 1
    (even, odd) = ask(client_of(outcome.model_dir), b"user 2,0\nuser 3,0\n", "text/csv")
    assert (even["predicted_label"], odd["predicted_label"]) == (0, 1)


def test_columns_that_are_hardly_categories_are_told(job: JobFolder) -> None:
    rows = [[i % 2, i if i else "-", i % 7, f"id {i}"] for i in range(50)]
    outcome = run(job, {"train/a.csv": as_csv(rows, None)}, categorical_columns="auto")
    (notice,) = outcome.found("WARNING.* (Columns that are mostly numbers.*)")
    assert "'column 2' with 49 numbers and '-'." in notice and "'column 4' with 50. A key" in notice


def test_missing_categories_are_a_level_of_their_own(job: JobFolder) -> None:
    rows = [[int(i % 3 == 0), "" if i % 3 == 0 else "x", i % 5] for i in range(300)]
    outcome = run(job, {"train/a.csv": as_csv(rows, None)}, categorical_columns="2", missing_values="mean")
    assert outcome.code == 0, outcome.failure
    assert outcome.facts["schema"]["columns"][0]["levels"] == ["", "x"]
    client = client_of(outcome.model_dir)
    assert [answer["predicted_label"] for answer in ask(client, b",1\nx,1\n", "text/csv")] == [1, 0]
    assert ask(client, {"instances": [{"features": [None, 1]}]})[0]["predicted_label"] == 1


@pytest.mark.parametrize(
    ("settings", "files", "message"),
    [
        ({}, files_of(PEOPLE), "or set categorical_columns=auto for features that are text and text_labels=true"),
        (
            TEXTS,
            files_of({**PEOPLE, "validation": [[39, "?", "11th", 40, "rich"]]}),
            "read data channel 'validation'. Found a label that is none of the classes (",
        ),
        (TEXTS, files_of({"train": [[1, "?", "11th", 3, str(i % 3)] for i in range(9)]}), "are 3 different texts"),
        (
            TEXTS,
            files_of({"train": [[1, "?", "11th", 3, f"{i} {'word ' * 200}"] for i in range(30)]}),
            "... (text_labels=true). Set predictor_type=multiclass_classifier (for quantities regressor, without",
        ),
        (TEXTS, files_of({"train": [[1, "?", "11th", 3, "x"] for i in range(9)]}), "Every label of channel 'train' is"),
        (
            {**TEXTS, "positive_label": "yes"},
            files_of(PEOPLE),
            "No row of channel 'train' has the label 'yes', which positive_label names",
        ),
        (
            {"categorical_columns": "2"},
            {"train/a.csv": b"0,a,1\n1,b,2\n", "validation/a.csv": b"0,a\n"},
            "The rows have 1 features, and the schema has 2 columns",
        ),
        (
            {"categorical_columns": "b"},
            {"train/a.csv": b"y,b,c\n0,a,1\n1,b,2\n", "validation/a.csv": b"y,c,b\n0,3,a\n"},
            "Its columns are not those of the schema: feature 1 is 'b' there and 'c' here",
        ),
    ],
)
def test_a_table_that_does_not_fit_is_told(
    settings: dict[str, Any], files: dict[str, bytes], message: str, job: JobFolder
) -> None:
    outcome = run(job, files, **settings)
    assert outcome.code == 2
    assert message in (outcome.failure or "")[:1024]


def test_unseen_categories_of_a_channel_are_counted(job: JobFolder) -> None:
    rows = [[39, "Astronaut", "11th", 40, ">50K"], [39, "Astronaut", "None", 40, "<=50K"]]
    outcome = run(job, files_of({**PEOPLE, "validation": PEOPLE["validation"] + rows}), **TEXTS)
    assert outcome.code == 0, outcome.failure
    (notice,) = outcome.found("(Channel 'validation' has unseen categories.*)")
    assert "2 in 'workclass', 1 in 'education'" in notice


@pytest.mark.parametrize("form", ["csv", "csv without a header", "jsonlines", "parquet"])
def test_predict_counts_unseen_categories(
    form: str, finished: Outcome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names, rows = list(NAMES[:-1]), [list(row[:-1]) for row in PEOPLE["validation"][:6]]
    place = names.index("workclass")
    for row in rows[:2]:
        row[place] = "astronaut"
    content = {
        "csv": lambda: as_csv([row[::-1] for row in rows], names[::-1]),
        "csv without a header": lambda: as_csv(rows, None),
        "jsonlines": lambda: "".join(json.dumps({"features": row}) + "\n" for row in rows).encode(),
        "parquet": lambda: as_parquet(rows, names),
    }[form]()
    path = tmp_path / ("rows.csv" if form.startswith("csv") else f"rows.{form}")
    path.write_bytes(content)
    assert cli.main(["predict", "--model", str(finished.model_dir), str(path)]) == 0
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == 6
    assert told.err == (
        "The data has unseen categories: 2 in 'workclass'. They are 0 in all features of their column.\n"
    )


def test_records_have_no_text(make_job: MakeJob) -> None:
    job = make_job().hyperparameters("binary_classifier", categorical_columns="auto")
    job.config("inputdataconfig", {"train": {"ContentType": "application/x-recordio-protobuf"}})
    outcome = job.channel("train", np.eye(2), np.arange(2), content_type="application/x-recordio-protobuf").run()
    assert outcome.code == 2
    assert "Its columns hold numbers alone" in (outcome.failure or "")


def model_of(finished: Outcome) -> dict[str, bytes]:
    return {"model/model.tar.gz": (finished.model_dir / "model.tar.gz").read_bytes()}


def test_going_on_keeps_the_categories_and_labels_of_the_model(finished: Outcome, job: JobFolder) -> None:
    """New rows may lack some of them, and hold others."""
    rows = [row for row in PEOPLE["train"] if row[1] != "State-gov"][:300]
    files = files_of({**PEOPLE, "train": [*rows, [39, "Astronaut", "11th", 40, ">50K"]]})
    outcome = run(job, {**files, **model_of(finished)}, **{**TEXTS, "epochs": 1})
    assert outcome.code == 0, outcome.failure
    assert outcome.facts["schema"] == finished.facts["schema"]
    assert outcome.found("Channel 'train' has unseen categories: (.*) They") == ["1 in 'workclass'."]
    assert outcome.final("validation", "binary_classification_accuracy") > 0.75


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"positive_label": "<=50K"}, "positive_label is '<=50K', and the model to start from has <=50K, >50K"),
        ({"label_column": "age"}, "Its columns are not those of the schema: feature 1 is 'age' there"),
    ],
)
def test_a_model_of_another_schema_is_no_start(
    change: dict[str, str], message: str, finished: Outcome, job: JobFolder
) -> None:
    outcome = run(job, {**files_of(PEOPLE), **model_of(finished)}, **{**TEXTS, **change})
    assert outcome.code == 2
    assert message in (outcome.failure or "")


def through_pipes(job: JobFolder, content: bytes, content_type: str | None = "text/csv") -> JobFolder:
    """A train channel whose every pass has this content; with no content type, the bytes tell it."""
    folder = job.base / "input/data"
    folder.mkdir(parents=True, exist_ok=True)

    def write() -> None:
        for number in itertools.count():
            os.mkfifo(folder / f"train_{number}")
            with contextlib.suppress(BrokenPipeError), (folder / f"train_{number}").open("wb") as pipe:
                pipe.write(content)

    threading.Thread(target=write, daemon=True).start()
    train = {"TrainingInputMode": "Pipe"} | ({} if content_type is None else {"ContentType": content_type})
    return job.config("inputdataconfig", {"train": train, "validation": {"ContentType": "text/csv"}})


@pytest.mark.parametrize("content_type", ["text/csv", None])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_pipe_that_fits_gives_the_model_of_the_file(
    pack: Callable[[bytes], bytes], content_type: str | None, finished: Outcome, job: JobFolder
) -> None:
    job.file("input/data/validation/a.csv", as_csv(PEOPLE["validation"]))
    job.hyperparameters("binary_classifier", epochs=10, num_models=4, **TEXTS)
    outcome = through_pipes(job, pack(as_csv(PEOPLE["train"])), content_type).run()
    assert outcome.code == 0, outcome.failure
    assert outcome.found("(Channel 'train': its first [0-9]+ bytes tell categories and labels)")
    np.testing.assert_array_equal(SavedModel.of(outcome.model_dir).weights, SavedModel.of(finished.model_dir).weights)


def test_the_head_of_a_pipe_tells_the_categories(job: JobFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_reader, "HEAD_BYTES", 5000)
    later = [[39, "Astronaut", "11th", 40, ">50K"]] * 3
    rows = PEOPLE["train"] * 20 + later
    job.file("input/data/validation/a.csv", as_csv(PEOPLE["validation"]))
    job.hyperparameters("binary_classifier", epochs=2, num_models=2, memory_mb=1, **TEXTS)
    outcome = through_pipes(job, as_csv(rows)).run()
    assert outcome.code == 0, outcome.failure
    assert outcome.found("Channel 'train' has unseen categories: (.*) They") == ["3 in 'workclass'."]
    assert outcome.facts["schema"]["columns"][1]["levels"] == sorted(WORK)
    assert outcome.final("validation", "binary_classification_accuracy") > 0.7


def test_a_label_that_the_head_of_a_pipe_lacks_is_told(job: JobFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_reader, "HEAD_BYTES", 5000)
    job.file("input/data/validation/a.csv", as_csv(PEOPLE["validation"]))
    job.hyperparameters("binary_classifier", epochs=2, num_models=2, **TEXTS)
    outcome = through_pipes(job, as_csv([*PEOPLE["train"], [39, "?", "11th", 40, "rich"]])).run()
    assert outcome.code == 2
    assert "train_0, row 2002, column 5, value 'rich'" in (outcome.failure or "")


def test_parquet_cannot_be_looked_at_first_in_a_pipe(job: JobFolder) -> None:
    job.file("input/data/validation/a.csv", as_csv(PEOPLE["validation"]))
    job.hyperparameters("binary_classifier", **TEXTS)
    outcome = through_pipes(job, b"", "application/x-parquet").run()
    assert outcome.code == 2
    assert "Please use File mode, or CSV" in (outcome.failure or "")


@pytest.mark.parametrize("settings", [{"label_column": "income"}, {"text_labels": "true"}])
def test_records_in_a_pipe_without_a_content_type_have_no_names_and_no_text(
    settings: dict[str, str], job: JobFolder
) -> None:
    job.file("input/data/validation/a.csv", b"income,age,hours\n0,1,2\n1,2,1\n")
    job.hyperparameters("binary_classifier", **settings)
    outcome = through_pipes(job, recordio(np.eye(2), np.arange(2)), None).run()
    assert outcome.code == 2
    assert "Unable to read data channel 'train'. Its columns h" in (outcome.failure or "")
    assert "(content type 'application/x-recordio-protobuf')" in (outcome.failure or "")


@pytest.mark.parametrize("mode", ["File", "Pipe"])
def test_a_train_channel_without_rows_is_told(mode: str, job: JobFolder) -> None:
    job.file("input/data/validation/a.csv", as_csv(PEOPLE["validation"]))
    if mode == "Pipe":
        outcome = through_pipes(job.hyperparameters("binary_classifier", **TEXTS), b"\n").run()
    else:
        outcome = run(job, {"train/a.csv": b"\n", "validation/a.csv": as_csv(PEOPLE["validation"])}, **TEXTS)
    assert "Channel 'train' has no rows" in (outcome.failure or "")


def on_hosts(base: Path, shards: list[bytes], **settings: Any) -> list[Outcome]:
    """Each with its own rows of the train channel, and the first with those of the validation channel."""
    hosts = Hosts(base, len(shards), **{"epochs": 10, "num_models": 4, **TEXTS, **settings})
    hosts.describe("ShardedByS3Key", "text/csv", "train", "validation")
    for folder, shard in zip(hosts.folders, shards, strict=True):
        (folder.base / "input/data/train").mkdir(parents=True)
        (folder.base / "input/data/validation").mkdir(parents=True)
        if shard:
            folder.file("input/data/train/a.csv", shard)
    hosts.folders[0].file("input/data/validation/a.csv", as_csv(PEOPLE["validation"]))
    return hosts.run()


def test_hosts_agree_on_what_is_in_the_rows_of_any(finished: Outcome, tmp_path: Path) -> None:
    """Here no host sees all that there is: two have rows of one label, and one has no rows at all."""
    of_label = [[row for row in PEOPLE["train"] if row[-1] == label] for label in ("<=50K", ">50K")]
    first = [row for row in of_label[0] if row[1] != "Private"]
    second = of_label[1] + [row for row in of_label[0] if row[1] == "Private" and row[2] != "11th"]
    third = [row for row in of_label[0] if row[1] == "Private" and row[2] == "11th"]
    outcomes = on_hosts(tmp_path, [as_csv(first), as_csv(second), as_csv(third), b""])
    all_well(outcomes)
    assert outcomes[0].facts["schema"] == finished.facts["schema"]
    assert outcomes[0].objective("validation") == pytest.approx(finished.objective("validation"), rel=0.05)


def test_hosts_with_other_columns_are_told(tmp_path: Path) -> None:
    other = as_csv(PEOPLE["train"][:100], ("age", "job", "education", "hours", "income"))
    outcomes = on_hosts(tmp_path, [as_csv(PEOPLE["train"]), other])
    assert [outcome.code for outcome in outcomes] == [2, 2]
    assert "The hosts have different columns in channel 'train'" in (outcomes[0].failure or "")
