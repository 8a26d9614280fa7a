"""The subcommands ``init`` and ``add`` of the command ``venvstacks``."""

from __future__ import annotations

from pathlib import Path

import click

from venvlayers.spec.kinds import LayerKind

_KINDS = {kind.value.removesuffix("s"): kind for kind in LayerKind}


@click.command(short_help="Add a first stack to a pyproject.toml.")
@click.option("--standalone", is_flag=True, help="Write a venvstacks.toml of its own.")
@click.argument(
    "directory", default=".", type=click.Path(path_type=Path, file_okay=False, exists=True)
)
def init(directory: Path, *, standalone: bool) -> None:
    """Begin a stack: add [tool.venvstacks] to the pyproject.toml of DIRECTORY.

    The project's name, the Pythons that it takes, its dependencies and its module
    that `python -m` can run, or its script, are what it begins with. Nothing else
    in the file changes.
    """
    from venvlayers.edit.edit import add_first_table, write_standalone  # noqa: PLC0415

    path, found = write_standalone(directory) if standalone else add_first_table(directory)
    click.echo(f"added to {path}: runtime {found.runtime}")
    if found.starts:
        click.echo(f"added to {path}: application {found.name}, which runs {found.starts}")
    else:
        click.echo(
            "no module was found that `python -m` can run: add an application with", err=True
        )
        click.echo(
            f"  venvstacks add application NAME --launch-module PATH --runtime {found.runtime}",
            err=True,
        )
        click.echo(
            "or, for a script of [project.scripts], with --project --launch SCRIPT"
            " in place of --launch-module",
            err=True,
        )
    if found.lacks_plugin:
        click.echo(
            '"hatch-venvstacks" is not in `requires` of [build-system]: `hatch build -t venvstacks`'
            " needs it there; the command `venvstacks` does not",
            err=True,
        )


@click.command(short_help="Add another layer to a stack.")
@click.option("-r", "--requirement", "requirements", multiple=True, help="A package; repeatable.")
@click.option("--runtime", help="The runtime that it is on.")
@click.option("--framework", "frameworks", multiple=True, help="A framework below; repeatable.")
@click.option("--python", help="Of a runtime, such as cpython@3.12.")
@click.option("--launch-module", help="Of an application: a .py file, or a package to run.")
@click.option("--launch", help="Of an application: a module, a function or a script to run.")
@click.option("--project", is_flag=True, help="Not of a runtime: contains the project itself.")
@click.option("--platform", "platforms", multiple=True, help="What it is for; repeatable.")
@click.argument("kind", type=click.Choice(list(_KINDS)))
@click.argument("name")
@click.argument("spec", default=".", type=click.Path(path_type=Path))
def add(
    kind: str,
    name: str,
    spec: Path,
    *,
    requirements: tuple[str, ...],
    runtime: str | None,
    frameworks: tuple[str, ...],
    python: str | None,
    launch_module: str | None,
    launch: str | None,
    project: bool,
    platforms: tuple[str, ...],
) -> None:
    """Declare another layer, a runtime, framework or application called NAME.

    It is put behind the others of its kind in SPEC, if the result has no mistakes;
    nothing else in the file changes.
    """
    from venvlayers.edit.edit import add_layer  # noqa: PLC0415
    from venvlayers.edit.layer import NewLayer  # noqa: PLC0415

    layer = NewLayer(
        kind=_KINDS[kind],
        name=name,
        requirements=requirements,
        runtime=runtime,
        frameworks=frameworks,
        python=python,
        launch_module=launch_module,
        launch=launch,
        project=project,
        platforms=platforms,
    )
    click.echo(f"added to {add_layer(spec, layer)}: {kind} {name}")
