"""What may stand in the short texts that people write and others read."""

from unicodedata import category

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Control, format, surrogate, line and paragraph separator characters."""


def _joins(character: str) -> bool:
    """Format characters that emoji and some scripts are written with: joiners and the letters of flags."""
    return character in "\u200c\u200d" or "\U000e0020" <= character <= "\U000e007f"


def is_plain(text: str) -> bool:
    """One line that shows all it holds: nothing in it breaks it, hides, or turns the order of its letters round."""
    return text.isprintable() or not any(category(each) in _HIDDEN and not _joins(each) for each in text)
