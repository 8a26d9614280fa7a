"""Copies that share their bytes on disk until one of them is written to, where that is possible.

Btrfs, XFS, bcachefs and APFS can do that. A hard link is no such copy: whoever writes
through one of its names changes them all, and any file of a layer may be
written to. So there are clones and copies here, and no links.

Also a program, for a copy beside other work: it has the interpreter to itself then, and
thousands of system calls need not wait for it. So little is imported here.
"""

from __future__ import annotations

import errno
import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # as type checkers know it too; `typing` takes longer to import than all else
    from collections.abc import Callable

# linux/fs.h: _IOW(0x94, 9, int); the same number on x86-64 and aarch64. fcntl has it from 3.12.
_FICLONE = 0x40049409
_CLONE_NOFOLLOW = 1
_CHUNK = 1 << 18
_CANNOT = {
    *(errno.EOPNOTSUPP, errno.ENOTSUP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS),
    *(errno.EPERM, errno.EISDIR, errno.ETXTBSY),
}
"""What systems say where two files cannot share bytes."""


class Copier:
    """Copies files; stops asking for clones when the first was refused.

    Attributes:
        clones: Whether clones are still tried.
    """

    def __init__(self) -> None:
        self.clones = sys.platform in ("linux", "darwin")

    def copy(self, source: str, target: str, tell: Callable[[bytes], None] | None = None) -> None:
        """Copy the content of the file *source* to the new file *target*.

        Args:
            source: What to copy.
            target: Where to.
            tell: Is told, in pieces, all that *target* has then.

        Raises:
            OSError: It cannot be read or written, or *target* is there already.
        """
        if self.clones:
            try:
                clone(source, target)
            except OSError as error:
                if error.errno not in _CANNOT:
                    raise
                self.clones = False
            else:
                if tell:
                    # Not the clone: none of its bytes is in the system's memory yet. And after it
                    # was made, so that nothing else than what is told of can have got into it.
                    _read(source, tell)
                return
        _copy_bytes(source, target, tell)


def _read(path: str, tell: Callable[[bytes], None]) -> None:
    with open(path, "rb", 0) as file:  # noqa: PTH123 - hot
        while chunk := file.read(_CHUNK):
            tell(chunk)


def _copy_bytes(source: str, target: str, tell: Callable[[bytes], None] | None) -> None:
    # `shutil.copyfile` takes twice as long for small files.
    with open(source, "rb", 0) as old, open(target, "xb", 0) as new:  # noqa: PTH123 - hot
        while chunk := old.read(_CHUNK):
            if tell:
                tell(chunk)
            rest = memoryview(chunk)
            while rest:
                rest = rest[new.write(rest) :]


def copy_tree(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Copy a directory with its files, links and modes, by clones where they can be had.

    Raises:
        OSError: It cannot be read or written, or *target* is there already.
    """
    _copy_directory(os.fspath(source), os.fspath(target), Copier())


def _copy_directory(source: str, target: str, copier: Copier) -> None:
    os.mkdir(target)  # noqa: PTH102 - strings, as there are thousands of files
    with os.scandir(source) as listing:
        for entry in listing:
            place = f"{target}/{entry.name}"
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), place)  # noqa: PTH115, PTH211
            elif entry.is_dir():
                _copy_directory(entry.path, place, copier)
            else:
                copier.copy(entry.path, place)
                os.chmod(place, stat.S_IMODE(entry.stat().st_mode))  # noqa: PTH101
    os.chmod(target, stat.S_IMODE(os.stat(source).st_mode))  # noqa: PTH101, PTH116


def clone(source: str, target: str) -> None:
    """Make *target* a file that shares its bytes with *source* until either is written to.

    Raises:
        OSError: The file system cannot do that, among other reasons; *target* is not there.
    """
    if sys.platform == "darwin":
        _clone_on_macos(source, target)
    else:
        _clone_on_linux(source, target)


def _clone_on_linux(source: str, target: str) -> None:
    import fcntl  # noqa: PLC0415 - Windows has none

    with open(source, "rb") as old, open(target, "xb") as new:  # noqa: PTH123 - hot
        try:
            fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
        except OSError:
            os.unlink(target)  # noqa: PTH108
            raise


# clonefile(2) has been there since macOS 10.12. This was written from its manual, and has not
# run on a Mac yet; where it fails with one of `_CANNOT`, files are copied.
def _clone_on_macos(source: str, target: str) -> None:
    import ctypes  # noqa: PLC0415 - it costs 6 ms, and Linux does without

    function = ctypes.CDLL(None, use_errno=True).clonefile
    function.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_uint32)
    function.restype = ctypes.c_int
    if function(os.fsencode(source), os.fsencode(target), _CLONE_NOFOLLOW) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


if __name__ == "__main__":
    copy_tree(*sys.argv[1:])
