"""The document's takes as a list model: what is searched for, newest first."""

from typing import Tuple

from impasto_studio.texts import tr
from impasto_studio.view import TakeView

from ..qt import QtCore
from .parts import plain_tip

__all__ = ["TAKE", "HistoryModel"]

TAKE = QtCore.Qt.ItemDataRole.UserRole  # the TakeView itself


class HistoryModel(QtCore.QAbstractListModel):
    """Filtered here and not by a proxy: one pass over frozen values is all it takes."""

    def __init__(self, parent: QtCore.QObject) -> None:
        super().__init__(parent)
        self._all: Tuple[TakeView, ...] = ()
        self._shown: Tuple[TakeView, ...] = ()
        self._words: Tuple[str, ...] = ()
        self._favourites = False

    def show_takes(self, takes: Tuple[TakeView, ...]) -> None:
        if takes is not self._all:
            self._all = takes
            self._filter()

    def search(self, text: str, favourites: bool) -> None:
        words = tuple(text.casefold().split())
        if (words, favourites) != (self._words, self._favourites):
            self._words, self._favourites = words, favourites
            self._filter()

    def total(self) -> int:
        return len(self._all)

    def tallest(self) -> float:
        """The largest height by width of what is shown."""
        return max((take.box.height / max(1, take.box.width) for take in self._shown), default=1.0)

    def of_job(self, job: str) -> int:
        """How many takes of this job there are, shown or not."""
        return sum(take.job == job for take in self._all)

    def _fits(self, take: TakeView) -> bool:
        if self._favourites and not take.favourite:
            return False
        text = f"{take.prompt} {take.seed}".casefold()
        return all(word in text for word in self._words)

    def _filter(self) -> None:
        """New takes slide in at the top; the place in the list is kept."""
        filtered = tuple(take for take in self._all if self._fits(take))
        old, new = _keys(self._shown), _keys(filtered)
        added = len(new) - len(old)
        if new == old:
            changed = [row for row, pair in enumerate(zip(self._shown, filtered)) if pair[0] is not pair[1]]
            self._shown = filtered
            if changed:
                self.dataChanged.emit(self.index(changed[0], 0), self.index(changed[-1], 0))
        elif added > 0 and new[added:] == old:
            self.beginInsertRows(QtCore.QModelIndex(), 0, added - 1)
            self._shown = filtered
            self.endInsertRows()
        else:
            self.beginResetModel()
            self._shown = filtered
            self.endResetModel()

    def rowCount(self, parent: QtCore.QModelIndex = QtCore.QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._shown)

    def data(self, index: QtCore.QModelIndex, role: int = TAKE) -> object:
        if not index.isValid() or index.row() >= len(self._shown):
            return None
        take, roles = self._shown[index.row()], QtCore.Qt.ItemDataRole
        if role == TAKE:
            return take
        if role == roles.ToolTipRole:
            return plain_tip(describe(take))
        if role == roles.AccessibleTextRole:
            return describe(take)
        return None


def describe(take: TakeView) -> str:
    """Prompt and seed, and what is known besides."""
    lines = [take.prompt.strip() or tr("(no prompt)"), tr("Seed {seed}", seed=take.seed)]
    if take.applied:
        lines.append(tr("Applied"))
    return "\n".join(lines)


def _keys(takes: Tuple[TakeView, ...]) -> Tuple[Tuple[str, int], ...]:
    return tuple((take.job, take.index) for take in takes)
