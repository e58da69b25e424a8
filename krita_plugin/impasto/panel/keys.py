"""Keys that belong to a field while it has the cursor. Krita's own shortcuts would take them otherwise:
Ctrl+Backspace fills the layer there."""

from ..qt import QtCore, QtGui, QtWidgets

__all__ = ["FieldGuard", "guard", "is_editing_key", "is_wanted"]

Key = QtCore.Qt.Key
Mod = QtCore.Qt.KeyboardModifier

_WITH_CTRL = frozenset(
    (
        Key.Key_Backspace, Key.Key_Delete, Key.Key_Left, Key.Key_Right, Key.Key_Up, Key.Key_Down,
        Key.Key_Home, Key.Key_End, Key.Key_A, Key.Key_C, Key.Key_V, Key.Key_X, Key.Key_Z, Key.Key_Y,
        Key.Key_Insert, Key.Key_Return, Key.Key_Enter,
    )
)  # fmt: skip
_WITH_ALT = frozenset((Key.Key_Up, Key.Key_Down, Key.Key_Backspace))
_OF_NUMBERS = "0123456789.,-+"
_MOVING = frozenset(
    (
        Key.Key_Left, Key.Key_Right, Key.Key_Up, Key.Key_Down, Key.Key_PageUp, Key.Key_PageDown,
        Key.Key_Home, Key.Key_End, Key.Key_Space, Key.Key_Return, Key.Key_Enter, Key.Key_Delete,
    )
)  # fmt: skip
_NEVER = frozenset((Key.Key_Escape, Key.Key_Control, Key.Key_Shift, Key.Key_Alt, Key.Key_Meta))


def is_editing_key(event: QtGui.QKeyEvent) -> bool:
    """Whether a text field has a use for this key."""
    key, modifiers = event.key(), event.modifiers()
    ctrl, alt = bool(modifiers & Mod.ControlModifier), bool(modifiers & Mod.AltModifier)
    if key in _NEVER or Key.Key_F1 <= key <= Key.Key_F35:
        return False
    if ctrl and alt:  # AltGr on Windows: a character
        return bool(event.text()) and event.text().isprintable()
    if ctrl:
        return key in _WITH_CTRL
    if alt:
        return key in _WITH_ALT
    return not modifiers & Mod.MetaModifier


def is_wanted(field: QtCore.QObject, event: QtGui.QKeyEvent) -> bool:
    """Whether this field has a use for the key. Letters over a number or a list are the host's tools."""
    holder = field.parent() if isinstance(field, QtWidgets.QLineEdit) else field
    if isinstance(holder, QtWidgets.QAbstractSpinBox):
        letter = event.text().isprintable() and bool(event.text()) and event.text() not in _OF_NUMBERS
        return is_editing_key(event) and (not letter or bool(event.modifiers() & Mod.ControlModifier))
    if isinstance(field, (QtWidgets.QPlainTextEdit, QtWidgets.QLineEdit)):
        return is_editing_key(event)
    plain = not event.modifiers() & ~Mod.KeypadModifier
    return plain and event.key() in _MOVING


class FieldGuard(QtCore.QObject):
    """Keeps the keys that a field needs in it, and the wheel out of those that have no focus: who scrolls the
    panel must not turn its values."""

    def eventFilter(self, watched: QtCore.QObject, event: QtCore.QEvent) -> bool:
        kind = event.type()
        if kind == QtCore.QEvent.Type.ShortcutOverride:
            event.setAccepted(is_wanted(watched, event))
            return True
        if kind == QtCore.QEvent.Type.Wheel and not _has_focus(watched):
            event.ignore()
            return True
        return False


def _has_focus(field: QtCore.QObject) -> bool:
    return isinstance(field, QtWidgets.QWidget) and (field.hasFocus() or isinstance(field, _SCROLLING))


_SCROLLING = (QtWidgets.QAbstractScrollArea,)


def guard(*fields: QtWidgets.QWidget) -> None:
    """Call once for each field that takes keys or the wheel."""
    for field in fields:
        watch = FieldGuard(field)
        field.installEventFilter(watch)
        for line in field.findChildren(QtWidgets.QLineEdit):  # of a spin box
            line.installEventFilter(watch)
        if not isinstance(field, _SCROLLING):
            field.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
