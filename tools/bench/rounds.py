"""Everything once, in an order that makes it comparable; and that several times.

A stage of ours and its limit run one after the other, and who is first changes from round to
round. Each begins with nothing left to be written to the disk. What is not measured between
two stages brings the project where the next one begins.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bench import starts
from bench.limits import OLD_WAY, Limits, zstd_like
from bench.results import Run, StackResult
from bench.workplace import Workplace, remove, size_of

_PIPELINE = ("build", "--lock-if-needed", "--publish", "--output-dir", "dist")


class Rounds:
    """The rounds of one stack.

    Args:
        workplace: Where; nothing has been made in it yet.
        say: Is told what is being done.
        is_full: Whether to measure what takes minutes, too.
    """

    def __init__(self, workplace: Workplace, say: Callable[[str], None], *, is_full: bool) -> None:
        self.place = workplace
        self.limits = Limits(workplace)
        self.result = StackResult(name=workplace.stack.name)
        self._say = say
        self._is_full = is_full
        self._round = 0

    def prepare(self) -> None:
        """Make everything once, so that what is only cached on a machine is cached here."""
        place = self.place
        place.create()
        place.venvstacks("lock")
        place.remember_locks()
        place.edit(place.stack.other)  # its packages are to be in uv's cache as well
        place.venvstacks("lock", "--if-needed")
        place.venvstacks("build")
        place.restore()
        place.venvstacks("build")
        place.publish()
        self.limits.unpack(place.deployed)
        self.limits.install()
        self.limits.compile()
        self._count()

    def run(self, rounds: int) -> None:
        """Measure everything *rounds* times.

        First what makes many small files: later stages remove some (`Workplace.set_aside`).
        """
        for self._round in range(1, rounds + 1):
            self._locks()
            self._builds()
        for self._round in range(1, rounds + 1):
            self._publishes()
            self._changes()
            self._nothing()
            self._deploys()

    def finish(self) -> None:
        """Measure what is measured once: the old way, the highest level; and starts."""
        if self._is_full or not self.place.stack.is_large:
            self._old_way()
        if self._is_full:
            self._best()
        else:
            self._note("what takes minutes is measured with `--full`")
        # These leave bytecode in the layers, so nothing is packed or copied after them.
        self._say(f"{starts.TURNS} starts in turn")
        starts.measure(self.place, self.limits, self.result)

    def _old_way(self) -> None:
        """Measure what takes minutes, with what it is compared with twice before and after it."""
        for _ in range(2):
            self._measure("publish, beside xz", self._publish_anew)
        self._measure("tar | xz -6", lambda: self._pack("xz", OLD_WAY))
        for _ in range(2):
            self._measure("publish, beside xz", self._publish_anew)

    def _locks(self) -> None:
        place = self.place
        if self._fetches:
            self._pair(
                ("lock, uv's cache empty", lambda: self._lock_anew(self._fresh("uv-ours"))),
                ("uv pip compile, uv's cache empty", self._compile_anew),
            )
        self._pair(("lock", self._lock_anew), ("uv pip compile", self.limits.compile))
        place.restore()
        place.edit(place.stack.more)
        self._measure("relock", lambda: place.venvstacks("lock", "--if-needed"))
        place.restore()

    @property
    def _fetches(self) -> bool:
        """Whether to measure with an empty cache of uv too, which downloads everything."""
        return self._round == 1 and (self._is_full or not self.place.stack.is_large)

    def _lock_anew(self, uv: Path | None = None) -> Run:
        remove(self.place.locks)
        return self.place.venvstacks("lock", uv=uv)

    def _compile_anew(self) -> Run:
        return self.limits.compile(self._fresh("uv-theirs"))

    def _builds(self) -> None:
        if self._fetches:
            self._pair(
                ("build, all caches empty", self._build_from_nothing),
                ("uv pip install, uv's cache empty", self._install_from_nothing),
            )
            self.place.set_aside(self.place.directory / "uv-ours")
            self.place.set_aside(self.place.directory / "uv-theirs")
        self._measure("uv pip install, copies", lambda: self.limits.install("--link-mode=copy"))
        self._measure("uv pip install, a layer each", self.limits.install_each)
        self._pair(("build", self._build_anew), ("uv pip install", self.limits.install))

    def _build_from_nothing(self) -> Run:
        self.place.set_aside(self.place.environments)
        cache = self._fresh("cache-ours")
        return self.place.venvstacks("build", cache=cache, uv=self._fresh("uv-ours"))

    def _install_from_nothing(self) -> Run:
        return self.limits.install(uv_cache=self._fresh("uv-theirs"))

    def _build_anew(self) -> Run:
        self.place.set_aside(self.place.environments)
        return self.place.venvstacks("build")

    def _publishes(self) -> None:
        self.place.venvstacks("build", cache=self._cache)  # notes which Pythons there are
        codec = next(iter(self.place.layers()))["archive_codec"]
        plain, windowed = zstd_like(codec)
        self._note(f"`tar | zstd` is `tar | {' '.join(plain)}`, with our window `{windowed[-1]}`")
        self._pair(
            ("publish", self._publish_anew),
            ("tar | zstd", lambda: self._pack("zstd", plain)),
        )
        if self._round == 1:
            same = "zstd, same window"
            self._measure(f"tar | {same}", lambda: self._pack(same, windowed))
        self._pair(
            ("publish, frames known", self._publish_again),
            ("cp -r of the archives", lambda: self.limits.copy(self.place.outputs)),
        )

    @property
    def _cache(self) -> Path:
        """Our own cache for publishing: it knows of frames what was published in this round."""
        return self.place.directory / "cache-round"

    def _publish_anew(self) -> Run:
        remove(self.place.outputs)
        self.place.forget_frames(self._cache)
        run = self.place.publish(cache=self._cache)
        self.result.sizes["archives"] = self._archived()
        return run

    def _publish_again(self) -> Run:
        remove(self.place.outputs)
        return self.place.publish(cache=self._cache)

    def _pack(self, what: str, compressor: tuple[str, ...]) -> Run:
        run, self.result.sizes[what] = self.limits.pack(compressor)
        return run

    def _archived(self) -> int:
        return sum(int(layer["archive_size"]) for layer in self.place.layers())

    def _changes(self) -> None:
        """Publish after a change, each time one that this round's cache has not seen."""
        place = self.place
        place.edit(place.stack.other)
        place.venvstacks("lock", "--if-needed")
        self._measure("build, a package changed", lambda: place.venvstacks("build"))
        self._measure("publish, a package changed", lambda: place.publish(cache=self._cache))
        place.restore()
        place.venvstacks("build")
        place.publish(cache=self._cache)
        place.edit_launch_module(self._round)
        self._measure("publish, a launch module changed", lambda: place.publish(cache=self._cache))
        place.restore()
        place.publish(cache=self._cache)

    def _nothing(self) -> None:
        python = (sys.executable, "-I", "-c", "pass")
        place = self.place
        place.venvstacks(*_PIPELINE, cache=self._cache)
        for _ in range(3):
            self._pair(
                ("nothing to do", lambda: place.venvstacks(*_PIPELINE, cache=self._cache)),
                ("python -c pass", lambda: place.run(*python)),
            )

    def _deploys(self) -> None:
        place, fresh = self.place, self.place.directory / "fresh"
        exports = place.directory / "export"
        remove(exports)
        self._measure("local-export", lambda: self._export(exports))
        self._measure("cp -r of the layers", lambda: self.limits.copy(place.deployed))
        remove(exports)
        self._measure("deploy", lambda: self.limits.unpack(fresh))
        self.limits.install()  # nothing in it was ever imported
        self._pair(
            ("first start", lambda: starts.work(place, fresh)),
            ("first start, plain", lambda: starts.work_plain(place, self.limits)),
        )
        remove(fresh)

    def _export(self, exports: Path) -> Run:
        return self.place.venvstacks("local-export", "--output-dir", str(exports))

    def _best(self) -> None:
        """Publish with the highest level, where our command has an option for it."""
        place = self.place
        place.venvstacks("publish", "--help")
        if "best" not in place.log.read_text("utf-8"):
            self._note("this `venvstacks publish` has no `--best`")
            return
        remove(place.outputs)
        self._measure("publish --best", lambda: place.publish("--best", cache=self._fresh("best")))
        self.result.sizes["best"] = self._archived()

    def _count(self) -> None:
        """Say how much there is, in layers and in the plain environment."""
        sizes = self.result.sizes
        sizes["unpacked"], sizes["files"] = size_of(self.place.deployed)
        _, sizes["files, plain"] = size_of(self.limits.plain)
        package = self.place.stack.package
        for layer in self.place.layers():
            frames = [(frame["name"], frame["tar_size"]) for frame in layer["archive_frames"]]
            if own := sum(size for name, size in frames if name.lower() == package):
                share = 100 * own / sum(size for _, size in frames)
                self._note(f"{package} is {share:.1f} % of its layer")

    def _note(self, text: str) -> None:
        if text not in self.result.notes:
            self.result.notes.append(text)

    def _fresh(self, name: str) -> Path:
        """Return a directory below the workplace that is not there."""
        directory = self.place.directory / name
        remove(directory)
        return directory

    def _pair(self, *stages: tuple[str, Callable[[], Run]]) -> None:
        for name, stage in stages if self._round % 2 else reversed(stages):
            self._measure(name, stage)

    def _measure(self, name: str, stage: Callable[[], Run]) -> None:
        os.sync()
        run = self.result.add(name, stage())
        self._say(f"{self._round}. {name}: {run.wall:.2f} s")


def missing_programs() -> list[str]:
    """Return the programs that are needed and not there."""
    return [name for name in ("cp", "sh", "tar", "xz", "zstd") if shutil.which(name) is None]


def explain(error: subprocess.CalledProcessError) -> str:
    """Return what a failed command was, and the end of what it printed."""
    lines = str(error.output or "").strip().splitlines()[-30:]
    return "\n".join([*lines, f"exit {error.returncode}: {' '.join(error.cmd)}"])
