"""Launchers of applications and programs of packages, deployed and run as users run them.

One stack is published once a worker; it starts its applications in each way there is.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from support.deployments import Deployment, layers
from support.index import Index
from support.stock import archives_alone

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux")

STACK = """
[[runtimes]]
name = "base"
requirements = ["ground"]

[[frameworks]]
name = "kit"
runtime = "base"
requirements = ["tool"]
scripts = ["tool", "look*"]

[[applications]]
name = "by module"
launch = "tool"
frameworks = ["kit"]
requirements = []

[[applications]]
name = "by.function"
launch = "tool.cli:Tool.run"
frameworks = ["kit"]
requirements = ["ground-tool"]

[[applications]]
name = "by-script"
launch = "serve"
frameworks = ["kit"]
requirements = []
support_modules = ["service"]

[[applications]]
name = "plain"
launch_module = "plain.py"
frameworks = ["kit"]
requirements = []
"""

CLI = """
import json, os, signal, sys

class Tool:
    def run():
        main()

def main():
    command, *arguments = sys.argv[1:] or ["report"]
    if command == "exit":
        sys.exit(int(arguments[0]))
    if command == "wait":
        if arguments:
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
        print(os.getpid(), flush=True)
        signal.pause()
    if command == "stdin":
        sys.stdout.write(sys.stdin.read().upper())
    if command == "processes":
        import multiprocessing
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            print(pool.map(len, ["abc"]))
    if command == "report":
        import ground
        main = sys.modules["__main__"]
        print(json.dumps({
            "argv": sys.argv, "prefix": sys.prefix, "path": sys.path, "cwd": os.getcwd(),
            "variables": [name for name in os.environ if name.startswith("venvstacks")],
            "spec": main.__spec__ and main.__spec__.name, "runpy": "runpy" in sys.modules,
        }))
"""
RUN = "from tool.cli import main\n\nif __name__ == '__main__':\n    main()\n"
TOOL = {"tool/__init__.py": "", "tool/__main__.py": RUN, "tool/cli.py": CLI}
LOOK = """#!python
# -*- coding: latin-1 -*-
'''What it is for.'''
from __future__ import annotations
import sys
print("look", sys.prefix, "\xe4", "What it is for" in __doc__)
"""


def fill(index: Index) -> None:
    index.add("ground")
    scripts: dict[str, str | bytes] = {
        "look": LOOK.encode("latin-1"),
        "looking": "#!/bin/sh\necho looking\n",
        "left-out": "#!python\n",
    }
    entry_points = {"tool": "tool.cli:main", "other-tool": "tool.cli:main"}
    index.add("tool", modules=TOOL, scripts=scripts, entry_points=entry_points)
    # It brings a program with the name of the application, which calls the same function.
    index.add("ground-tool", entry_points={"by.function": "tool.cli:Tool.run"})


@pytest.fixture(scope="session")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Publish the stack, and remove everything but the archives."""
    root = tmp_path_factory.mktemp("launched")
    files = {"plain.py": RUN, "service/main.py": "from tool.cli import main as start\n"}
    scripts = {"serve": "service.main:start"}
    with archives_alone(root, STACK, fill, files=files, scripts=scripts) as archives:
        yield archives


@pytest.fixture
def deployed(launched: Path, tmp_path: Path) -> Deployment:
    return Deployment.unpacked(launched, tmp_path / "a dïrectory\nwith *")


APPLICATIONS = ("by module", "by.function", "by-script", "plain")


def launcher(deployment: Deployment, name: str) -> Path:
    return deployment.root / f"app-{name}" / "bin" / name


def start(
    program: str | Path, *arguments: str, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *arguments],
        cwd=cwd,
        env={"LC_ALL": "C.UTF-8", **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )


def report(program: str | Path, *arguments: str, cwd: Path, **env: str) -> dict[str, Any]:
    """Run a program without anything on PATH, and return what it tells of itself."""
    result = start(program, *arguments, cwd=cwd, env=env)
    assert (result.returncode, result.stderr) == (0, "")
    told: dict[str, Any] = json.loads(result.stdout)
    return told


@pytest.mark.parametrize("name", APPLICATIONS)
def test_every_application_has_a_launcher(deployed: Deployment, tmp_path: Path, name: str) -> None:
    """Arguments, exit codes, standard input and processes started afresh; the cwd is no matter."""
    program = launcher(deployed, name)
    assert program.stat().st_mode & 0o777 == 0o755
    (tmp_path / "json.py").write_text("raise SystemExit('from the current directory')\n")
    told = report(program, cwd=tmp_path)
    assert told["prefix"] == str(deployed.root / f"app-{name}")
    assert told["cwd"] == str(tmp_path)
    assert told["variables"] == []
    assert "" not in told["path"]
    assert str(program.parent) not in told["path"], "each import would look there first"
    assert not told["runpy"], "it takes longer than all layers"
    assert told["spec"] == {"by module": "tool.__main__", "plain": "plain"}.get(name)
    if told["spec"] is None:
        assert told["argv"] == [str(program)]
    arguments = ["report", "a b", "", "*", "$HOME", "li\nne", "'\"\\", "-c", "ü"]
    assert report(program, *arguments, cwd=tmp_path)["argv"][1:] == arguments
    for code in (0, 1, 3, 77, 255):
        assert start(program, "exit", str(code), cwd=tmp_path).returncode == code
    command = [program, "stdin"]
    said = subprocess.run(command, input="hello", capture_output=True, text=True, check=True)
    assert said.stdout == "HELLO"
    processes = start(program, "processes", cwd=tmp_path)
    assert (processes.stdout, processes.stderr) == ("[3]\n", "")


def test_signals_reach_the_application(deployed: Deployment) -> None:
    program = launcher(deployed, "by-script")
    for arguments, sent, status in (
        ([], signal.SIGTERM, -signal.SIGTERM),
        (["handled"], signal.SIGTERM, 7),
        ([], signal.SIGINT, -signal.SIGINT),
        ([], signal.SIGKILL, -signal.SIGKILL),
    ):
        process = subprocess.Popen(
            [program, "wait", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        with process:
            assert process.stdout is not None
            assert int(process.stdout.readline()) == process.pid, "nothing stands between"
            process.send_signal(sent)
        assert process.returncode == status


def test_it_is_found_however_it_is_called(deployed: Deployment, tmp_path: Path) -> None:
    program = launcher(deployed, "by-script")
    bin_dir, prefix = program.parent, str(program.parents[1])
    places = tmp_path / "places"
    places.mkdir()
    (places / "absolute").symlink_to(program)
    (places / "relative").symlink_to(os.path.relpath(program, places))
    (places / "second").symlink_to("relative")
    (places / "bin").symlink_to(bin_dir)
    (places / "layer").symlink_to(bin_dir.parent)
    (places / "-dash").symlink_to(bin_dir)
    for called, cwd in (
        (program, Path("/")),
        ("./by-script", bin_dir),
        ("bin/by-script", bin_dir.parent),
        ("../bin/by-script", bin_dir.parent / "lib"),
        (places / "absolute", Path("/")),
        (places / "relative", Path("/")),
        ("./second", places),
        ("bin/by-script", places),
        ("layer/bin/by-script", places),
        ("-dash/by-script", places),
    ):
        told = report(called, cwd=cwd, PATH=os.defpath)
        assert told["prefix"] == prefix, called
        assert Path(cwd, told["argv"][0]) == Path(cwd, called), "as it was called"
        assert str(bin_dir) not in told["path"]
    for path, cwd in ((str(bin_dir), places), ("bin", places), (".", bin_dir), ("-dash", places)):
        command = f'PATH="{path}"; by-script'
        assert report("/bin/sh", "-c", command, cwd=cwd)["prefix"] == prefix, path
    exported = {"CDPATH": f"{places}:/", "IFS": "/", "venvstacks_bin": "/", "ENV": "/nowhere"}
    told = report("bin/by-script", cwd=places, PATH=os.defpath, **exported)
    assert (told["prefix"], told["variables"]) == (prefix, ["venvstacks_bin"])


SHELLS = ("dash", "bash", "bash --posix", "busybox sh", "zsh", "mksh", "ksh", "yash")


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_can_read_it(deployed: Deployment, tmp_path: Path, shell: str) -> None:
    found, *options = shell.split()
    if not (path := shutil.which(found)):
        pytest.skip(f"there is no {found}")
    program = launcher(deployed, "by-script")
    (tmp_path / "link").symlink_to(program)
    for called in (str(program), "./link", "link"):
        told = report(path, *options, called, "report", "a  b", "", cwd=tmp_path)
        assert told["prefix"] == str(program.parents[1])
        assert told["argv"][1:] == ["report", "a  b", ""]
    strict = report(path, *options, "-eu", str(program), cwd=tmp_path)
    assert strict["prefix"] == str(program.parents[1])


def test_a_moved_and_a_read_only_deployment(deployed: Deployment, tmp_path: Path) -> None:
    moved = tmp_path / "-elsewhere"
    deployed.root.rename(moved)
    subprocess.run(["chmod", "-R", "a-w", f"{moved}/"], check=True)
    try:
        program = launcher(Deployment(moved), "by.function")
        assert report(program, cwd=tmp_path)["prefix"] == str(program.parents[1])
    finally:
        subprocess.run(["chmod", "-R", "u+w", f"{moved}/"], check=True)
    Deployment(moved).postinstall(["app-by.function", "framework-kit", "base"])
    assert report(program, cwd=tmp_path)["prefix"] == str(program.parents[1])


def test_x11_a_missing_layer_is_named(deployed: Deployment, tmp_path: Path) -> None:
    shutil.rmtree(deployed.root / "base")
    result = start(launcher(deployed, "plain"), cwd=tmp_path)
    assert result.returncode == 78
    assert "a layer is missing: there is no" in result.stderr
    assert "hint: unpack all layers" in result.stderr
    assert "Traceback" not in result.stderr


def libraries_of(program: Path) -> set[Path]:
    """Return the shared libraries that a program loads, the loader too."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return {Path(path) for path in re.findall(r"(/\S+) \(0x", listed)}


def test_a_container_with_a_shell_and_a_c_library(deployed: Deployment, tmp_path: Path) -> None:
    """No `dirname`, `realpath`, `env`, `readlink` or any other program, and no /dev."""
    root = tmp_path / "root"
    shutil.copytree(deployed.root, root / "layers", symlinks=True)
    shell = Path(shutil.which("dash") or "/bin/sh").resolve()
    python = (root / "layers" / "base" / "bin" / "python").resolve()
    for library in {library for file in (shell, python) for library in libraries_of(file)}:
        if not library.is_relative_to(root):
            place = root / library.relative_to("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, place)
    (root / "bin").mkdir(exist_ok=True)
    shutil.copy(shell, root / "bin" / "sh")
    (root / "bin" / "link").symlink_to("../layers/app-by-script/bin/by-script")

    (root / "proc").mkdir()  # where the loader finds out what $ORIGIN is
    entered = 'mount --bind /proc "$0/proc" && exec chroot "$0" "$@"'

    def inside(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["unshare", "-m", "/bin/sh", "-c", f"PATH=$PATH:/usr/sbin:/sbin; {entered}"]
        env = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
        arguments = (*command, str(root), program, *arguments)
        return subprocess.run(arguments, env=env, capture_output=True, text=True, check=False)

    if inside("/bin/sh", "-c", "exit 9").returncode != 9:
        pytest.skip("this user cannot chroot")
    for program in ("app-by-script/bin/by-script", "framework-kit/bin/tool"):
        result = inside(f"/layers/{program}")
        assert (result.stderr, result.returncode) == ("", 0)
        assert json.loads(result.stdout)["prefix"] == f"/layers/{program.partition('/')[0]}"
    assert inside("/layers/app-by-script/bin/by-script", "exit", "5").returncode == 5
    linked = inside("/bin/link")
    assert linked.returncode == 127
    assert "readlink" in linked.stderr, "a link cannot be followed without it, which is said"


def test_programs_of_packages_run_in_their_layer(deployed: Deployment, tmp_path: Path) -> None:
    kit = deployed.root / "framework-kit"
    there = {path.name for path in (kit / "bin").iterdir() if not path.name.startswith("python")}
    assert there == {"tool", "look", "looking"}, "those that it keeps"
    told = report(kit / "bin" / "tool", cwd=tmp_path)
    assert (told["prefix"], told["argv"]) == (str(kit), [str(kit / "bin" / "tool")])
    looked = start(kit / "bin" / "look", cwd=tmp_path)
    assert (looked.stdout, looked.stderr) == (f"look {kit} ä True\n", "")
    assert start(kit / "bin" / "looking", cwd=tmp_path).stdout == "looking\n"
    (record,) = kit.glob("lib/*/site-packages/tool-1.0.dist-info/RECORD")
    listed = re.findall(r"\.\./bin/([^,]+),sha256=", record.read_text("utf-8"))
    assert sorted(listed) == ["look", "looking", "tool"]


def test_what_is_said_of_it(launched: Path) -> None:
    described = layers(launched)
    told = {
        name: {key: value for key, value in layer.items() if key.startswith("app_")}
        for name, layer in described.items()
    }
    assert told["framework-kit"] == {}
    assert told["app-by module"] == {
        "app_launch_module": "tool",
        "app_launcher": "bin/by module",
    }
    assert told["app-by.function"] == {
        "app_launch_function": "tool.cli:Tool.run",
        "app_launcher": "bin/by.function",
    }
    script = told["app-by-script"]
    assert script["app_launch_function"] == "service.main:start"
    assert [module["name"] for module in script["app_support_modules"]] == ["service"]
    plain = told["app-plain"]
    assert plain["app_launch_module"] == "plain"
    assert plain["app_launch_module_hash"].startswith("sha256:")
