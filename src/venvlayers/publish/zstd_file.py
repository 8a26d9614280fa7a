"""The file that frames go into: a thread writes them in their order, and proves each of them.

So what compresses never waits for the disk, or for proofs. Where frames come from is not known
here, nor what is in them.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Condition, RLock, Thread
from typing import TYPE_CHECKING, BinaryIO

from venvlayers.publish.format import Codec, Frame, WrittenArchive

if TYPE_CHECKING:
    from venvlayers.publish.canonical_tar import TarPart
    from venvlayers.publish.zstd_frames import KnownFrame, OpenFrame

_MOST_WAITING = 64  # known frames that wait for their turn have files open
_AT_ONCE = 1 << 20  # of what is read to be proven
_MOST_BYTES = 16 << 20  # that are compressed and wait for the disk


class FrameFile:
    """A file of frames. To be closed, whatever happened; then its thread has ended.

    Args:
        file: Where frames go, empty, and to be read as well; only the thread uses it.
        replace: Makes another frame, to be filled, of a part where one turns out to be wrong.
    """

    def __init__(self, file: BinaryIO, replace: Callable[[TarPart], OpenFrame]) -> None:
        self._file = file
        self._replace = replace
        # Entered as it is, and not as a `Condition`, whose methods are Python's: Ctrl-C could come
        # between its lock and the code that releases it.
        self._lock = RLock()
        self._changed = Condition(self._lock)
        self._waiting: deque[KnownFrame | OpenFrame] = deque()
        self._is_over = self._is_abandoned = self._is_replacing = False
        self._error: BaseException | None = None
        self._digest = hashlib.sha256()
        self._before = self._digest.copy()
        self._frames: list[Frame] = []
        self._size = 0
        self._tar_size = 0
        self._thread = Thread(target=self._run, name="frames", daemon=True)
        try:
            self._thread.start()
        except BaseException:  # Ctrl-C while it is started: nobody has it to close
            self._abandon()
            raise

    def add(self, frame: KnownFrame | OpenFrame) -> None:
        """Have a frame written behind all others.

        Raises:
            Exception: The thread failed, now or before. So do `more`, `settle` and `finish`.
        """
        with self._lock:
            self._waiting.append(frame)
            self._changed.notify_all()
        self._wait_for(lambda: len(self._waiting) <= _MOST_WAITING)

    def more(self) -> None:
        """Take note that there is more of a frame, or that it has ended."""
        with self._lock:
            self._changed.notify_all()

        def is_little() -> bool:
            return sum(frame.waiting for frame in self._waiting) <= _MOST_BYTES

        # What replaces a frame takes as much memory as what is fed here.
        self._wait_for(lambda: not self._is_replacing and is_little())

    def settle(self, most: int, each: int) -> None:
        """Wait until *most* bytes at most are unfinished, of each frame *each* at most."""

        def is_settled() -> bool:
            return sum(min(frame.unfinished, each) for frame in self._waiting) <= most

        self._wait_for(is_settled)

    def finish(self) -> None:
        """Wait until every frame is written; all of them have ended."""
        with self._lock:
            self._is_over = True
            self._changed.notify_all()
        self._wait_for(lambda: not self._waiting)
        self._thread.join()

    def close(self) -> None:
        """End the thread, and let go of frames that were not written."""
        self._abandon()
        self._thread.join()
        for frame in self._waiting:
            frame.close()
        self._waiting.clear()

    def result(self, place: Path, codec: Codec) -> WrittenArchive:
        """Return what was written; it is finished."""
        return WrittenArchive(
            path=place,
            size=self._size,
            sha256=self._digest.hexdigest(),
            frames=tuple(self._frames),
            codec=codec,
        )

    def _abandon(self) -> None:
        with self._lock:
            self._is_over = self._is_abandoned = True
            self._changed.notify_all()

    def _wait_for(self, is_so: Callable[[], bool]) -> None:
        with self._lock:
            self._changed.wait_for(lambda: self._error or is_so())
            if self._error:
                raise self._error

    def _run(self) -> None:
        try:
            while frame := self._first():
                self._complete(frame)
        except BaseException as error:  # noqa: BLE001 - raised in the thread that gives frames
            with self._lock:
                self._error = error
                self._changed.notify_all()

    def _first(self) -> KnownFrame | OpenFrame | None:
        """Return the first frame as soon as there is one; None if no more comes."""
        with self._lock:
            self._changed.wait_for(lambda: self._is_over or self._waiting)
            return None if self._is_abandoned or not self._waiting else self._waiting[0]

    def _complete(self, frame: KnownFrame | OpenFrame) -> None:
        while not frame.has_ended:
            self._write(frame)
            with self._lock:
                self._changed.notify_all()  # there is room for more
                self._changed.wait_for(
                    lambda: self._is_abandoned or frame.has_ended or frame.waiting
                )
            if self._is_abandoned:
                return
        frame.wait()
        self._write(frame)
        if not frame.is_right(self._first_as_written):
            frame = self._begin_again(frame)
            if not self._fill(frame):
                return
        frame.keep()
        self._note(frame)
        with self._lock:
            self._waiting.popleft().close()
            self._changed.notify_all()

    def _note(self, frame: KnownFrame | OpenFrame) -> None:
        self._before = self._digest.copy()
        self._frames.append(
            Frame(
                name=frame.part.name,
                offset=self._begin(),
                size=frame.size,
                tar_offset=self._tar_size,
                tar_size=frame.part.size,
            )
        )
        self._tar_size += frame.part.size

    def _begin(self) -> int:
        """Return where the first frame that waits begins in the file."""
        return self._frames[-1].offset + self._frames[-1].size if self._frames else 0

    def _first_as_written(self) -> Iterator[bytes]:
        """Yield what was written of the first frame, which is all of it."""
        self._file.seek(self._begin())
        while chunk := self._file.read(_AT_ONCE):
            yield chunk

    def _begin_again(self, wrong: KnownFrame | OpenFrame) -> OpenFrame:
        """Take the first frame out of the file, and have another one in its place."""
        self._size, self._digest = self._begin(), self._before
        self._file.seek(self._size)
        self._file.truncate()
        frame = self._replace(wrong.part)
        with self._lock:
            self._is_replacing = True
            self._waiting.popleft().close()
            self._waiting.appendleft(frame)
        return frame

    def _fill(self, frame: OpenFrame) -> bool:
        """Compress and write a whole frame; return false if that was given up meanwhile."""
        for chunk in frame.part.blocks():
            frame.feed(chunk)
            self._write(frame)
            if self._is_abandoned:
                return False
        frame.end_now()
        self._write(frame)
        with self._lock:
            self._is_replacing = False
        return True

    def _write(self, frame: KnownFrame | OpenFrame) -> None:
        for data in frame.ready():
            self._file.write(data)
            self._digest.update(data)
            self._size += len(data)
