"""The interpreters on this machine, and what each says about itself.

They are searched where people put them: the one that runs us, pyenv's, and all
that uv finds. Whether one can become a layer is decided here; how, elsewhere.
"""

from __future__ import annotations

import json
import os
import platform as host
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from venvlayers import process
from venvlayers.build.runtime.found import LocalPython
from venvlayers.build.runtime.source import RuntimeContext
from venvlayers.platforms import IMPLEMENTATIONS, Interpreter, PythonVersion
from venvlayers.report import Kind
from venvlayers.uv import UvFailure
from venvlayers.values import frozen

# Runs in the candidate, which may be any Python 3: no syntax newer than 3.6.
_QUESTION = """
import json, os, platform, struct, sys, sysconfig
print(json.dumps({
    "implementation": sys.implementation.name,
    "release": ".".join(map(str, sys.implementation.version[:3])),
    "version": list(sys.version_info[:3]),
    "final": sys.version_info[3] == "final",
    "executable": os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable),
    "prefix": sys.base_prefix,
    "exec_prefix": sys.base_exec_prefix,
    "stdlib": os.path.dirname(os.path.abspath(os.__file__)),
    "lib": getattr(sys, "platlibdir", "lib"),
    "multiarch": sysconfig.get_config_var("MULTIARCH") or "",
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "debug": hasattr(sys, "gettotalrefcount"),
    "debian": "deb_system" in sysconfig.get_scheme_names(),
    "machine": platform.machine(),
    "bits": 8 * struct.calcsize("P"),
}))
"""


# Below the directory of pyenv, and of asdf and mise. Their shims are of no use: they only
# answer for the version that is selected.
_MANAGED_PROGRAMS = ("versions/*/bin/python3", "installs/python/*/bin/python3")

_AT_ONCE = 4


@frozen
class Survey:
    """What was found on this machine.

    Attributes:
        pythons: The best interpreter of each implementation and exact version, the newest first.
        passed_over: What was found and cannot become a layer, each with the reason.
    """

    pythons: tuple[LocalPython, ...]
    passed_over: tuple[str, ...]


def search(context: RuntimeContext) -> Iterator[Path]:
    """Yield programs on this machine that may be Pythons; some may be one and the same."""
    base = Path(sys.base_prefix, "bin")
    yield base / f"python{sys.version_info.major}.{sys.version_info.minor}"
    yield from of_version_managers()
    try:
        yield from context.uv.installed_pythons()
    except UvFailure as failure:
        context.reporter.say(Kind.DETAIL, f"uv cannot list this machine's Pythons: {failure}")


def of_version_managers() -> Iterator[Path]:
    """Yield the programs that pyenv, asdf and mise have installed; nothing is started."""
    for root in _manager_roots():
        for pattern in _MANAGED_PROGRAMS:
            yield from sorted(root.glob(pattern))


def _manager_roots() -> list[Path]:
    """Return the directories of version managers; HOME may be another user's, or nobody's."""
    on_path = [Path(entry).parent for entry in os.get_exec_path() if entry.endswith("/shims")]
    named = os.environ.get("PYENV_ROOT")
    home = Path(os.path.expanduser("~"), ".pyenv")  # noqa: PTH111 - never raises
    return list(dict.fromkeys([*([Path(named)] if named else []), home, *on_path]))


def survey(programs: Iterator[Path], context: RuntimeContext) -> Survey:
    """Ask each of *programs* what it is, once."""
    found: dict[tuple[str, PythonVersion], LocalPython] = {}
    passed_over: dict[str, None] = {}
    from concurrent.futures import Future, ThreadPoolExecutor  # noqa: PLC0415 - takes 5 ms

    asked: dict[Path, Future[dict[str, Any] | None]] = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for path in programs:  # uv takes its time to list some, while others are asked
            program = path.resolve()
            if program.is_file() and program not in asked:
                asked[program] = pool.submit(_ask, program, context)
        answers = [answer.result() for answer in asked.values()]
    for answer in filter(None, answers):
        version = PythonVersion(*answer["version"])
        if reason := _unfit(answer):
            passed_over[f"{version} in {answer['prefix']}: {reason}"] = None
            continue
        python = _python(version, answer)
        kind = (python.interpreter.implementation, version)
        best = found.setdefault(kind, python)
        found[kind] = min(best, python, key=lambda one: one.preference)
    newest_first = sorted(found.values(), key=lambda one: one.interpreter.version, reverse=True)
    return Survey(pythons=tuple(newest_first), passed_over=tuple(passed_over))


def _ask(program: Path, context: RuntimeContext) -> dict[str, Any] | None:
    try:
        completed = process.run([program, "-I", "-S", "-c", _QUESTION])
    except OSError as error:
        context.reporter.say(Kind.DETAIL, f"passed over {program}: {error.strerror}")
        return None
    if completed.returncode:
        context.reporter.say(Kind.DETAIL, f"passed over {program}: {completed.excerpt}")
        return None
    answer: dict[str, Any] = json.loads(completed.stdout)
    return answer


def _python(version: PythonVersion, answer: dict[str, Any]) -> LocalPython:
    implementation = answer["implementation"]
    release = answer["release"] if implementation == "pypy" else None
    return LocalPython(
        interpreter=Interpreter(implementation, version, release),
        executable=Path(answer["executable"]),
        prefix=Path(answer["prefix"]),
        stdlib=Path(answer["stdlib"]),
        multiarch=answer["multiarch"],
        debian=answer["debian"],
    )


def _unfit(answer: dict[str, Any]) -> str | None:
    """Return why this interpreter cannot become a layer."""
    if answer["implementation"] not in IMPLEMENTATIONS:
        return "it is neither CPython nor PyPy"
    library = Interpreter(answer["implementation"], PythonVersion(*answer["version"])).library
    expected = os.path.join(answer["prefix"], "lib", library)  # noqa: PTH118
    reasons = {
        "it is a pre-release": not answer["final"],
        "it is a free-threaded build": answer["free_threaded"],
        "it is a debug build": answer["debug"],
        "it is made for musl": answer["multiarch"].endswith("-musl"),
        "it is made for another processor": answer["machine"] != host.machine()
        or answer["bits"] != 64,  # noqa: PLR2004 - all our platforms have 64 bits
        f"its standard library is not in lib/{library}": answer["lib"] != "lib"
        or answer["stdlib"] != expected
        or answer["exec_prefix"] != answer["prefix"],
    }
    return next((reason for reason, applies in reasons.items() if applies), None)
