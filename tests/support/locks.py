"""Locks as another machine, or another day, would have written them."""

from __future__ import annotations

import json
from typing import Any

from support.projects import Project
from venvlayers.files import json_text, sha256_json
from venvlayers.layout import Layout


def change_record(project: Project, env_name: str, **changes: Any) -> None:
    """Change what is recorded beside a layer's lock; tables are merged."""
    file = Layout.beside(project.root).lock_record(env_name)
    fields = json.loads(file.read_text("utf-8"))
    del fields["record_hash"]
    for key, value in changes.items():
        fields[key] = fields[key] | value if isinstance(value, dict) else value
    file.write_text(json_text({**fields, "record_hash": sha256_json(fields)}), "utf-8")
