"""From a project to layers that run where the build never was.

One small stack is published once a worker; every test deploys it for itself, with
the project, its build tree and all caches out of sight.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

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
name = "left"
runtime = "base"
requirements = ["common==1.0", "left"]

[[frameworks]]
name = "right"
runtime = "base"
requirements = ["common==2.0", "with-pth"]

[[frameworks]]
name = "both"
frameworks = ["left", "right"]
requirements = ["tool"]

[[applications]]
name = "top"
launch_module = "src/top"
frameworks = ["both"]
requirements = ["with-data"]

[[applications]]
name = "plain"
launch_module = "plain.py"
runtime = "base"
requirements = []
"""

TOP = """
import sys
import common, ground, left, tool, added_by_pth
print("top", common.__version__, ground.__version__, *sys.argv[1:])
"""

TOOL = """
import common, sys
def main():
    print("tool", common.__version__, sys.prefix)
"""

REPORT = """
import json, os, site, ssl, sqlite3, sys, sysconfig, zlib, ctypes, importlib.metadata
print(json.dumps({
    "path": sys.path, "prefix": sys.prefix, "base_prefix": sys.base_prefix,
    "executable": sys.executable, "stdlib": os.__file__, "ssl": ssl.OPENSSL_VERSION,
    "config": {k: str(v) for k, v in sysconfig.get_config_vars().items()},
    "paths": sysconfig.get_paths(), "site": site.getsitepackages(),
    "modules": [getattr(m, "__file__", None) or "" for m in list(sys.modules.values())],
    "distributions": sorted(d.metadata["Name"] for d in importlib.metadata.distributions()),
}))
"""


def fill(index: Index) -> None:
    index.add("ground")
    index.add("common", "1.0")
    index.add("common", "2.0")
    index.add("left", requires=["ground", "common"])
    index.add(
        "tool",
        requires=["common"],
        entry_points={"tool": "tool:main"},
        modules={"tool.py": TOOL},
    )
    index.add(
        "with-pth",
        modules={
            "with_pth.pth": "hidden_directory\n",
            "hidden_directory/added_by_pth.py": "",
        },
    )
    index.add("with-data", data={"share/with-data/answer.txt": "42"})


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Publish the stack, and remove everything but the archives."""
    root = tmp_path_factory.mktemp("published")
    files = {
        "src/top/__main__.py": TOP,
        "src/top/__init__.py": "",
        "plain.py": "print('plain')\n",
    }
    with archives_alone(root, STACK, fill, files=files) as archives:
        yield archives


@pytest.fixture
def deployed(published: Path, tmp_path: Path) -> Deployment:
    return Deployment.unpacked(published, tmp_path / "a dïrectory with spaces")


def expect_top(deployment: Deployment, *args: str) -> None:
    result = deployment.python("app-top", "-m", "top", *args)
    assert result.stderr == ""
    assert result.stdout == f"top 1.0 1.0{''.join(f' {arg}' for arg in args)}\n"


def test_applications_run_without_a_post_install_step(deployed: Deployment) -> None:
    expect_top(deployed, "with", "arguments")
    assert deployed.python("app-plain", "-m", "plain").stdout == "plain\n"


def test_nothing_is_reported_from_where_it_was_made(deployed: Deployment, published: Path) -> None:
    result = deployed.python("app-top", "-c", REPORT)
    report = json.loads(result.stdout)
    text = json.dumps(report)
    assert str(published.parent) not in text
    assert sys.base_prefix not in text
    assert report["prefix"] == str(deployed.root / "app-top")
    assert report["base_prefix"] == str(deployed.root / "base")
    inside = [Path(path) for path in report["path"] if path and not path.endswith(".zip")]
    assert all(path.is_relative_to(deployed.root) for path in inside)
    assert len(inside) == len(set(inside)), "each directory once"
    names = [
        path.relative_to(deployed.root).parts[0]
        for path in inside
        if path.name in ("site-packages", "hidden_directory")
    ]
    assert names == [
        "app-top",
        "framework-both",
        "framework-left",
        "framework-right",
        "framework-right",
        "base",
    ]
    assert {"ground", "left", "tool", "with-data", "with-pth"} <= set(report["distributions"])
    assert "pip" not in report["distributions"]


COUNT = """
import collections, json, os, sys
before, seen = set(sys.modules), collections.Counter()
def note(event, arguments):
    if event in ("open", "os.listdir"):
        seen[event + " " + str(arguments[0])] += 1
sys.addaudithook(note)
import site
site.main()
print(json.dumps([seen, sorted(set(sys.modules) - before)]))
"""


def test_a_start_looks_into_each_layer_once(deployed: Deployment) -> None:
    """What a start through five layers costs more than a plain one, counted and not timed."""
    # `json` and what it needs are loaded before anything is counted.
    result = deployed.python("app-top", "-S", "-c", COUNT)
    seen, modules = json.loads(result.stdout)
    assert set(modules) <= {"site", "sitecustomize", "usercustomize", "_sitebuiltins", "pwd"}
    inside = {}
    for what, number in seen.items():
        event, _, place = what.partition(" ")
        if not place.startswith(str(deployed.root)):
            continue
        layer, _, rest = str(Path(place).relative_to(deployed.root)).partition("/")
        if layer != "app-top" and not rest.endswith(("lib-dynload", "__pycache__")):
            inside[event, layer, Path(rest).name] = number
    assert {key: number for key, number in inside.items() if key[0] == "open"} == {
        ("open", "framework-right", "_venvstacks.pth"): 1,
        ("open", "framework-right", "with_pth.pth"): 1,
    }
    assert {layer: number for (event, layer, _), number in inside.items() if "dir" in event} == {
        "framework-both": 1,
        "framework-left": 1,
        "framework-right": 2,  # ours, and that of `site`, for a .pth of its own is there
        "base": 1,
    }


def test_a_moved_deployment_runs(deployed: Deployment, tmp_path: Path) -> None:
    expect_top(deployed)
    moved = tmp_path / "elsewhere" / "ünd"
    moved.parent.mkdir()
    deployed.root.rename(moved)
    expect_top(Deployment(moved))


def test_a_read_only_deployment_runs(deployed: Deployment) -> None:
    subprocess.run(["chmod", "-R", "a-w", deployed.root], check=True)
    try:
        expect_top(deployed)
        if os.geteuid():  # root may write all the same
            assert not list(deployed.root.rglob("*.pyc"))
    finally:
        subprocess.run(["chmod", "-R", "u+w", deployed.root], check=True)


def test_a_deployment_on_a_read_only_file_system_runs(deployed: Deployment) -> None:
    """Nothing can be written, not even by root; the post-install step says so and is content."""
    mount = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"'
    if subprocess.run(
        ["unshare", "-m", "sh", "-c", mount, "sh", deployed.root], check=False
    ).returncode:
        pytest.skip("this user cannot mount anything")
    program = f'{mount} && "$2" "$1/app-top/postinstall.py" && exec "$1/app-top/bin/python" -m top'
    command = ["unshare", "-m", "sh", "-c", program, "sh", deployed.root, sys.executable]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stdout == "top 1.0 1.0\n"
    assert "read-only, so nothing is written" in result.stderr
    assert not list(deployed.root.rglob("*.pyc"))


@pytest.mark.parametrize(
    "order",
    [
        ["base", "framework-right", "framework-left", "framework-both", "app-top"],
        ["app-top", "framework-both", "base", "framework-left", "framework-right"],
    ],
)
def test_post_install_changes_nothing_for_the_worse(
    deployed: Deployment, tmp_path: Path, order: list[str]
) -> None:
    """#66: with an unrelated Python, in any order, twice, and then moved."""
    deployed.postinstall(order)
    expect_top(deployed)
    deployed.postinstall(list(reversed(order)))
    expect_top(deployed)
    site = deployed.root / "framework-left" / "lib"
    assert list(site.rglob("left.*.pyc"))
    moved = tmp_path / "moved"
    deployed.root.rename(moved)
    expect_top(Deployment(moved))


def test_x11_a_missing_layer_is_named(deployed: Deployment) -> None:
    (deployed.root / "framework-left").rename(deployed.root.parent / "gone")
    result = deployed.python("app-top", "-m", "top")
    assert result.returncode == 78
    assert "the layer 'framework-left' is missing" in result.stderr
    assert "hint: unpack all layers" in result.stderr
    assert "Error" not in result.stderr


def test_another_sitecustomize_does_not_hide_the_layers(
    deployed: Deployment, tmp_path: Path
) -> None:
    """As ddtrace-run and opentelemetry-instrument do."""
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "sitecustomize.py").write_text("print('first')\n")
    program = "import common, ground, left, tool; print(common.__version__)"
    result = deployed.python("app-top", "-c", program, env={"PYTHONPATH": str(tmp_path / "first")})
    assert result.stdout == "first\n1.0\n"


def test_console_scripts_run_wherever_they_are(deployed: Deployment) -> None:
    script = deployed.root / "framework-both" / "bin" / "tool"
    output = subprocess.run([script], capture_output=True, text=True, check=True).stdout
    assert output == f"tool 1.0 {deployed.root / 'framework-both'}\n"


def test_data_files_are_in_the_prefix(deployed: Deployment) -> None:
    answer = deployed.root / "app-top" / "share" / "with-data" / "answer.txt"
    assert answer.read_text() == "42"


def test_28_records_equal_the_disk(deployed: Deployment) -> None:
    program = """
import importlib.metadata as m
for d in m.distributions():
    for f in d.files:
        assert f.locate().is_file(), f
        if f.hash:
            import base64, hashlib
            digest = base64.urlsafe_b64encode(hashlib.sha256(f.read_binary()).digest())
            assert digest.rstrip(b"=").decode() == f.hash.value, f
print(sorted(d.metadata["Name"] for d in m.distributions()), m.packages_distributions()["tool"])
"""
    result = deployed.python("app-top", "-c", program)
    assert result.stderr == ""
    assert "'with-pth'" in result.stdout
    assert result.stdout.endswith("['tool']\n")


def test_upper_layers_hold_only_their_own(deployed: Deployment, published: Path) -> None:
    """#24: nothing from below is repeated above."""
    for name in layers(published):
        found = {path.name.split("-")[0] for path in (deployed.root / name).rglob("*.dist-info")}
        expected = {
            "base": {"ground"},
            "framework-left": {"common", "left"},
            "framework-right": {"common", "with_pth"},
            "framework-both": {"tool"},
            "app-top": {"with_data"},
            "app-plain": set(),
        }[name]
        assert found == expected


def test_no_bytecode_no_absolute_link_and_no_path_of_the_build(
    deployed: Deployment, published: Path
) -> None:
    traces = [str(published.parent).encode(), sys.base_prefix.encode()]
    if sys.base_prefix in ("/usr", "/usr/local"):
        traces.pop()
    for directory, folders, files in os.walk(deployed.root):
        assert "__pycache__" not in folders
        for name in files:
            path = Path(directory, name)
            assert not name.endswith(".pyc")
            if path.is_symlink():
                assert not str(path.readlink()).startswith("/")
            else:
                content = path.read_bytes()
                assert not any(trace in content for trace in traces), path
