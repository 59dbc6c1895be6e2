"""The page as text: nothing of the data becomes HTML, and its size is bounded. tests/browser looks at it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pytest
from subjects import candidates, subject

from linear_learner.report import page as templates
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


@pytest.mark.parametrize("kind", KINDS)
def test_text_of_the_user_stays_text(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Templates that were compiled before may have escaped more, or less.
    for name in ("load_bytecode", "dump_bytecode"):
        monkeypatch.setattr(jinja2.FileSystemBytecodeCache, name, lambda *_: None)

    def speaking(names: tuple[str, ...], text: str) -> Subject:
        """Of a job in which whatever may be text of the user is one of the ``names`` or the ``text``."""
        classes = {"binary_classifier": names[:2], "multiclass_classifier": names[:3], "regressor": ()}[kind]
        made = subject(kind, names=names, classes=classes, constant=np.array([1]), job=text)
        return made._replace(given={text: text}, resolved={**made.resolved, text: text}, versions={text: text})

    tame = Tags(page(tmp_path, speaking(tuple("abcde"), "f")))
    wild = Tags(page(tmp_path, speaking(tuple(f"{HOSTILE}{i}" for i in range(5)), HOSTILE)))
    assert [tag for tag, _ in wild.found] == [tag for tag, _ in tame.found]
    assert {name for _, attributes in wild.found for name in attributes} == {
        name for _, attributes in tame.found for name in attributes
    }


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


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_of_32_candidates_and_15_epochs_is_small(kind: str, tmp_path: Path) -> None:
    text = page(tmp_path, subject(kind, rows=20_000, features=300, candidates=candidates(32, 15)))
    assert len(text.encode()) < 400_000


def test_a_large_job_is_bounded(tmp_path: Path) -> None:
    made = subject(
        features=20_000, rows=50, candidates=candidates(1000, 200), names=[f"{i:050}" for i in range(20_000)]
    )
    text = page(tmp_path, made)
    assert len(text.encode()) < 2_000_000
    assert text.count('class="show"') == 100
    assert len(json.loads((tmp_path / "metrics.json").read_text())["candidates"]) == 1000


def test_the_chosen_candidate_is_among_those_shown(tmp_path: Path) -> None:
    made = subject(candidates=candidates(300, 2))
    worst = int(np.argmax(made.candidates.values))
    text = page(tmp_path, made._replace(choice=made.choice._replace(candidate=worst)))
    assert re.search(rf'<tr class="chosen">\s*<td class="n" data-value="{worst}">', text)


def test_many_classes_are_bounded(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    made = subject("multiclass_classifier", rows=100)
    scored = {
        name: s._replace(
            scores=random.random((100, 1000), np.float32), labels=random.integers(0, 1000, 100).astype(np.float32)
        )
        for name, s in made.scored.items()
    }
    channels = {name: c._replace(class_counts=np.ones(1000, np.int64)) for name, c in made.channels.items()}
    weights = random.standard_normal((500, 1000)).astype(np.float32)
    made = made._replace(
        scored=scored, channels=channels, weights=weights, bias=weights[0], scale=np.ones(500, np.float32)
    )
    made = made._replace(columns=np.arange(5))
    assert len(page(tmp_path, made).encode()) < 400_000


@pytest.mark.parametrize("kind", KINDS)
def test_candidates_that_diverged_and_one_epoch(kind: str, tmp_path: Path) -> None:
    found = candidates(3, 1)
    gone = np.array([False, True, False])
    for losses in (found.train_loss, found.judge_loss, found.values[np.newaxis]):
        losses[:, gone] = np.nan
    made = subject(kind, candidates=found._replace(alive=~gone, best_epoch=np.where(gone, -1, 0)))
    made = made._replace(choice=made.choice._replace(candidate=0, tied=(0,)))
    text = page(tmp_path, made)
    assert ">diverged<" in text and not re.search(r'[>"]nan[<"]', text)


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


def test_intervals_stand_below_their_metrics(tmp_path: Path) -> None:
    metrics = {"validation": {"some_metric": [0.7125, 0.7875]}, "test": {}}
    told = {"level": 0.95, "samples": 1000, "threshold": [0.375, 0.4375], "metrics": metrics}
    page = writing.write(tmp_path, subject(intervals=told)).read_text(encoding="utf-8")
    assert page.count("<small>0.7125 to 0.7875</small>") == 1
    assert "95 % interval of 1000 bootstrap samples" in page
    assert "that of the threshold is 0.3750 to 0.4375" in page
    assert "bootstrap" not in writing.write(tmp_path, subject()).read_text(encoding="utf-8").split("<script")[0]


def test_several_hosts_are_told_of(tmp_path: Path) -> None:
    told = page(tmp_path, subject(hosts=3))
    assert "3 hosts trained it, and this page looks at the rows of the first host" in told
    assert "rows of test (of the first host)" in told
    assert "first host" not in page(tmp_path, subject())


def test_the_page_opens_with_what_was_trained_on_what(tmp_path: Path) -> None:
    text = page(tmp_path, subject("multiclass_classifier", job="digits-2026"))
    lead = re.sub(r"<[^>]*>|\s+", " ", text[text.index('class="lead">') + 13 :]).split(" . ")[0]
    for told in ("multiclass classifier", "5 features", "400 rows of train", "400 rows of test", "logistic", "adam"):
        assert re.search(re.sub(" ", " +", told), lead)
    assert "<strong>digits-2026</strong>" in text
    assert "in the job" not in page(tmp_path, subject())


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.123456, "0.1235"), (0.0, "0"), (740.123, "740.1"), (1149.4, "1,149"), (-1320987.2, "-1,320,987"), (7, "7"),
     (1e9, "1.000e+09"), (3.1590586e-7, "3.159e-07"), (None, "")],
)  # fmt: skip
def test_numbers_have_four_digits_or_all_before_the_point(value: float | None, text: str) -> None:
    assert templates.number(value) == text


def test_coefficients_of_classes_are_told_in_both_units(tmp_path: Path) -> None:
    made = subject("multiclass_classifier")
    text = page(tmp_path, made)
    own = text[text.index("own units, and the biases") :]
    own = own[: own.index("</table>")]
    cells = re.findall(r'<td class="n">([^<]*)</td>', own)
    assert cells[:3] == [templates.number(float(bias)) for bias in made.bias]
    assert sorted(cells[3:]) == sorted(templates.number(float(weight)) for weight in made.weights.ravel())


def test_templates_are_not_compiled_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    templates.compile_templates()
    monkeypatch.setattr(jinja2.Environment, "compile", lambda *_: pytest.fail("compiled"))
    assert "<h1>" in page(tmp_path, subject())


def test_a_package_that_may_not_be_written_to_has_its_page_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(jinja2.FileSystemBytecodeCache, "load_bytecode", lambda *_: None)
    monkeypatch.setattr(jinja2.FileSystemBytecodeCache, "dump_bytecode", refuse)
    assert "<h1>" in page(tmp_path, subject())
