from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.preprocessing import StandardScaler

from linear_learner.formats.csr import CsrMatrix, Rows
from linear_learner.model import scaler
from linear_learner.model.scaler import Moments, Scaler, measure, of_measures, sample_rows
from linear_learner.native import columns as native

ALL_ON = {"normalize_data": True, "unbias_data": True, "normalize_label": True, "unbias_label": True}
STEP = float(np.finfo(np.float32).eps)


def fit(features: Rows, labels: np.ndarray, **switches: bool) -> Scaler:
    return of_measures(measure(features), measure(labels.reshape(-1, 1)), **switches)


def table(rows: int = 200, feature_dim: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Columns of different means and sizes, and a label."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(rows, feature_dim)) * 10.0 ** np.arange(feature_dim) + [3, -50, 0, 1e4][:feature_dim]
    return features.astype(np.float32), random.normal(100, 7, size=rows).astype(np.float32)


class TestFit:
    def test_is_the_mean_and_population_std_of_scikit_learn(self) -> None:
        features, labels = table()
        fitted = fit(features, labels, **ALL_ON)
        expected = StandardScaler().fit(features.astype(np.float64))
        assert_allclose(fitted.mean, expected.mean_, rtol=STEP)
        assert_allclose(fitted.std, expected.scale_, rtol=STEP)
        assert fitted.label_mean == pytest.approx(labels.mean(dtype=np.float64), rel=STEP)
        assert fitted.label_std == pytest.approx(labels.std(dtype=np.float64), rel=STEP)

    def test_a_rare_column_has_the_std_that_amazons_log_shows_for_it(self) -> None:
        column = np.zeros((200, 1), np.float32)
        column[:14] = 1
        fitted = fit(column, column[:, 0], **ALL_ON)
        assert f"{fitted.mean[0]:.2f}" == "0.07"
        assert f"{fitted.std[0]:.6f}" == "0.255147"

    @pytest.mark.parametrize("switched_off", list(ALL_ON))
    def test_each_switch_leaves_its_number_neutral_and_the_others_alone(self, switched_off: str) -> None:
        features, labels = table()
        full = fit(features, labels, **ALL_ON)
        found = fit(features, labels, **{**ALL_ON, switched_off: False})
        neutral = {
            "normalize_data": ("std", np.ones(4)),
            "unbias_data": ("mean", np.zeros(4)),
            "normalize_label": ("label_std", 1.0),
            "unbias_label": ("label_mean", 0.0),
        }
        name, value = neutral[switched_off]
        for each in ("mean", "std", "label_mean", "label_std"):
            assert_array_equal(getattr(found, each), value if each == name else getattr(full, each))


class TestConstantColumns:
    @pytest.mark.parametrize(("value", "scale"), [(0.0, 1.0), (0.1, 1.0), (1.0, 1.0), (-7.0, 7.0), (1e9, 1e9)])
    def test_a_constant_column_is_scaled_by_its_magnitude_from_1_on(self, value: float, scale: float) -> None:
        column = np.full((1000, 1), value, np.float32)
        fitted = fit(column, column[:, 0], **ALL_ON)
        assert fitted.std[0] == np.float32(scale)
        assert not fitted.transform(column).any()

    def test_a_constant_label_is_scaled_alike(self) -> None:
        column = np.full((10, 1), 1e6, np.float32)
        assert fit(column, column[:, 0], **ALL_ON).label_std == 1e6

    def test_noise_of_one_rounding_step_counts_as_constant(self) -> None:
        column = np.full((1000, 1), 1e9, np.float32)
        column[::3] = np.nextafter(column[0], np.float32(np.inf))
        assert fit(column, column[:, 0], **ALL_ON).std[0] == pytest.approx(1e9)

    def test_a_small_variation_that_float32_can_tell_is_kept(self) -> None:
        noise = np.random.default_rng(0).normal(0, 3000, size=(1000, 1))
        column = (1e9 + noise).astype(np.float32)
        fitted = fit(column, column[:, 0], **ALL_ON)
        assert fitted.std[0] == pytest.approx(column.astype(np.float64).std(), rel=1e-6)
        normalised = fitted.transform(column)
        assert abs(normalised.mean()) < 0.02
        assert normalised.std() == pytest.approx(1, rel=1e-3)

    def test_numbers_too_small_for_a_normal_float32_count_as_constant(self) -> None:
        column = np.array([[1e-42], [3e-42]], np.float32)
        assert fit(column, column[:, 0], **ALL_ON).std[0] == 1

    def test_the_weight_of_a_constant_column_does_no_harm_to_a_prediction(self) -> None:
        features, labels = table(rows=50)
        features[:, 1] = 1e9
        fitted = fit(features, labels, **{**ALL_ON, "normalize_label": False, "unbias_label": False})
        weights = np.full((4, 1), 0.07, np.float32)
        raw_weights, raw_bias = fitted.fold(weights, np.zeros(1, np.float32))
        expected = fitted.transform(features) @ weights
        assert_allclose(features @ raw_weights + raw_bias, expected, atol=1e-5)

    def test_without_a_shift_a_constant_column_acts_as_a_bias(self) -> None:
        column = np.full((10, 1), 1e9, np.float32)
        fitted = fit(column, column[:, 0], **{**ALL_ON, "unbias_data": False})
        assert_array_equal(fitted.transform(column), np.ones((10, 1)))


class TestMoments:
    @given(
        arrays.arrays(
            np.float32, st.tuples(st.integers(1, 30), st.integers(1, 5)), elements=st.floats(-1e6, 1e6, width=32)
        ),
        st.integers(1, 30),
    )
    def test_any_cut_into_blocks_gives_the_two_pass_result(self, rows: np.ndarray, cut: int) -> None:
        moments = Moments(rows.shape[1])
        for start in range(0, len(rows), cut):
            moments.add(rows[start : start + cut])
        exact = rows.astype(np.longdouble)
        assert moments.count == len(rows)
        assert_allclose(moments.mean, exact.mean(axis=0).astype(np.float64), rtol=1e-12, atol=1e-9)
        assert_allclose(moments.std, exact.std(axis=0).astype(np.float64), rtol=1e-7, atol=1e-9)

    def test_a_mean_that_is_large_beside_the_std_costs_no_digits(self) -> None:
        rows = 1e9 + np.random.default_rng(0).normal(size=(100_000, 1))
        moments = Moments(1)
        for block in np.split(rows, 100):
            moments.add(block)
        assert moments.std[0] == pytest.approx(float((rows - 1e9).std()), rel=1e-9)

    def test_large_arrays_are_worked_through_in_blocks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        features, _ = table()
        whole = Moments(4)
        whole.add(features)
        monkeypatch.setattr(scaler, "BLOCK_VALUES", 12)
        parts = Moments(4)
        parts.add(features)
        assert_allclose(parts.mean, whole.mean, rtol=1e-13)
        assert_allclose(parts.std, whole.std, rtol=1e-13)


class TestTransform:
    @pytest.mark.parametrize("block", [1, 9, 1 << 16])
    def test_gives_mean_0_and_std_1(self, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
        features, labels = table()
        monkeypatch.setattr(scaler, "BLOCK_VALUES", block)
        monkeypatch.setattr(native, "can_take", lambda _: False)
        fitted = fit(features, labels, **ALL_ON)
        normalised = fitted.transform(features)
        assert normalised.dtype == np.float32
        assert_allclose(normalised.mean(axis=0), 0, atol=1e-5)
        assert_allclose(normalised.std(axis=0), 1, rtol=1e-5)

    def test_leaves_its_input_alone_unless_told_to_work_in_place(self) -> None:
        features, labels = table()
        before = features.copy()
        fitted = fit(features, labels, **ALL_ON)
        normalised = fitted.transform(features)
        assert_array_equal(features, before)
        assert fitted.transform(features, in_place=True) is features
        assert_array_equal(features, normalised)

    def test_rows_that_lie_apart_in_memory_come_out_contiguous(self) -> None:
        features, labels = table()
        wide = np.hstack([labels[:, None], features])
        fitted = fit(features, labels, **ALL_ON)
        normalised = fitted.transform(wide[:, 1:])
        assert normalised.flags.c_contiguous
        assert_array_equal(normalised, fitted.transform(features))

    @pytest.mark.parametrize("by_library", [True, False])
    @pytest.mark.parametrize("shape", [(1, 1), (50_001, 3), (3_001, 700), (7, 3_000)])
    def test_every_row_is_shifted_and_scaled(
        self, shape: tuple[int, int], by_library: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if not by_library:
            monkeypatch.setattr(native, "can_take", lambda _: False)
        features = np.random.default_rng(0).normal(5, 100, shape).astype(np.float32)
        fitted = fit(features, features[:, 0], **ALL_ON)
        assert_array_equal(fitted.transform(features), (features - fitted.mean) / fitted.std)

    def test_without_shift_and_scale_passes_a_copy(self) -> None:
        features, labels = table()
        fitted = fit(features, labels, **{**ALL_ON, "normalize_data": False, "unbias_data": False})
        assert fitted.is_identity
        passed = fitted.transform(features)
        assert_array_equal(passed, features)
        assert not np.shares_memory(passed, features)

    def test_labels(self) -> None:
        fitted = Scaler(np.zeros(1, np.float32), np.ones(1, np.float32), label_mean=10, label_std=4)
        labels = fitted.transform_labels(np.array([2, 10, 16], np.float32))
        assert labels.dtype == np.float32
        assert labels.tolist() == [-2, 0, 1.5]


finite = st.floats(-1e4, 1e4, width=32)
positive = st.floats(2.0**-10, 2.0**10, width=32)


@st.composite
def scalers_and_models(draw: st.DrawFn) -> tuple[Scaler, np.ndarray, np.ndarray, np.ndarray]:
    """(scaler, weights (d, C), bias (C,), features (n, d))."""
    d, outputs, n = draw(st.integers(1, 6)), draw(st.integers(1, 3)), draw(st.integers(1, 5))

    def array(shape: tuple[int, ...], elements: st.SearchStrategy[float]) -> np.ndarray:
        return draw(arrays.arrays(np.float32, shape, elements=elements))

    drawn = Scaler(array((d,), finite), array((d,), positive), draw(finite), draw(positive))
    small = st.floats(-100, 100, width=32)
    return drawn, array((d, outputs), small), array((outputs,), small), array((n, d), finite)


class TestFold:
    @given(scalers_and_models())
    def test_the_raw_model_answers_what_the_scaled_one_does_in_raw_label_units(
        self, case: tuple[Scaler, np.ndarray, np.ndarray, np.ndarray]
    ) -> None:
        drawn, weights, bias, features = case
        raw_weights, raw_bias = drawn.fold(weights, bias)
        assert raw_weights.dtype == raw_bias.dtype == np.float32
        # Both sides in float64: what is left is one rounding of each number that fold returns.
        x = features.astype(np.float64)
        scaled = (x - drawn.mean) / drawn.std.astype(np.float64) @ weights.astype(np.float64) + bias
        expected = drawn.label_std * scaled + drawn.label_mean
        rounding = np.abs(x - drawn.mean) @ np.abs(raw_weights.astype(np.float64)) + np.abs(raw_bias)
        found = x @ raw_weights.astype(np.float64) + raw_bias
        assert (np.abs(found - expected) <= STEP / 2 * rounding * 1.001 + 1e-30).all()

    def test_no_shift_enters_where_nothing_is_unbiased(self) -> None:
        features, labels = table()
        switches = {**ALL_ON, "unbias_data": False, "unbias_label": False, "normalize_label": False}
        bias = np.array([0.3, 0.0], np.float32)
        _, raw_bias = fit(features, labels, **switches).fold(np.ones((4, 2), np.float32), bias)
        assert_array_equal(raw_bias, bias)

    def test_a_raw_weight_beyond_float32_is_infinite_and_not_a_warning(self) -> None:
        tiny = Scaler(np.zeros(1, np.float32), np.full(1, 1e-37, np.float32))
        raw_weights, _ = tiny.fold(np.full((1, 1), 100, np.float32), np.zeros(1, np.float32))
        assert np.isinf(raw_weights).all()


class TestSampleRows:
    @given(st.integers(0, 5000), st.integers(1, 5000))
    def test_picks_one_row_of_each_equal_stretch(self, rows: int, wanted: int) -> None:
        sample = sample_rows(rows, wanted)
        assert len(sample) == min(rows, wanted)
        if rows:
            stretch = rows / len(sample)
            place = sample - np.arange(len(sample)) * stretch
            assert ((place > -1) & (place < stretch)).all()
            assert (np.diff(sample) > 0).all()
            assert 0 <= sample[0] <= sample[-1] < rows
        assert_array_equal(sample, sample_rows(rows, wanted))

    def test_all_rows_where_there_are_few(self) -> None:
        assert_array_equal(sample_rows(5, 10_000), np.arange(5))

    def test_data_that_alternates_is_no_trap(self) -> None:
        kinds = sample_rows(20_000, 10_000) % 2
        assert 0.45 < kinds.mean() < 0.55


def rare_and_frequent() -> np.ndarray:
    """float32 (400, 6): columns that hold something in all rows, some, few, and none."""
    random = np.random.default_rng(7)
    held = random.random((400, 6)) < [1, 0.5, 0.1, 0.01, 1, 0]
    return np.where(held, random.normal(3, 2, (400, 6)), 0).astype(np.float32)


class TestSparseRows:
    DENSE = rare_and_frequent().astype(np.float64)
    ROWS = CsrMatrix.from_dense(rare_and_frequent())

    @staticmethod
    def fitted(features: CsrMatrix, **given: bool) -> Scaler:
        flags = {"normalize_data": True, "unbias_data": True, "normalize_label": False, "unbias_label": False} | given
        return fit(features, np.zeros(len(features), np.float32), **flags)

    def test_moments_are_those_of_the_dense_rows(self) -> None:
        moments = Moments(6)
        for start in range(0, 400, 150):
            moments.add(self.ROWS[start : start + 150])
        assert_allclose(moments.mean, self.DENSE.mean(axis=0), rtol=1e-6)
        assert_allclose(moments.std, self.DENSE.std(axis=0), rtol=1e-6)

    def test_a_column_that_every_row_holds_is_scaled_by_its_population_std(self) -> None:
        assert_allclose(self.fitted(self.ROWS).std[[0, 4]], self.DENSE.std(axis=0)[[0, 4]], rtol=1e-5)

    def test_squared_deviations_of_a_rare_column_are_shared_by_the_rows_that_hold_it(self) -> None:
        held = np.count_nonzero(self.DENSE, axis=0)
        deviations = ((self.DENSE - self.DENSE.mean(axis=0)) ** 2).sum(axis=0)
        assert_allclose(self.fitted(self.ROWS).std[1:4], np.sqrt(deviations / held.clip(1))[1:4], rtol=1e-5)

    def test_values_are_scaled_and_not_shifted(self) -> None:
        fitted = self.fitted(self.ROWS)
        assert not fitted.mean.any()
        assert fitted.std[5] == 1  # of a column that holds nothing
        normalised = fitted.transform(self.ROWS)
        assert_array_equal(normalised.indices, self.ROWS.indices)
        assert_allclose(normalised.toarray(), self.DENSE / fitted.std, rtol=1e-5)

    def test_rows_may_be_written_over(self) -> None:
        rows = CsrMatrix.from_dense(rare_and_frequent())
        fitted = self.fitted(rows)
        expected = fitted.transform(rows).values
        assert fitted.transform(rows, in_place=True).values is rows.values
        assert_array_equal(rows.values, expected)

    def test_the_folded_model_answers_the_same_on_raw_rows(self) -> None:
        fitted, rng = self.fitted(self.ROWS), np.random.default_rng(0)
        weights, bias = rng.normal(size=(6, 2)).astype(np.float32), rng.normal(size=2).astype(np.float32)
        raw_weights, raw_bias = fitted.fold(weights, bias)
        assert_allclose(
            self.ROWS @ raw_weights + raw_bias, fitted.transform(self.ROWS) @ weights + bias, rtol=1e-4, atol=1e-5
        )

    def test_stored_zeros_are_as_good_as_none(self) -> None:
        columns = np.tile(np.arange(6, dtype=np.int32), 400)
        stored = CsrMatrix(np.arange(0, 2401, 6), columns, self.ROWS.toarray().ravel(), (400, 6))
        assert_array_equal(self.fitted(stored).std, self.fitted(self.ROWS).std)


@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_unfold_undoes_fold(seed: int, outputs: int) -> None:
    random = np.random.default_rng(seed)
    mean, std = random.normal(0, 10, 5), random.uniform(0.1, 100, 5)
    fitted = Scaler(mean.astype(np.float32), std.astype(np.float32), random.normal(0, 50), random.uniform(0.1, 20))
    weights, bias = random.normal(size=(5, outputs)), random.normal(size=outputs)
    found = fitted.unfold(*fitted.fold(weights, bias))
    assert_allclose(found[0], weights, rtol=1e-6)
    # The bias is what is left of far larger numbers, each of them rounded.
    assert_allclose(found[1], bias, atol=1e-4 * (1 + abs(fitted.label_mean)) / fitted.label_std)
