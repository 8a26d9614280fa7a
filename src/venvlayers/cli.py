"""The command ``venvstacks``: a shell that calls `venvlayers.workflow`.

Each subcommand turns options into one `Request`. Results go to standard output,
everything else to standard error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from venvlayers import __version__
from venvlayers.errors import VenvstacksError
from venvlayers.plan import Goal, Need, Plan
from venvlayers.report import Kind, LineReporter, Reporter
from venvlayers.workflow import Request, perform, preview, summary

_INTERRUPTED = 130

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _options(command: _Command) -> _Command:
    """Add what all subcommands have."""
    for option in (
        click.option("-q", "--quiet", is_flag=True, help="Show only warnings and errors."),
        click.option("-v", "--verbose", is_flag=True, help="Show what is run and decided."),
        click.argument("spec", default=".", type=click.Path(path_type=Path)),
    ):
        command = option(command)
    return command


def _locked_option(command: _Command) -> _Command:
    return click.option(
        "--locked",
        is_flag=True,
        help="Fail rather than change a lock; so does VENVSTACKS_LOCKED=1.",
    )(command)


def _output_option(default: str) -> Callable[[_Command], _Command]:
    def decorate(command: _Command) -> _Command:
        return click.option(
            "--output-dir",
            type=click.Path(path_type=Path, file_okay=False),
            default=default,
            show_default=True,
            help="Where outputs go, relative to the specification.",
        )(command)

    return decorate


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(__version__, "-V", "--version", prog_name="venvstacks")
def cli() -> None:
    """Build layered virtual environments.

    SPEC is a pyproject.toml, a venvstacks.toml, or a directory that has one;
    the current directory if it is left out.
    """


@cli.command()
@_options
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def show(spec: Path, *, quiet: bool, verbose: bool, as_json: bool) -> None:
    """Show what publishing would do, and why."""
    reporter = _reporter(quiet=quiet, verbose=verbose)
    plan = preview(_request(spec, Goal.PUBLISH, Path("_artifacts")), reporter)
    click.echo(json.dumps(plan.as_json(), indent=2) if as_json else _table(plan))


@cli.command()
@_options
@_locked_option
def lock(spec: Path, *, quiet: bool, verbose: bool, locked: bool) -> None:
    """Lock the layers whose locks are missing or outdated."""
    _perform(spec, Goal.LOCK, quiet=quiet, verbose=verbose, locked=locked)


@cli.command()
@_options
@_locked_option
def build(spec: Path, *, quiet: bool, verbose: bool, locked: bool) -> None:
    """Build environments for this machine's platform."""
    _perform(spec, Goal.BUILD, quiet=quiet, verbose=verbose, locked=locked)


@cli.command()
@_options
@_locked_option
@_output_option("_artifacts")
@click.option("--tag-outputs", is_flag=True, help="Put the platform into file names.")
def publish(
    spec: Path, *, quiet: bool, verbose: bool, locked: bool, output_dir: Path, tag_outputs: bool
) -> None:
    """Pack the environments, with metadata and a manifest."""
    _perform(
        spec,
        Goal.PUBLISH,
        quiet=quiet,
        verbose=verbose,
        locked=locked,
        output_dir=output_dir,
        tag_outputs=tag_outputs,
    )


@cli.command("local-export")
@_options
@_locked_option
@_output_option("_export")
def local_export(spec: Path, *, quiet: bool, verbose: bool, locked: bool, output_dir: Path) -> None:
    """Copy the environments as they would be deployed, without packing."""
    _perform(spec, Goal.EXPORT, quiet=quiet, verbose=verbose, locked=locked, output_dir=output_dir)


def _perform(
    spec: Path,
    goal: Goal,
    *,
    quiet: bool,
    verbose: bool,
    locked: bool,
    output_dir: Path | None = None,
    tag_outputs: bool = False,
) -> None:
    reporter = _reporter(quiet=quiet, verbose=verbose)
    request = _request(spec, goal, output_dir, locked=locked, tag_outputs=tag_outputs)
    for line in summary(perform(request, reporter)):
        click.echo(line)


def _request(
    spec: Path,
    goal: Goal,
    output_dir: Path | None,
    *,
    locked: bool = False,
    tag_outputs: bool = False,
) -> Request:
    root = spec if spec.is_dir() else spec.parent
    output = None if output_dir is None else (root / output_dir.expanduser()).absolute()
    return Request(
        project=spec, goal=goal, output_dir=output, locked=locked, tag_outputs=tag_outputs or None
    )


def _reporter(*, quiet: bool, verbose: bool) -> Reporter:
    if sys.stderr.isatty() and not quiet:
        from venvlayers.terminal import TerminalReporter  # noqa: PLC0415 - rich costs 100 ms

        return TerminalReporter(verbose=verbose)

    def write(kind: Kind, message: str) -> None:
        if kind is Kind.WARNING:
            click.echo(f"warning: {message}", err=True)
        elif not quiet:
            click.echo(message, err=True)

    return LineReporter(write, verbose=verbose)


def _table(plan: Plan) -> str:
    marks = {Need.YES: "*", Need.MAYBE: "?", Need.NO: " "}
    width = max((len(step.env_name) for step in plan.steps), default=0)
    return "\n".join(
        f"{marks[step.need]} {step.action:<12} {step.env_name:<{width}}  {step.reason}"
        for step in plan.steps
    )


def main(args: list[str] | None = None) -> None:
    """Run the command, and end the process with its exit status."""
    try:
        cli.main(args, prog_name="venvstacks", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except VenvstacksError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; earlier outputs are as they were", err=True)
        sys.exit(_INTERRUPTED)
