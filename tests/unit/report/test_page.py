"""The page as it is written: nothing of the data becomes HTML, and its size is bounded. tests/browser looks at what its
script makes of it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from subjects import candidates, many_classes, speaking, subject

from linear_learner.report import writing
from linear_learner.report.subject import Subject

KINDS = ("binary_classifier", "multiclass_classifier", "regressor")
HOSTILE = '</script></title><script>alert("x")</script><img src=x onerror=alert(1)>&amp;\'"{{ 7 * 7 }}\u2028'


class Tags(HTMLParser):
    """The tags of a page, and the attributes of each."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))
        if tag not in ("meta", "input", "wbr", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page(folder: Path, made: Subject) -> str:
    return writing.write(folder, made).read_text(encoding="utf-8")


def shown(text: str) -> Any:
    """What the script of a page is handed."""
    found = re.search(r'<script type="application/json" id="content">(.*)</script>', text)
    assert found
    return strict(found[1])


@pytest.mark.parametrize("kind", KINDS)
def test_text_of_the_user_stays_text(kind: str, tmp_path: Path) -> None:
    tame, wild = (page(tmp_path, speaking(kind, text)) for text in ("tame", HOSTILE))
    assert Tags(wild).found == Tags(tame).found
    assert not set("<>&\u2028") & set(wild.split('id="content">')[1].split("</script>")[0])
    assert shown(wild)["hyperparameters"]["given"] == {HOSTILE: HOSTILE}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_loaded_and_no_script_but_the_pages_own_may_run(kind: str, tmp_path: Path) -> None:
    tags = Tags(page(tmp_path, subject(kind)))
    assert tags.open == []
    policy = next(a["content"] for tag, a in tags.found if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and policy.startswith("default-src 'none';") and "unsafe" not in policy
    for tag, attributes in tags.found:
        assert not {"src", "style", "xlink:href"} & attributes.keys()
        assert not [name for name in attributes if name.startswith("on")]
        assert tag != "link" and (attributes.get("href") or "#").startswith("#")


def test_the_policy_names_the_style_and_the_scripts_by_their_hashes(tmp_path: Path) -> None:
    text = page(tmp_path, subject())
    for directive, tag, length in (("style-src", "style", 1), ("script-src", "script", 2)):
        found = re.search(rf" {directive} ([^;]*);", text)
        assert found
        inline = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digests = (base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in inline)
        assert found[1].split() == [f"'sha256-{digest}'" for digest in digests]
        assert len(inline) == length


def test_the_authors_of_d3_are_named_beside_it(tmp_path: Path) -> None:
    text = page(tmp_path, subject())
    assert re.search(r"<!-- D3, .*Copyright 2010-2016 Mike Bostock.* -->\n<script>!function\(\)", text)


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_of_32_candidates_and_15_epochs_is_small(kind: str, tmp_path: Path) -> None:
    text = page(tmp_path, subject(kind, rows=20_000, features=300, candidates=candidates(32, 15)))
    assert len(text.encode()) < 750_000


def test_a_large_job_is_bounded(tmp_path: Path) -> None:
    made = subject(
        features=20_000, rows=50, candidates=candidates(1000, 200), names=[f"{i:050}" for i in range(20_000)]
    )
    text = page(tmp_path, made)
    assert len(text.encode()) < 2_000_000
    assert len(shown(text)["candidates"]) == 100
    assert len(shown(text)["candidates"][7]["judge_loss"]) == len(shown(text)["drawn_epochs"]) <= 61
    assert len(json.loads((tmp_path / "metrics.json").read_text())["candidates"]) == 1000


def test_the_chosen_candidate_is_among_those_shown(tmp_path: Path) -> None:
    made = subject(candidates=candidates(300, 2))
    worst = int(np.argmax(made.candidates.values))
    text = page(tmp_path, made._replace(choice=made.choice._replace(candidate=worst)))
    assert worst in [candidate["number"] for candidate in shown(text)["candidates"]]


def test_the_epoch_of_the_chosen_weights_is_drawn(tmp_path: Path) -> None:
    found = candidates(4, 300)
    made = subject(candidates=found._replace(best_epoch=np.full(4, 7)))
    content = shown(page(tmp_path, made))
    assert 7 in content["drawn_epochs"] and len(content["drawn_epochs"]) == 61
    for candidate in content["candidates"]:
        number = candidate["number"]
        assert candidate["loss"] == found.judge_loss[7, number]
        assert candidate["train_loss"] == found.train_loss[content["drawn_epochs"], number].tolist()


def test_many_classes_are_bounded(tmp_path: Path) -> None:
    made = many_classes()
    text = page(tmp_path, made)
    assert len(text.encode()) < 750_000
    for row in shown(text)["coefficients"]["strongest"]:
        weights = made.weights[row["feature"] - 1]
        assert row["class"] == f"class {np.argmax(np.abs(weights))}"
        assert abs(row["coefficient"][0]) == np.abs(weights).max()


def strict(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_strict_json(kind: str, tmp_path: Path) -> None:
    made = subject(kind)
    made.scored["test"].metrics["odd"] = float("nan")
    writing.write(tmp_path, made)
    found = strict((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert found["schema_version"] == 1
    assert found["metrics"] == {"validation": {"some_metric": 0.75}, "test": {"some_metric": 0.75, "odd": None}}
    assert found["candidates"][2]["judge_loss"] == made.candidates.judge_loss[:, 2].tolist()
