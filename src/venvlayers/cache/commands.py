"""The subcommand ``cache`` of the command ``venvstacks``: what is kept, and removing it."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from venvlayers.cache.place import cache_directory, frame_cache
from venvlayers.cache.size import HINT, cache_limit, parse_size
from venvlayers.errors import CacheError
from venvlayers.report import human_size

if TYPE_CHECKING:
    from venvlayers.cache.store import FrameStore

_JSON = click.option("--json/--no-json", "as_json", default=False, help="Print JSON.")


@click.group(short_help="Look at what is kept between builds, or remove it.")
def cache() -> None:
    """Look at what is kept between builds, or remove it.

    Frames are compressed parts of archives. VENVSTACKS_CACHE_DIR says where all of it
    is, VENVSTACKS_CACHE_SIZE how much of them is kept.
    """


@cache.command("dir")
def show_directory() -> None:
    """Print the directory."""
    click.echo(cache_directory())


@cache.command()
@_JSON
def info(*, as_json: bool) -> None:
    """Show what is kept, and how much it takes."""
    from venvlayers.cache.inventory import foreign_files, other_parts  # noqa: PLC0415

    directory, limit = cache_directory(), cache_limit()
    with _failures():
        count, size = _store(limit).usage()
        parts, foreign = other_parts(directory), foreign_files(directory)
    if as_json:
        frames = {"count": count, "size": size, "limit": limit}
        others = [part.as_json() for part in parts]
        _print_json(directory=str(directory), frames=frames, others=others, foreign=foreign)
        return
    bound = f"at most {human_size(limit)}" if limit else "not used: VENVSTACKS_CACHE_SIZE is 0"
    click.echo(f"directory: {directory}")
    click.echo(f"frames: {count}, {human_size(size)} ({bound})")
    for part in parts:
        click.echo(f"{part.name}: {part.files}, {human_size(part.size)} ({part.what})")
    for name in foreign:
        click.echo(f"not ours: {name}")


def _read_size(_context: click.Context, _option: click.Parameter, text: str | None) -> int | None:
    size = None if text is None else parse_size(text)
    if text is not None and size is None:
        raise click.BadParameter(f"{text!r} is no size; {HINT}")
    return size


@cache.command()
@click.option("--size", callback=_read_size, help="How much to keep, such as 500M or 10G.")
@_JSON
def prune(*, size: int | None, as_json: bool) -> None:
    """Remove the frames that were not used for longest.

    Those that fit VENVSTACKS_CACHE_SIZE stay, or --size. What killed builds left
    is removed too.
    """
    limit = cache_limit() if size is None else size
    with _failures():
        pruned = _store(limit).prune()
    if as_json:
        kept = {"count": pruned.kept, "size": pruned.size, "limit": limit}
        removed = {"removed": pruned.frames, "unfinished": pruned.leftovers}
        _print_json(**removed, freed=pruned.freed, frames=kept)
    else:
        click.echo(f"removed: {pruned.frames} frames, {human_size(pruned.freed)}")
        click.echo(f"kept: {pruned.kept} frames, {human_size(pruned.size)}")
    if pruned.size > limit:
        raise CacheError(
            f"not all frames in {frame_cache()} can be removed: {human_size(pruned.size)} are left",
            hint="they are being read, or the directory is not one that you may write to",
        )


@cache.command()
@_JSON
def clean(*, as_json: bool) -> None:
    """Remove all that can be made or fetched anew.

    What another process uses stays. Nothing is removed from a directory in which
    there is anything that is not ours.
    """
    from venvlayers.cache.clean import clean_cache  # noqa: PLC0415

    directory = cache_directory()
    with _failures():
        cleaned = clean_cache(directory)
    if as_json:
        _print_json(directory=str(directory), freed=cleaned.freed, left=list(cleaned.left))
        return
    click.echo(f"removed: {human_size(cleaned.freed)} from {directory}")
    for name in cleaned.left:
        click.echo(f"left, being used or not ours to remove: {name}")


def _store(limit: int) -> FrameStore:
    from venvlayers.cache.store import FrameStore  # noqa: PLC0415

    return FrameStore(frame_cache(), limit=limit)


@contextmanager
def _failures() -> Iterator[None]:
    from venvlayers.files import os_reason  # noqa: PLC0415

    try:
        _require_directory(cache_directory())
        yield
    except OSError as error:
        message = f"the cache cannot be used: {os_reason(error)}"
        raise CacheError(message, hint="VENVSTACKS_CACHE_DIR names another place for it") from error


def _require_directory(path: Path) -> None:
    """Refuse what is no directory: nothing can ever be kept in it. One may be missing."""
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(path.stat().st_mode):
            return
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))


def _print_json(**document: Any) -> None:
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))
