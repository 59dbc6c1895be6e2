"""The sentence of an error, and who is told to mend it."""

from __future__ import annotations

import pytest

from linear_learner.errors import AlgorithmError, ClientError, LinearLearnerError, PlatformError, UnsupportedContentType


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ClientError("Label 3 is too large"), "Label 3 is too large"),
        (ClientError("Label 3 is too large", where="row 4"), "Label 3 is too large (row 4)"),
        (ClientError("Label 3 is too large.", where="row 4"), "Label 3 is too large (row 4)"),
        (ClientError("The labels are 0, 1, ...", where="row 4"), "The labels are 0, 1, ... (row 4)"),
        (ClientError("Label 3 is too large", fix="drop it"), "Label 3 is too large. Drop it"),
        (ClientError("Label 3 is too large!", fix="drop it"), "Label 3 is too large! Drop it"),
        (ClientError("Label 3 is too large", where="row 4", fix="drop it"), "Label 3 is too large (row 4). Drop it"),
        (ClientError("wd is wrong", fix="set wd"), "wd is wrong. Set wd"),
    ],
)
def test_an_error_says_what_where_and_how_to_fix_it(error: ClientError, text: str) -> None:
    assert str(error) == text


@pytest.mark.parametrize(
    ("kind", "exit_code", "prefix"),
    [
        (ClientError, 2, "Customer Error"),
        (AlgorithmError, 1, "Algorithm Error"),
        (PlatformError, 3, "Platform Error"),
        (LinearLearnerError, 1, "Algorithm Error"),
    ],
)
def test_exit_codes_and_prefixes_are_amazons(kind: type[LinearLearnerError], exit_code: int, prefix: str) -> None:
    assert (kind.exit_code, kind.prefix) == (exit_code, prefix)


def test_the_parts_of_an_error_can_be_told_apart() -> None:
    error = ClientError("what", where="where", fix="fix")
    assert (error.message, error.where, error.fix) == ("what", "where", "fix")


def test_an_unsupported_content_type_is_the_clients_and_names_what_there_is() -> None:
    error = UnsupportedContentType("text/html", supported={"text/csv", "application/json"}, where="channel 'train'")
    assert isinstance(error, ClientError)
    assert error.content_type == "text/html"
    assert str(error) == (
        "No iterator has been registered for ContentType ('text/html', '1.0') (channel 'train'). "
        "Use one of: application/json, text/csv"
    )
