"""Building a layer's environment: made whole in private, then put in its place.

One function a step, in the order in which a layer is filled. Whether there is
anything to build is decided from `key.py` before; nothing is ever installed on
top of what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from venvlayers.build.chain import (
    Chain,
    describe_layer,
    hidden_by,
    link_layers,
    make_environment,
)
from venvlayers.build.install import WheelSource, install, move_in
from venvlayers.build.launch import launcher_place, refuse_unlaunchable, write_launcher
from venvlayers.build.model import Distribution, LayerEnvironment
from venvlayers.build.names import require_names
from venvlayers.build.record import Row, installed_distributions, normalize_records
from venvlayers.build.recorded import remove_older
from venvlayers.build.runtime.kept import provide
from venvlayers.build.runtime.source import RuntimeContext, RuntimeSource
from venvlayers.build.scheme import Scheme
from venvlayers.build.scripts import ScriptWriter
from venvlayers.build.sources import copy_module
from venvlayers.errors import BuildError
from venvlayers.files import (
    json_text,
    os_reason,
    private_directory,
    replace_directory,
    write_text,
)
from venvlayers.layout import Layout
from venvlayers.lock.model import LayerLock
from venvlayers.plan import Target
from venvlayers.platforms import Platform
from venvlayers.spec.model import LayerSpec
from venvlayers.values import frozen


@frozen
class BuildContext:
    """What building works with.

    Attributes:
        layout: Where environments and locks are.
        platform: What to build for.
        runtime: What runtime sources may use.
        sources: The runtime sources, by name.
        indexes: uv's settings that say where indexes are.
        env_names: The environment names of the stack.
    """

    layout: Layout
    platform: Platform
    runtime: RuntimeContext
    sources: Mapping[str, RuntimeSource]
    indexes: Mapping[str, Any]
    env_names: frozenset[str]


@frozen
class Order:
    """One environment to build.

    Attributes:
        target: What it is to be.
        lock: Its lock.
    """

    target: Target
    lock: LayerLock

    @property
    def layer(self) -> LayerSpec:
        """The layer."""
        return self.target.layer


def looks_below(order: Order, context: BuildContext) -> bool:
    """Tell whether building needs the environments below: on Windows, for their launchers."""
    return bool(order.layer.lower) and context.platform.is_windows


def build_layer(
    order: Order, context: BuildContext, approve: Callable[[LayerEnvironment], None]
) -> LayerEnvironment:
    """Build an environment and put it in its place.

    Args:
        order: What to build.
        context: What to build with.
        approve: Looks at the environment, complete and not yet in its place; may refuse it.

    Raises:
        BuildError: It cannot be built, or was refused; the one in its place is as it was.
        PythonUnavailableError: A runtime's Python is not there any more.
    """
    layout, name = context.layout, order.layer.env_name
    place = layout.environment(order.target.deployed_name, context.platform)
    record = layout.environment_record(name, context.platform)
    try:
        with private_directory(layout.work_dir) as private:
            made = private / order.target.deployed_name
            distributions = _fill(made, order, context)
            environment = _described(order, context, made, distributions)
            approve(environment)
            remove_older(layout, name, context.platform, place, others=context.env_names)
            # Without its key an environment does not count, so a kill between these
            # steps means that it is built again; its name says what to remove then.
            write_text(record, json_text({"directory": place.name, "key": ""}))
            replace_directory(made, place)
            described = {"directory": place.name, "key": order.target.key}
            write_text(record, json_text(described))
    except OSError as error:
        raise BuildError(
            f"{name} cannot be built: {os_reason(error)}",
            hint=f"is there space below {layout.build_dir}?",
        ) from error
    return replace(environment, path=place)


def describe(order: Order, context: BuildContext) -> LayerEnvironment:
    """Return the environment that is in place for *order*, which was built before."""
    place = context.layout.environment(order.target.deployed_name, context.platform)
    distributions = installed_distributions(place, _scheme(order, context))
    return _described(order, context, place, distributions)


def _described(
    order: Order, context: BuildContext, place: Path, distributions: tuple[Distribution, ...]
) -> LayerEnvironment:
    layer, lock = order.layer, order.lock
    target = order.target
    return LayerEnvironment(
        path=place,
        key=target.key,
        kind=layer.kind,
        env_name=layer.env_name,
        deployed_name=target.deployed_name,
        platform=context.platform,
        python=lock.python,
        runtime_layer=target.lower[-1] if target.lower else target.deployed_name,
        required_layers=target.lower[:-1],
        distributions=distributions,
        requirements_hash=lock.requirements_hash,
        lock_version=lock.lock_version,
        locked_at=lock.locked_at,
        launch=layer.launch,
        launcher=launcher_place(layer, context.platform) if layer.launch else "",
        modules=target.modules,
        wheel=target.wheel,
    )


def _fill(env: Path, order: Order, context: BuildContext) -> tuple[Distribution, ...]:
    """Make a complete environment in *env*, which does not exist yet; return what is in it."""
    layer = order.layer
    scheme = _scheme(order, context)
    chain = _chain(order.target, scheme)
    staging = env.with_name(f"{env.name}.staging")
    with ThreadPoolExecutor(max_workers=1) as beside:  # a Python is copied while uv installs
        installing = beside.submit(_install, staging, order, context)
        _begin(env, order, context)
        present = installing.result()
    move_in(staging, env, scheme)
    scripts = ScriptWriter(env=env, layer=layer, scheme=scheme, reporter=context.runtime.reporter)
    distributions = normalize_records(env, scheme, scripts.write(), present)
    if chain.runtime is not None:
        make_environment(env, chain, context.layout.environment(chain.runtime, context.platform))
        link_layers(env, chain, context.runtime.reporter)
    _add_modules(env, order.target, scheme)
    write_launcher(env, layer, scheme)
    refuse_unlaunchable(layer, [env, *_below(chain, context)], scheme)
    describe_layer(env, chain, _application(layer, scheme))
    require_names(env, context.platform, chain.name, context.runtime.reporter)
    return distributions


def _begin(env: Path, order: Order, context: BuildContext) -> None:
    """Make *env*: a Python, or an empty directory above one."""
    if order.target.lower:
        env.mkdir()
    else:
        pin = order.lock.python
        provide(context.sources[pin.source], pin, context.platform, env, context.runtime)


def _install(staging: Path, order: Order, context: BuildContext) -> dict[str, list[Row]]:
    lock_dir = context.layout.pylock(order.layer.env_name).parent
    return install(
        order.lock,
        staging,
        platform=context.platform,
        targets=order.layer.targets,
        source=WheelSource(uv=context.runtime.uv, lock_dir=lock_dir, indexes=context.indexes),
        project=order.target.wheel,
    )


def _application(layer: LayerSpec, scheme: Scheme) -> dict[str, str]:
    if layer.launch is None:
        return {}
    kind = "launch_function" if layer.launch.attribute else "launch_module"
    return {kind: str(layer.launch), "launcher": launcher_place(layer, scheme.platform)}


def _below(chain: Chain, context: BuildContext) -> list[Path]:
    return [context.layout.environment(name, context.platform) for name in chain.below]


def _chain(target: Target, scheme: Scheme) -> Chain:
    return Chain(
        name=target.deployed_name,
        frameworks=target.lower[:-1],
        runtime=target.lower[-1] if target.lower else None,
        scheme=scheme,
    )


def refuse_shadowing(order: Order, context: BuildContext) -> None:
    """Refuse an application with a module that would hide a package of a layer below.

    Not a part of building, because it depends on the layers below as they are now.

    Raises:
        BuildError: It would.
    """
    scheme = _scheme(order, context)
    environments = _below(_chain(order.target, scheme), context)
    _refuse_hiding(order.layer, [place / scheme.site_packages for place in environments])


def refuse_unlaunchable_now(order: Order, context: BuildContext) -> None:
    """Refuse an environment in place that cannot start with the layers below as they are now.

    Raises:
        BuildError: What an application starts is not in them any more.
    """
    scheme = _scheme(order, context)
    own = context.layout.environment(order.target.deployed_name, context.platform)
    below = _below(_chain(order.target, scheme), context)
    refuse_unlaunchable(order.layer, [own, *below], scheme)


def _scheme(order: Order, context: BuildContext) -> Scheme:
    return Scheme(platform=context.platform, python=order.lock.python.interpreter)


def _add_modules(env: Path, target: Target, scheme: Scheme) -> None:
    layer, expected = target.layer, target.modules
    site_packages = env / scheme.site_packages
    _refuse_hiding(layer, [site_packages])
    for module in layer.modules:
        copied = copy_module(module, site_packages)
        # The environment is recorded, and perhaps named, by what was there when it was planned.
        if expected and copied != expected.of(module, layer):
            raise edited_meanwhile(layer.env_name)


def edited_meanwhile(env_name: str) -> BuildError:
    """Return the error for a layer that is not any more what it was when it was planned."""
    return BuildError(
        f"{env_name} was edited while it was built",
        hint="build it again; what was there before is as it was",
    )


def _refuse_hiding(layer: LayerSpec, path: Sequence[Path]) -> None:
    for module in layer.modules:
        if hidden := hidden_by(module.name, path):
            kind = "launch" if module is layer.launch_module else "support"
            which = f"the {kind} module {module.name!r} of {layer.env_name}"
            raise BuildError(
                f"{which} would hide an installed one",
                hint=f"give it another name than {hidden}",
            )
