"""What decides whether an environment can be reused: a key over everything in it.

Computed before every build, also when nothing is to be done: it reads lock
records and launch modules, and starts nothing.
"""

from __future__ import annotations

from venvlayers.build.sources import AppModules
from venvlayers.files import sha256_json
from venvlayers.lock.store import LockRecord
from venvlayers.platforms import Platform
from venvlayers.spec.model import LayerSpec
from venvlayers.values import frozen

_FORMAT = 4
"""Raised when a newer release would fill an environment differently."""
_CHECK = 1
"""Raised when a newer release would refuse an environment that was all right."""


@frozen
class KeyInputs:
    """What goes into a key.

    Attributes:
        layer: The layer.
        deployed_name: The name of its directory.
        lower: Those of the layers below it, in path order.
        platform: What it is built for.
        record: Its lock's record.
        python: The pinned Python of its runtime, as text.
        fingerprint: What its runtime source would make now; empty above the runtime.
        modules: The digests of an application's modules.
        project: The ``content_hash`` of the project's wheel in the layer; None without one.
    """

    layer: LayerSpec
    deployed_name: str
    lower: tuple[str, ...]
    platform: Platform
    record: LockRecord
    python: str
    fingerprint: str
    modules: AppModules | None
    project: str | None


def environment_key(inputs: KeyInputs) -> str:
    """Return the key of an environment: ``sha256:<hex>``.

    The contents of lower layers are no part of it: an environment holds links and
    relative paths to them, which only depend on their names.
    """
    layer = inputs.layer
    launch, modules = layer.launch, inputs.modules
    return sha256_json(
        {
            "format": _FORMAT,
            "name": inputs.deployed_name,
            "platform": inputs.platform.name,
            "lower": list(inputs.lower),
            "python": inputs.python,
            "fingerprint": inputs.fingerprint,
            "locked": [inputs.record.requirements_hash, inputs.record.locked_at.isoformat()],
            "launch": [str(launch), launch.gui] if launch else None,
            "launch_module": modules.launch if modules else None,
            "support": dict(modules.support) if modules else None,
            "scripts": None if layer.scripts is None else list(layer.scripts),
            **({"project": inputs.project} if inputs.project else {}),
            "check": [_CHECK, *sorted(str(entry) for entry in layer.accepted_findings)],
        }
    )
