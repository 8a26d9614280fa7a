from __future__ import annotations

from typing import Any

from venvlayers.publish.summary import markdown


def described(name: str, *lower: str, size: int = 1_000_000, digest: str = "1") -> dict[str, Any]:
    return {
        "layer_name": name.partition("@")[0],
        "install_target": name,
        "runtime_layer": "base",
        "required_layers": list(lower),
        "archive_size": size,
        "archive_hashes": {"sha256": digest},
        "content_hash": f"sha256:{digest}",
        "archive_frames": [{"name": each} for each in (".", "numpy", "scipy", ".end")],
    }


DIAMOND = [
    described("base"),
    described("framework-low@3"),
    described("framework-left", "framework-low@3"),
    described("framework-right", "framework-low@3"),
    described("app-top", "framework-left", "framework-right", "framework-low@3"),
]


def rows(*arguments: Any) -> list[str]:
    return [line for line in markdown(*arguments, "x").splitlines() if line.startswith("| `")]


def test_a_table_and_a_graph() -> None:
    assert (
        markdown(DIAMOND, [], "Layers for here")
        == """\
### Layers for here

| layer | packages | size | change |
|---|--:|--:|---|
| `base` | 2 | 1.0 MB | new |
| `framework-low@3` | 2 | 1.0 MB | new |
| `framework-left` | 2 | 1.0 MB | new |
| `framework-right` | 2 | 1.0 MB | new |
| `app-top` | 2 | 1.0 MB | new |

```mermaid
graph BT
    n0["base"]
    n1["framework-low@3"]
    n2["framework-left"]
    n3["framework-right"]
    n4["app-top"]
    n1 --> n0
    n2 --> n1
    n3 --> n1
    n4 --> n2
    n4 --> n3
```

"""
    )


def test_what_changed_since_before() -> None:
    before = [described(name) for name in ("base", "app-grown", "app-shrunk", "app-packed", "gone")]
    packed = {**described("app-packed", digest="2"), "content_hash": "sha256:1"}
    grown = described("app-grown", size=3_500_000, digest="2")
    shrunk = described("app-shrunk", size=500, digest="2")
    assert rows([described("base"), grown, shrunk, packed], before) == [
        "| `base` | 2 | 1.0 MB | unchanged |",
        "| `app-grown` | 2 | 3.5 MB | changed (+2.5 MB) |",
        "| `app-shrunk` | 2 | 500 B | changed (-999.5 kB) |",
        "| `app-packed` | 2 | 1.0 MB | same content, packed differently |",
        "| `gone` | | | removed |",
    ]


def test_a_layer_without_frames_and_a_manifest_of_others() -> None:
    """A zip is packed in one piece; a layer below may not be published."""
    alone = described("app-top", "framework-left")
    del alone["archive_frames"]
    strange = {"layer_name": "app-top", "archive_size": "much"}
    assert rows([alone], [{}, strange]) == ["| `app-top` |  | 1.0 MB | changed (+0 B) |"]
    assert "-->" not in markdown([alone], [], "x")
