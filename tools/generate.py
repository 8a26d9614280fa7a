"""Makes what is generated from the description of all keys, `venvlayers.spec.keys`.

The JSON schema that is shipped, and the tables of docs/reference.md between their
markers. ``--check`` changes nothing, and fails if a file is stale.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))  # of this checkout, whether or not it is installed

from venvlayers.spec.keys import LAYERS, STACK, Key  # noqa: E402
from venvlayers.spec.kinds import LayerKind  # noqa: E402
from venvlayers.spec.schema import SHIPPED, table_schema  # noqa: E402

REFERENCE = ROOT / "docs" / "reference.md"


def generated() -> dict[Path, str]:
    """Return every generated file with the text that it is to have."""
    schema = json.dumps(table_schema(), indent=2, ensure_ascii=False)
    return {SHIPPED: f"{schema}\n", REFERENCE: reference(REFERENCE.read_text("utf-8"))}


def reference(page: str) -> str:
    """Return the reference page with new tables between its markers.

    Raises:
        ValueError: A marker is missing.
    """
    for name, keys in _sections().items():
        begin, end = f"<!-- generated: {name} -->\n", f"<!-- end of {name} -->\n"
        pattern = f"{re.escape(begin)}.*?{re.escape(end)}"
        if not re.search(pattern, page, flags=re.DOTALL):
            raise ValueError(f"{REFERENCE} has no {begin.strip()} … {end.strip()}")
        text = f"{begin}{_table(keys)}{end}"
        page = re.sub(pattern, lambda _match, text=text: text, page, flags=re.DOTALL)  # type: ignore[misc]
    return page


def _sections() -> dict[str, Sequence[Key]]:
    runtime, framework, application = (LAYERS[kind] for kind in LayerKind)
    return {
        "stack": STACK,
        "every layer": [key for key in runtime if key in framework],
        "runtimes": [key for key in runtime if key not in framework],
        "frameworks": [key for key in framework if key not in runtime],
        "applications": [key for key in application if key not in framework],
    }


def _table(keys: Iterable[Key]) -> str:
    rows = [_row(key) for key in keys]
    return "\n".join(["| key | type | meaning | default |", "|---|---|---|---|", *rows, ""])


def _row(key: Key) -> str:
    meaning = [key.doc]
    if key.one_of:
        kind = "Each one" if key.type.value.startswith("array") else "One"
        meaning.append(f"{kind} of {', '.join(f'`{value}`' for value in key.one_of)}.")
    if key.example:
        meaning.append(f"Example: `{key.example}`.")
    if key.deprecated:
        meaning.append(f"Deprecated: {key.deprecated}.".replace("'", "`"))
    default = "**required**" if key.required else key.default
    cells = (f"`{key.name}`", key.type.value, " ".join(meaning), default)
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def main() -> int:
    """Write what is stale, or say what is; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if a file is stale")
    check = parser.parse_args().check
    stale = [
        (file, text)
        for file, text in generated().items()
        if not file.exists() or file.read_text("utf-8") != text
    ]
    for file, text in stale:
        print(f"{file.relative_to(ROOT)}: {'stale' if check else 'written'}")
        if not check:
            file.write_text(text, "utf-8", newline="\n")
    if stale and check:
        print("hint: run `python tools/generate.py` and commit what it writes")
    return int(bool(stale and check))


if __name__ == "__main__":
    sys.exit(main())
