"""The report as a reader meets it: on a phone, in the dark, by keyboard, on paper."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from axe_selenium_python import Axe
from selenium.webdriver.common.keys import Keys
from sklearn import metrics

from browser import DESKTOP, PHONE, Browser
from linear_learner.report.subject import Subject

KINDS = ("binary_classifier", "multiclass_classifier", "regressor")
THEMES = ("light", "dark")
CELLS = ("true_negatives", "false_positives", "false_negatives", "true_positives")


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_wider_than_the_window_and_the_console_is_quiet(
    kind: str, width: int, chromium: Browser, pages: dict[str, Path]
) -> None:
    chromium.open(pages[kind], width=width)
    chromium.run("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    # On a desktop the scroll bar takes a little of the window.
    inner, outer = chromium.run("const page = document.documentElement; return [page.scrollWidth, page.clientWidth]")
    assert inner <= outer <= width
    assert chromium.console() == []
    assert len(chromium.requests()) == 1  # the page itself


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("kind", KINDS)
def test_axe_has_nothing_against_it(kind: str, theme: str, chromium: Browser, pages: dict[str, Path]) -> None:
    """Contrast, names of controls, headers of tables and the rest of WCAG that a program can judge."""
    chromium.open(pages[kind], theme=theme)
    chromium.run("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    axe = Axe(chromium.driver)
    axe.inject()
    found = axe.run()
    assert found["violations"] == [], axe.report(found["violations"])


def test_the_two_themes_differ_and_paper_is_light(chromium: Browser, pages: dict[str, Path]) -> None:
    colours = {}
    for theme, media in (("light", "screen"), ("dark", "screen"), ("dark", "print")):
        chromium.open(pages["regressor"], theme=theme, media=media)
        colours[theme, media] = chromium.run("return getComputedStyle(document.body).backgroundColor")
    assert colours["light", "screen"] != colours["dark", "screen"]
    assert colours["dark", "print"] == "rgb(255, 255, 255)"


@pytest.mark.parametrize("kind", KINDS)
def test_it_prints(kind: str, chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.open(pages[kind], media="print")
    assert not chromium.find("nav").is_displayed()
    assert chromium.pdf().startswith(b"%PDF")


class TestSlider:
    """One threshold for all channels, by keyboard."""

    @pytest.mark.parametrize("width", [PHONE, DESKTOP])
    def test_it_moves_the_matrices(
        self, width: int, chromium: Browser, jobs: dict[str, Subject], pages: dict[str, Path]
    ) -> None:
        job = jobs["binary_classifier"]
        chromium.open(pages["binary_classifier"], width=width)
        thresholds = json.loads(chromium.run("return document.getElementById('numbers').textContent"))["thresholds"]
        slider = chromium.find("#slider")
        assert thresholds[int(slider.get_property("value"))] == job.threshold
        places = []
        for keys in ([], [Keys.ARROW_RIGHT], [Keys.PAGE_UP] * 3, [Keys.END], [Keys.ARROW_LEFT] * 4, [Keys.HOME]):
            slider.send_keys(*keys)
            places.append(int(slider.get_property("value")))
            threshold = thresholds[places[-1]]
            for channel in ("validation", "test"):
                scored = job.scored[channel]
                called = scored.scores.astype(float) >= threshold
                expected = metrics.confusion_matrix(scored.labels, called, labels=[0, 1]).ravel()
                matrix = f'.matrix[data-channel="{channel}"]'
                found = [chromium.find(f"{matrix} [data-cell={cell}]").text.replace(",", "") for cell in CELLS]
                assert list(map(int, found)) == expected.tolist()
                recall = metrics.recall_score(scored.labels, called)
                assert float(chromium.find(f"{matrix} [data-ratio=recall]").text) == pytest.approx(recall, abs=6e-5)
            assert float(chromium.find("#threshold-value").text) == pytest.approx(threshold, rel=1e-3)
            assert slider.get_attribute("aria-valuetext") == chromium.find("#threshold-value").text
        assert places[3] == len(thresholds) - 1 and places[5] == 0 and len(set(places)) == 6

    def test_it_moves_the_dots_along_the_curves(self, chromium: Browser, pages: dict[str, Path]) -> None:
        """The dot of the ROC stands at (1, 1) when all rows are positive, and at (0, 0) when none is."""
        chromium.open(pages["binary_classifier"])
        slider, dot = chromium.find("#slider"), chromium.find("circle.marker.judge")
        places = []
        for key in (Keys.HOME, Keys.END):
            slider.send_keys(key)
            places.append([float(dot.get_attribute(name) or "") for name in ("cx", "cy")])
        line = chromium.find("#threshold polyline.judge").get_attribute("points") or ""
        corners = [[float(x) for x in point.split(",")] for point in line.split()]
        assert places == [corners[0], corners[-1]]
        assert places[0][0] > places[1][0] == 0 and places[1][1] > places[0][1] == 0

    def test_the_button_brings_the_chosen_one_back(
        self, chromium: Browser, jobs: dict[str, Subject], pages: dict[str, Path]
    ) -> None:
        chromium.open(pages["binary_classifier"])
        before = chromium.texts("[data-cell]")
        chromium.find("#slider").send_keys(Keys.HOME)
        assert chromium.texts("[data-cell]") != before
        chromium.find("#reset").send_keys(Keys.ENTER)
        assert chromium.texts("[data-cell]") == before
        assert float(chromium.find("#threshold-value").text) == jobs["binary_classifier"].threshold


class TestCandidates:
    def column(self, chromium: Browser, number: int) -> list[float]:
        cells = f"#candidate-table tbody td:nth-child({number})"
        values = chromium.run(f"return [...document.querySelectorAll('{cells}')].map((cell) => cell.dataset.value)")
        return list(map(float, values))

    def test_pressing_a_heading_sorts_and_pressing_it_again_turns_it_round(
        self, chromium: Browser, jobs: dict[str, Subject], pages: dict[str, Path]
    ) -> None:
        chromium.open(pages["regressor"])
        losses = jobs["regressor"].candidates.values
        headings = chromium.texts("#candidate-table thead th")
        assert headings[:4] == ["candidate", "loss", "best epoch", "learning_rate"]
        assert self.column(chromium, 2) == pytest.approx(np.sort(losses))
        for number, values in (
            (1, np.arange(32)),
            (2, losses),
            (4, [s["learning_rate"] for s in jobs["regressor"].candidates.settings]),
        ):
            heading = f"#candidate-table th:nth-child({number})"
            for direction in ("ascending", "descending"):
                chromium.find(f"{heading} button").send_keys(Keys.ENTER)
                expected = np.sort(values)[:: 1 if direction == "ascending" else -1]
                assert self.column(chromium, number) == pytest.approx(expected)
                assert chromium.find(heading).get_attribute("aria-sort") == direction
        assert len(chromium.texts("#candidate-table th[aria-sort]")) == 1

    def test_pressing_a_number_shows_its_curves(self, chromium: Browser, pages: dict[str, Path]) -> None:
        chromium.open(pages["regressor"])
        button = chromium.find('button[data-candidate="7"]')
        shown = []
        for _ in range(3):
            shown.append(
                (button.get_attribute("aria-pressed"), len(chromium.texts("polyline.shown[data-candidate='7']")))
            )
            button.send_keys(Keys.SPACE)
        assert shown == [("false", 0), ("true", 2), ("false", 0)]
        assert not chromium.texts("polyline.shown:not([data-candidate='7'])")


def test_coefficients_sort_by_size_and_names_are_as_in_the_data(
    chromium: Browser, jobs: dict[str, Subject], pages: dict[str, Path]
) -> None:
    chromium.open(pages["regressor"])
    names = jobs["regressor"].names
    assert names is not None
    rows = "#coefficients tbody tr"
    sizes = [abs(float(text)) for text in chromium.texts(f"{rows} td:nth-child(2)")]
    assert sizes == sorted(sizes, reverse=True)
    chromium.find("#coefficients th:last-child button").click()
    assert chromium.texts(f"{rows} th") == list(names)
