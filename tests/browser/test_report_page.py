"""The report as a reader meets it: on a phone, in the dark, by keyboard, on paper."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from axe_selenium_python import Axe
from selenium.webdriver.common.keys import Keys
from sklearn import metrics
from subjects import candidates, many_classes, some_diverged, speaking, subject

from browser import DESKTOP, PHONE, Browser
from linear_learner.report import writing
from linear_learner.report.subject import Subject

KINDS = ("binary_classifier", "multiclass_classifier", "regressor")
THEMES = ("light", "dark")
HOSTILE = '</script></title><script>alert("x")</script><img src=x onerror=alert(1)>&amp;\'"${7 * 7}\u2028'
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
        thresholds = chromium.run("return details.validation.thresholds")
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

    def test_few_curves_leave_the_drawings(
        self, chromium: Browser, jobs: dict[str, Subject], pages: dict[str, Path]
    ) -> None:
        chromium.open(pages["regressor"])
        found, chosen = jobs["regressor"].candidates, jobs["regressor"].choice.candidate
        losses = np.array([found.train_loss, found.judge_loss])
        expected = [losses.min(), max(np.quantile(losses, 0.95), losses[:, :, chosen].max())]
        assert chromium.run("return lossRange()") == pytest.approx(expected)

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


class TestText:
    def body(self, chromium: Browser, folder: Path, made: Subject) -> str:
        """What a reader sees of the report of a job, everything unfolded."""
        chromium.open(writing.write(folder, made))
        chromium.run("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
        assert chromium.console() == []
        body: str = chromium.run("return document.body.innerText")
        assert not {"undefined", "NaN", "null"} & set(body.split())
        return body

    @pytest.mark.parametrize("kind", KINDS)
    def test_text_of_the_user_stays_text(self, kind: str, chromium: Browser, tmp_path: Path) -> None:
        found = {}
        for text in ("tame", HOSTILE):
            chromium.open(writing.write(tmp_path, speaking(kind, text)))
            assert chromium.console() == []
            elements = "[...document.querySelectorAll('*')]"
            found[text] = chromium.run(f"return {elements}.map((one) => [one.localName, one.getAttributeNames()])")
        assert found[HOSTILE] == found["tame"]
        # Each text of the job has its places, as it is.
        places = {
            "header strong:last-child": HOSTILE, "#data p code": f"{HOSTILE}={HOSTILE}",
            "#data details tr:last-child td": HOSTILE, "footer p": f"{HOSTILE} {HOSTILE}",
            "#findings": f"'{HOSTILE}1'", "#coefficients th[scope=row]": f"{HOSTILE}",
        }  # fmt: skip
        for selector, text in places.items():
            assert text in chromium.run("return document.querySelector(arguments[0]).textContent", selector), selector
        if kind != "regressor":
            assert f"{HOSTILE}1: " in chromium.run("return document.querySelector('.balance-text').textContent")

    def test_it_opens_with_what_was_trained_on_what(self, chromium: Browser, tmp_path: Path) -> None:
        body = self.body(chromium, tmp_path, subject("multiclass_classifier", job="digits-2026"))
        assert body.split("\n")[2] == (
            "A multiclass classifier on 5 features: 400 rows of train, 400 rows of validation, 400 rows of test. "
            "Trained by the loss logistic with the optimizer adam; chosen from 4 candidates after 3 epochs, "
            "in the job digits-2026."
        )
        assert "in the job" not in self.body(chromium, tmp_path, subject())

    def test_several_hosts_are_told_of(self, chromium: Browser, tmp_path: Path) -> None:
        told = self.body(chromium, tmp_path, subject(hosts=3))
        assert "3 hosts trained it, and this page looks at the rows of the first host" in told
        assert "rows of test (of the first host)" in told
        assert "first host" not in self.body(chromium, tmp_path, subject())

    def test_intervals_stand_below_their_metrics(self, chromium: Browser, tmp_path: Path) -> None:
        metrics = {"validation": {"some_metric": [0.7125, 0.7875]}, "test": {}}
        told = {"level": 0.95, "samples": 1000, "threshold": [0.375, 0.4375], "metrics": metrics}
        body = self.body(chromium, tmp_path, subject(intervals=told))
        assert chromium.texts("#choice td") == ["0.7500\n0.7125 to 0.7875", "0.7500"]
        assert "95 % interval of 1000 bootstrap samples" in body
        assert "that of the threshold is 0.3750 to 0.4375" in body
        assert "bootstrap" not in self.body(chromium, tmp_path, subject())

    @pytest.mark.parametrize("kind", KINDS)
    def test_candidates_that_diverged_and_one_epoch(self, kind: str, chromium: Browser, tmp_path: Path) -> None:
        self.body(chromium, tmp_path, some_diverged(kind))
        rows = "#candidate-table tbody tr"
        assert chromium.texts(f"{rows} td:first-child")[-1] == "1"
        assert sorted(chromium.texts(f"{rows} td:last-child")) == ["", "chosen", "diverged"]
        assert chromium.texts(f"{rows}.chosen td:first-child") == ["0"]

    def test_whether_a_candidate_has_a_raw_penalty_is_told_by_1_and_0(self, chromium: Browser, tmp_path: Path) -> None:
        made = candidates()
        settings = [{**setting, "raw_penalty": k % 2 == 1} for k, setting in enumerate(made.settings)]
        self.body(chromium, tmp_path, subject(candidates=made._replace(settings=settings)))
        expected = [str(int(number) % 2) for number in chromium.texts("#candidate-table td:first-child")]
        at = chromium.texts("#candidate-table th").index("raw_penalty") + 1
        cells = f"#candidate-table td:nth-child({at})"
        assert chromium.texts(cells) == expected
        assert chromium.run(f"return [...document.querySelectorAll('{cells}')].map((c) => c.dataset.value)") == expected

    def test_of_many_candidates_the_best_are_told(self, chromium: Browser, tmp_path: Path) -> None:
        body = self.body(chromium, tmp_path, subject(candidates=candidates(300, 2)))
        assert "The best 100 of 300 candidates" in body
        assert len(chromium.texts("#candidate-table tbody tr")) == 100

    def test_of_many_classes_some_are_told(self, chromium: Browser, tmp_path: Path) -> None:
        body = self.body(chromium, tmp_path, many_classes())
        assert "validation, by class (the 50 with the most rows)" in body
        assert len(chromium.texts("#classes .sortable tbody tr")) == 50
        assert "class 9: 1 (0.1%), …" in body and "class 10: 1" not in body
        assert all(text.startswith("class ") for text in chromium.texts("#coefficients td:nth-child(2)"))

    def test_coefficients_of_classes_are_told_in_both_units(self, chromium: Browser, tmp_path: Path) -> None:
        made = subject("multiclass_classifier")
        self.body(chromium, tmp_path, made)
        cells = [float(text) for text in chromium.texts("#coefficients details td")]
        assert cells[:3] == pytest.approx(made.bias)
        assert sorted(cells[3:]) == pytest.approx(np.sort(made.weights, axis=None), rel=1e-3)

    @pytest.mark.parametrize(
        ("value", "text"),
        [(0.123456, "0.1235"), (0.0, "0"), (740.123, "740.1"), (1149.4, "1,149"), (-1320987.2, "-1,320,987"),
         (1e9, "1.000e+9"), (3.1590586e-7, "3.159e-7"), (0.00025, "0.0002500"), (None, "")],
    )  # fmt: skip
    def test_numbers_have_four_digits_or_all_before_the_point(
        self, value: float | None, text: str, chromium: Browser, pages: dict[str, Path]
    ) -> None:
        chromium.open(pages["regressor"])
        assert chromium.run("return number(arguments[0])", value) == text


def test_without_scripts_it_says_what_it_needs(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        chromium.open(pages["regressor"])
        assert "metrics.json" in chromium.find("noscript").text
    finally:
        chromium.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
