from __future__ import annotations

import pytest

from linear_learner.errors import UnsupportedContentType
from linear_learner.formats import CHANNEL_DECODERS, SHARED_DECODERS, decoder_for, parquet, recordio_protobuf, text_csv


@pytest.mark.parametrize("content_type", ["text/csv", "Text/CSV; label_size=1", "csv"])
def test_csv_goes_by_many_names(content_type: str) -> None:
    assert decoder_for(content_type) is text_csv.decode


def test_recordio_has_its_decoder() -> None:
    assert decoder_for("application/x-recordio-protobuf") is recordio_protobuf.decode


def test_parquet_is_a_format_of_channels_alone() -> None:
    assert decoder_for("parquet") is parquet.decode
    assert "application/x-parquet" not in SHARED_DECODERS


def test_another_name_is_refused_in_amazons_words() -> None:
    with pytest.raises(UnsupportedContentType) as raised:
        decoder_for("text/tsv", where="channel 'train'")
    assert str(raised.value) == (
        "No iterator has been registered for ContentType ('text/tsv', '1.0') (channel 'train'). "
        "Use one of: application/x-parquet, application/x-recordio-protobuf, text/csv, text/libsvm"
    )


def test_every_decoder_goes_by_a_plain_lower_case_name() -> None:
    assert all(name == name.lower() and ";" not in name for name in CHANNEL_DECODERS)
