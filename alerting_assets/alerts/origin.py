"""Where a place in a text that was made from another one lies in that one."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """Where the places of a made text come from.

    text: what the user wrote.
    pieces: in order, (start in the made text, start in `text`, whether it was copied letter for letter). Of a piece that was filled
        in, the place is where its placeholder was."""

    text: str
    pieces: tuple[tuple[int, int, bool], ...] = ((0, 0, True),)

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column, counted from 1, in the user's text, of an offset in the made text."""
        index = max(bisect_right([start for start, _, _ in self.pieces], offset) - 1, 0)
        start, source, copied = self.pieces[index]
        return place_of(self.text, source + (max(offset - start, 0) if copied else 0))

    def without_head(self, length: int) -> Origin:
        """The origin of the made text without its first `length` characters."""
        shifted = [(start - length, source, copied) for start, source, copied in self.pieces]
        kept = [index for index, (start, _, _) in enumerate(shifted) if start <= 0][-1:]
        return Origin(self.text, tuple(shifted[kept[0] if kept else 0 :]))


def place_of(text: str, offset: int) -> tuple[int, int]:
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def offset_of(text: str, line: int, column: int) -> int:
    """The offset of a line and a column; the inverse of `place_of`. A place beyond the text is the text's end."""
    start = 0
    for _ in range(line - 1):
        start = text.find("\n", start) + 1
        if start == 0:
            return len(text)
    return min(start + column - 1, len(text))
