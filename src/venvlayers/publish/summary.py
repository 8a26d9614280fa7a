"""What was published, as Markdown for the page of a CI job: a table and a graph.

Pure text made of metadata; who writes it where is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from venvlayers.publish.metadata import Metadata
from venvlayers.report import human_size

_NOT_PACKAGES = (".", ".end")  # see `Frame.name`


def markdown(entries: Sequence[Metadata], before: Sequence[Metadata], title: str) -> str:
    """Return a section with a table of layers and a Mermaid graph of what stands on what.

    Args:
        entries: What the manifest lists, lower layers first.
        before: What it listed before; nothing if there was none.
        title: Its heading.
    """
    lines = [f"### {title}", "", *_table(entries, before), "", *_graph(entries), ""]
    return "".join(f"{line}\n" for line in lines)


def _table(entries: Sequence[Metadata], before: Sequence[Metadata]) -> Iterator[str]:
    old = {str(entry["layer_name"]): entry for entry in before if "layer_name" in entry}
    yield "| layer | packages | size | change |"
    yield "|---|--:|--:|---|"
    for entry in entries:
        size = human_size(entry["archive_size"])
        change = _change(entry, old.pop(entry["layer_name"], None))
        yield f"| `{entry['install_target']}` | {_packages(entry)} | {size} | {change} |"
    for name in old:
        yield f"| `{name}` | | | removed |"


def _packages(entry: Metadata) -> str:
    """Return the number of distributions; formats that are packed in one piece do not tell."""
    frames = entry.get("archive_frames")
    if frames is None:
        return ""
    return str(len({frame["name"] for frame in frames} - {*_NOT_PACKAGES}))


def _change(entry: Metadata, old: Mapping[str, object] | None) -> str:
    """Return how a layer differs from what was published before."""
    if old is None:
        return "new"
    if old.get("archive_hashes") == entry["archive_hashes"]:
        return "unchanged"
    if old.get("content_hash") == entry["content_hash"]:
        return "same content, packed differently"
    size = old.get("archive_size")
    more = entry["archive_size"] - size if isinstance(size, int) else 0
    return f"changed ({'-' if more < 0 else '+'}{human_size(abs(more))})"


def _graph(entries: Sequence[Metadata]) -> Iterator[str]:
    """Yield a graph in which arrows lead to what a layer stands on, directly."""
    below = {str(entry["install_target"]): _below(entry) for entry in entries}
    numbers = {name: f"n{number}" for number, name in enumerate(below)}
    yield "```mermaid"
    yield "graph BT"
    for name, number in numbers.items():
        yield f'    {number}["{name}"]'
    for name, lower in below.items():
        indirect = {far for near in lower for far in below.get(near, ())}
        for near in lower:
            if near in numbers and near not in indirect:
                yield f"    {numbers[name]} --> {numbers[near]}"
    yield "```"


def _below(entry: Metadata) -> list[str]:
    """Return everything that a layer stands on."""
    names = [*entry.get("required_layers", ()), entry["runtime_layer"]]
    return [name for name in names if name != entry["install_target"]]
