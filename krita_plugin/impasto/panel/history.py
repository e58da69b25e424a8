"""Everything painted for this document: a grid of thumbnails to look through, search and use again."""

from typing import Optional, Tuple

from impasto_studio.commands import Commands
from impasto_studio.texts import tr
from impasto_studio.view import TakeView, View

from ..qt import QtCore, QtGui, QtWidgets
from . import icons
from .history_model import TAKE, HistoryModel
from .keys import guard
from .look import accent, blend, em, repaint_on
from .parts import IconButton, Words, column, row
from .pictures import PixmapShelf
from .take_strip import paint_take

__all__ = ["History"]

Role = QtGui.QPalette.ColorRole
THUMBNAIL_EM = 4.6
SHELF = 400  # pixmaps: at this size some 25 MB
LOOKING_MS = 80  # without scrolling on, before thumbnails are asked for


class _Thumbnails(QtWidgets.QStyledItemDelegate):
    """A thumbnail, a star if it is a favourite, a tick if it is in the document."""

    def __init__(self, parent: QtWidgets.QWidget) -> None:
        super().__init__(parent)
        self._shelf = PixmapShelf(SHELF)

    def sizeHint(self, option: QtWidgets.QStyleOptionViewItem, index: QtCore.QModelIndex) -> QtCore.QSize:
        return self.parent().gridSize()

    def paint(
        self,
        painter: QtGui.QPainter,
        option: QtWidgets.QStyleOptionViewItem,
        index: QtCore.QModelIndex,
    ) -> None:
        take, palette = index.data(TAKE), option.palette
        box = option.rect.adjusted(3, 3, -3, -3)
        where = paint_take(painter, box, take, self._shelf, palette, self.parent().devicePixelRatioF())
        states = QtWidgets.QStyle.StateFlag
        selected = bool(option.state & states.State_Selected)
        if selected or bool(option.state & states.State_MouseOver):
            colour = (
                accent(palette)
                if selected
                else blend(palette.color(Role.Text), palette.color(Role.Base), 0.5)
            )
            painter.setPen(QtGui.QPen(colour, 2 if selected else 1))
            painter.setBrush(QtCore.Qt.BrushStyle.NoBrush)
            painter.drawRect(QtCore.QRectF(where).adjusted(-1, -1, 1, 1))
        marks = [name for name, on in (("star-on", take.favourite), ("check", take.applied)) if on]
        side = em(self.parent(), 0.95)
        for number, name in enumerate(marks):
            self._mark(painter, where, name, side, number)

    def _mark(self, painter: QtGui.QPainter, where: QtCore.QRect, name: str, side: int, number: int) -> None:
        """On a dark disc, readable on any picture."""
        disc = QtCore.QRect(0, 0, side + 2, side + 2)
        disc.moveBottomRight(where.bottomRight() - QtCore.QPoint(2 + number * (side + 4), 2))
        painter.save()
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        painter.setPen(QtCore.Qt.PenStyle.NoPen)
        painter.setBrush(QtGui.QColor(0, 0, 0, 165))
        painter.drawEllipse(disc)
        colour = "#ffd479" if name == "star-on" else "#ffffff"
        inside = disc.adjusted(2, 2, -2, -2)
        ratio = self.parent().devicePixelRatioF()
        painter.drawPixmap(inside, icons.picture(name, colour, round(inside.width() * ratio)))
        painter.restore()


class _Grid(QtWidgets.QListView):
    def __init__(self, commands: Commands, model: HistoryModel) -> None:
        super().__init__()
        self._commands = commands
        self._hovering = False
        self.setModel(model)
        self.setItemDelegate(_Thumbnails(self))
        self.setAccessibleName(tr("History"))
        self.setViewMode(QtWidgets.QListView.ViewMode.IconMode)
        self.setMovement(QtWidgets.QListView.Movement.Static)
        self.setResizeMode(QtWidgets.QListView.ResizeMode.Adjust)
        self.setUniformItemSizes(True)
        self.setSpacing(0)
        self.setMouseTracking(True)
        self.setSelectionMode(QtWidgets.QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollMode(QtWidgets.QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setContextMenuPolicy(QtCore.Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._menu)
        self.clicked.connect(lambda index: self._show(index.data(TAKE)))
        self.doubleClicked.connect(lambda index: self._apply(index.data(TAKE)))
        self.entered.connect(lambda index: self._hover(index.data(TAKE)))
        self.viewportEntered.connect(lambda: self._hover(None))
        self.setMinimumHeight(em(self, THUMBNAIL_EM * 2.2))
        self._looking = QtCore.QTimer(self)
        self._looking.setSingleShot(True)
        self._looking.setInterval(LOOKING_MS)
        self._looking.timeout.connect(self._look_at)
        self._looked_at: Tuple[Tuple[str, int], ...] = ()
        self.verticalScrollBar().valueChanged.connect(lambda _value: self._looking.start())
        for change in (model.modelReset, model.rowsInserted):
            change.connect(lambda *_: self._arrange())
        guard(self)

    def _look_at(self) -> None:
        """Tells which takes are in sight: their thumbnails are to come first."""
        count, area = self.model().rowCount(), self.viewport().rect()
        side = max(1, self.gridSize().height())
        columns = max(1, area.width() // max(1, self.gridSize().width()))
        first = (self.verticalScrollBar().value() // side) * columns
        last = min(count, first + (area.height() // side + 2) * columns)
        takes = (self.model().index(number, 0).data(TAKE) for number in range(first, last))
        seen = tuple((take.job, take.index) for take in takes)
        if seen and seen != self._looked_at and self.isVisible():
            self._looked_at = seen
            self._commands.look_at(seen)

    def sizeHint(self) -> QtCore.QSize:
        return QtCore.QSize(em(self, 14), em(self, THUMBNAIL_EM * 2.2))

    def minimumSizeHint(self) -> QtCore.QSize:
        return QtCore.QSize(em(self, THUMBNAIL_EM + 1), em(self, THUMBNAIL_EM * 2.2))

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        """Columns that fill the width; rows no higher than the tallest picture needs."""
        bar = self.style().pixelMetric(QtWidgets.QStyle.PixelMetric.PM_ScrollBarExtent)
        width = self.width() - 2 * self.frameWidth() - bar - 1  # Qt keeps the bar's room free
        columns = max(1, width // em(self, THUMBNAIL_EM))
        side = width // columns
        size = QtCore.QSize(side, round(side * min(1.0, max(0.4, self.model().tallest()))))
        if self.gridSize() != size:
            self.setGridSize(size)
        self._looking.start()

    def _show(self, take: TakeView) -> None:
        self._commands.compare(take.job, take.index)

    def _apply(self, take: TakeView) -> None:
        self._commands.compare(take.job, take.index)
        self._commands.apply()

    def _hover(self, take: Optional[TakeView]) -> None:
        if take is not None:
            self._hovering = True
            self._commands.hover(take.job, take.index)
        elif self._hovering:
            self._hovering = False
            self._commands.hover("", -1)

    def leaveEvent(self, event: QtCore.QEvent) -> None:
        super().leaveEvent(event)
        self._hover(None)

    def showEvent(self, event: QtGui.QShowEvent) -> None:
        super().showEvent(event)
        self._looking.start()

    def hideEvent(self, event: QtGui.QHideEvent) -> None:
        super().hideEvent(event)
        self._hover(None)

    def keyPressEvent(self, event: QtGui.QKeyEvent) -> None:
        take = self.currentIndex().data(TAKE)
        keys = QtCore.Qt.Key
        if event.key() in (keys.Key_Return, keys.Key_Enter):
            if take is not None and not event.modifiers() & ~QtCore.Qt.KeyboardModifier.KeypadModifier:
                self._apply(take)
            else:
                event.ignore()  # Shift+Enter is the panel's
        elif take is not None and event.key() == keys.Key_Space:
            self._show(take)
        elif take is not None and event.key() == keys.Key_Delete:
            self.discard(take)
        else:
            super().keyPressEvent(event)

    def menu_for(self, take: TakeView) -> QtWidgets.QMenu:
        """What can be done with a take of the past."""
        menu = QtWidgets.QMenu(self)
        job, number, commands = take.job, take.index, self._commands
        star = tr("Remove from favourites") if take.favourite else tr("Favourite")
        for text, do in (
            (tr("Apply"), lambda: self._apply(take)),
            (tr("Show"), lambda: self._show(take)),
            ("", None),
            (tr("Use these settings"), lambda: commands.reuse(job, number)),
            (tr("Copy the prompt"), lambda: QtWidgets.QApplication.clipboard().setText(take.prompt)),
            (star, lambda: commands.favourite(job, number, not take.favourite)),
            ("", None),
            (tr("Discard…"), lambda: self.discard(take)),
        ):
            if do is None:
                menu.addSeparator()
            else:
                menu.addAction(text).triggered.connect(lambda _checked=False, do=do: do())
        return menu

    def _menu(self, where: QtCore.QPoint) -> None:
        take = self.indexAt(where).data(TAKE)
        if take is not None:
            menu = self.menu_for(take)
            menu.aboutToHide.connect(menu.deleteLater)
            menu.popup(self.viewport().mapToGlobal(where))

    def discard(self, take: TakeView) -> None:
        """Asks first: this is for good."""
        count = self.model().of_job(take.job)
        question = (
            tr("Discard this take for good?")
            if count == 1
            else tr("Discard all {n} takes of this run for good?", n=count)
        )
        box = QtWidgets.QMessageBox(self)
        box.setIcon(QtWidgets.QMessageBox.Icon.Question)
        box.setWindowTitle(tr("Discard takes"))
        box.setText(question)
        box.setInformativeText(tr("Layers already in the document stay as they are."))
        discard = box.addButton(tr("Discard"), QtWidgets.QMessageBox.ButtonRole.DestructiveRole)
        keep = box.addButton(tr("Keep"), QtWidgets.QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(keep)
        box.setAttribute(QtCore.Qt.WidgetAttribute.WA_DeleteOnClose)
        discard.clicked.connect(lambda _checked=False: self._commands.discard(take.job))
        box.open()


class History(QtWidgets.QWidget):
    """Search, favourites, grid."""

    def __init__(self, commands: Commands) -> None:
        super().__init__()
        self.model = HistoryModel(self)
        self.search_field = QtWidgets.QLineEdit()
        self.search_field.setPlaceholderText(tr("Search prompts"))
        self.search_field.setAccessibleName(tr("Search prompts"))
        self.search_field.setClearButtonEnabled(True)
        guard(self.search_field)
        self._favourites = IconButton("star", tr("Only favourites"))
        self._favourites.setCheckable(True)
        self.grid = _Grid(commands, self.model)
        self._nothing = Words()
        self._head = QtWidgets.QWidget()
        self._head.setLayout(row(self.search_field, self._favourites))
        self.search_field.textChanged.connect(lambda _text: self._search())
        self._favourites.toggled.connect(self._toggle_favourites)
        layout = column(self._head, self._nothing, self.grid)
        layout.setStretch(2, 1)
        layout.addStretch(0)
        self.setLayout(layout)

    def _toggle_favourites(self, on: bool) -> None:
        self._favourites.set_icon("star-on" if on else "star")
        self._search()

    def _search(self) -> None:
        self.model.search(self.search_field.text(), self._favourites.isChecked())
        self._say()

    def _say(self) -> None:
        any_at_all = self.model.total() > 0
        self._head.setVisible(any_at_all)
        self.grid.setVisible(self.model.rowCount() > 0)
        if not any_at_all:
            self._nothing.say(tr("What you paint for this document is kept here."))
        else:
            self._nothing.say("" if self.model.rowCount() else tr("No take fits the search."))

    def show_view(self, view: View) -> None:
        before = self.model.rowCount()
        self.model.show_takes(view.history)
        if self.model.rowCount() != before or not self.model.total():
            self._say()

    def changeEvent(self, event: QtCore.QEvent) -> None:
        super().changeEvent(event)
        if repaint_on(event):
            self.grid.setMinimumHeight(em(self.grid, THUMBNAIL_EM * 2.2))
