"""Jobs that are not finished, and those that failed."""

from typing import Dict

from impasto_studio.commands import Commands
from impasto_studio.texts import tr
from impasto_studio.view import JobView, View

from ..qt import QtCore, QtGui, QtWidgets
from .look import accent, blend, em, trouble
from .parts import ElidedLabel, IconButton, Words, column, row
from .pictures import PixmapShelf

__all__ = ["Jobs", "remaining"]

Role = QtGui.QPalette.ColorRole


def remaining(seconds: float) -> str:
    """ "12 s", "3 min"; rounded so that it does not flicker."""
    if seconds < 0:
        return ""
    if seconds < 10:
        return tr("{n} s left", n=max(1, round(seconds)))
    if seconds < 90:
        return tr("{n} s left", n=5 * round(seconds / 5))
    return tr("{n} min left", n=round(seconds / 60))


class ThinBar(QtWidgets.QWidget):
    """A progress bar of a few pixels; unknown progress is a quiet full line."""

    def __init__(self) -> None:
        super().__init__()
        self._done = 0.0
        self.setFixedHeight(max(3, em(self, 0.2)))

    def show_done(self, done: float) -> None:
        if done != self._done:
            self._done = done
            self.update()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        palette = self.palette()
        ground = blend(palette.color(Role.Window), palette.color(Role.WindowText), 0.18)
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        painter.setPen(QtCore.Qt.PenStyle.NoPen)
        radius = self.height() / 2
        painter.setBrush(ground)
        painter.drawRoundedRect(self.rect(), radius, radius)
        done = min(self._done, 1.0)
        if done <= 0:
            return
        width = max(self.height(), self.width() * done)
        rtl = self.layoutDirection() == QtCore.Qt.LayoutDirection.RightToLeft
        left = self.width() - width if rtl else 0
        painter.setBrush(blend(accent(palette), palette.color(Role.WindowText), 0.3))
        painter.drawRoundedRect(QtCore.QRectF(left, 0, width, self.height()), radius, radius)


class JobLine(QtWidgets.QWidget):
    """One job: title and stage, a thin bar, time left and a way out; or the sentence of what went wrong."""

    def __init__(self, job: str, commands: Commands, shelf: PixmapShelf) -> None:
        super().__init__()
        self._shelf = shelf
        self._picture = QtWidgets.QLabel()
        self._title = ElidedLabel(soft=False)
        self._stage = ElidedLabel()
        self._time = Words()
        self._time.setWordWrap(False)
        self._bar = ThinBar()
        self._error = Words(colour=trouble)
        self._cancel = IconButton("remove", tr("Cancel this job"), lambda: commands.cancel(job))
        self._retry = QtWidgets.QPushButton(tr("Retry"))
        self._retry.setAutoDefault(False)
        self._retry.clicked.connect(lambda _checked=False: commands.retry(job))
        self._dismiss = IconButton("remove", tr("Dismiss"), lambda: commands.dismiss(job))
        top = row(self._title, self._time, self._cancel, self._dismiss)
        top.setStretch(0, 1)
        self._failed = QtWidgets.QWidget()
        self._failed.setLayout(column(self._error, row(self._retry, None)))
        text = column(top, self._stage, self._bar, self._failed, gap=2)
        whole = row(self._picture, text, gap=6)
        whole.setStretch(1, 1)
        self.setLayout(whole)

    def show_job(self, job: JobView) -> None:
        failed = job.state == "failed"
        self._title.setText(" ".join(job.title.split()))
        self._stage.setText(_stage(job))
        time = remaining(job.remaining_s)
        if self._time.text() != time:
            self._time.setText(time)
        self._bar.show_done(job.done)
        self._error.say(job.error if failed else "")
        self._failed.setVisible(failed)
        self._dismiss.setVisible(failed)
        for widget in (self._time, self._bar, self._stage, self._cancel):
            widget.setVisible(not failed)
        self._picture.setVisible(job.preview is not None and not failed)
        if job.preview is not None:
            side = em(self, 2.8)
            size = QtCore.QSize(side, side)
            self._picture.setPixmap(self._shelf.get(job.preview, size, self.devicePixelRatioF()))


def _stage(job: JobView) -> str:
    if job.stage:
        return job.stage
    if job.state == "queued" and job.position > 0:
        if job.position == 1:
            return tr("Waiting, one job ahead")
        return tr("Waiting, {n} jobs ahead", n=job.position)
    return {
        "capturing": tr("Reading the picture"),
        "sending": tr("Sending"),
        "queued": tr("Waiting"),
        "running": tr("Painting"),
    }.get(job.state, "")


class Jobs(QtWidgets.QWidget):
    """The queue, oldest first. Takes no room when there is none."""

    def __init__(self, commands: Commands) -> None:
        super().__init__()
        self._commands = commands
        self._shelf = PixmapShelf(16)
        self._lines: Dict[str, JobLine] = {}
        self._all = QtWidgets.QPushButton(tr("Cancel all"))
        self._all.setAutoDefault(False)
        self._all.clicked.connect(lambda _checked=False: commands.cancel_all())
        self._list = column(gap=6)
        self.setLayout(column(self._list, row(None, self._all)))
        self.hide()

    def show_view(self, view: View) -> None:
        there = {job.job for job in view.jobs}
        for job in [job for job in self._lines if job not in there]:
            line = self._lines.pop(job)
            self._list.removeWidget(line)
            line.hide()
            line.deleteLater()
        for job in view.jobs:
            if job.job not in self._lines:
                self._lines[job.job] = JobLine(job.job, self._commands, self._shelf)
                self._list.addWidget(self._lines[job.job])
            self._lines[job.job].show_job(job)
        self._all.setVisible(sum(job.state != "failed" for job in view.jobs) > 1)
        self.setVisible(bool(view.jobs))
