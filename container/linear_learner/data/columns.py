"""What all rows of a channel have in common."""

from __future__ import annotations

from collections.abc import Mapping

from linear_learner.data.dataset import differing_names
from linear_learner.errors import ClientError
from linear_learner.formats.batch import Batch
from linear_learner.formats.csr import CsrMatrix

_SHOWN_COLUMNS = 20


class Columns:
    """The columns of channel ``channel``, as far as its batches have shown them. ``names`` are those of the headers.
    Where ``width_is_open``, rows to come may need more than ``width`` columns; it ``grows`` where that was ever so.

    ``feature_dim`` is that hyperparameter, where the user set it.
    """

    def __init__(self, channel: str, feature_dim: int | None) -> None:
        self.width: int | None = None
        self.width_is_open = False
        self.grows = False
        self.names: tuple[str, ...] | None = None
        self._channel = channel
        self._feature_dim = feature_dim
        self._named_in = ""
        self._sparse: bool | None = None

    def check(self, batch: Batch) -> None:
        """ClientError unless the batch has the columns of those before it."""
        if batch.width_is_open:
            self.width = max(self.width or 0, batch.feature_dim)
            self.width_is_open = self.grows = True
        if self.width is None:
            self._check_feature_dim(batch)
            self.width = batch.feature_dim
        if not batch.width_is_open and batch.feature_dim != self.width:
            raise unreadable(
                self._channel,
                f"The rows have {batch.feature_dim} features, those of the files before have {self.width}",
                where=batch.where(0) if len(batch) else batch.source,
                fix="Please give all files of a channel the same columns",
            )
        self._check_kind(batch)
        self._check_names(batch)

    def close(self) -> None:
        """All rows were seen: their width is that of the channel. ClientError if no row has a value."""
        if not self.width:
            raise unreadable(
                self._channel,
                "Its rows have labels but no values, so that there are no features",
                where=f"channel '{self._channel}'",
                fix="set feature_dim, or give rows with values",
            )
        self.width_is_open = False

    def _check_kind(self, batch: Batch) -> None:
        """Dense rows are unbiased and sparse ones are not, so that rows of one channel are of one kind."""
        sparse = isinstance(batch.features, CsrMatrix)
        if self._sparse not in (None, sparse):
            kinds = ("sparse", "dense") if sparse else ("dense", "sparse")
            raise unreadable(
                self._channel,
                f"The rows are {kinds[0]}, those of the files before are {kinds[1]}",
                where=batch.where(0) if len(batch) else batch.source,
                fix="Please write all files of a channel in one form",
            )
        self._sparse = sparse

    def _check_names(self, batch: Batch) -> None:
        """Files without a header are taken to have the columns of the others."""
        if self.names is None and batch.feature_names is not None:
            self.names, self._named_in = batch.feature_names, batch.source
        problem = differing_names(self.names, batch.feature_names)
        if problem:
            raise unreadable(
                self._channel,
                f"Its headers differ from file to file: {problem}",
                where=f"{self._named_in}; {batch.source}",
                fix="Please give all files of a channel the same columns in the same order",
            )

    def _check_feature_dim(self, batch: Batch) -> None:
        if self._feature_dim not in (None, batch.feature_dim):
            name = self._channel
            raise ClientError(
                f"Incorrect configuration or {name} dataset provided. The value of feature_dim hyperparameter "
                f"'{self._feature_dim}' doesn't match {name} data dimensionality '{batch.feature_dim}'",
                where=batch.source,
                fix=f"Please set feature_dim to the number of features in {name} dataset",
            )


def unseen_notice(what: str, unseen: Mapping[str, int]) -> str:
    """A sentence about cells that are of no level of their column, ``unseen`` by its name; "" if there are none.
    ``what``: whose cells, such as "Channel 'train'"."""
    if not unseen:
        return ""
    named = ", ".join(f"{count} in '{name}'" for name, count in list(unseen.items())[:_SHOWN_COLUMNS])
    more = ", ..." if len(unseen) > _SHOWN_COLUMNS else ""
    return f"{what} has unseen categories: {named}{more}. They are 0 in all features of their column."


def unreadable(channel: str, problem: str, *, where: str, fix: str) -> ClientError:
    """Of bytes that are not the rows they should be."""
    return ClientError(f"Unable to read data channel '{channel}'. {problem}", where=where, fix=fix)
