"""The command ``venvstacks``: a shell that calls `venvlayers.workflow`.

Each subcommand turns its options (`options.py`) into one `Request`. Results go to
standard output, everything else to standard error.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from venvlayers import __version__
from venvlayers import options as option
from venvlayers.cache.commands import cache
from venvlayers.edit.commands import add, init
from venvlayers.errors import VenvstacksError
from venvlayers.lock.model import Upgrade
from venvlayers.options import GroupedCommand, options
from venvlayers.plan import Goal
from venvlayers.report import Kind, LineReporter, Reporter, silent
from venvlayers.request import LockPolicy, Request
from venvlayers.selection import Choice

if TYPE_CHECKING:
    from venvlayers.workflow.status import StackStatus

_INTERRUPTED = 130

_MESSAGES = (option.SHOW, option.SHOW_ONLY, option.JSON, option.VERBOSE, option.QUIET)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(__version__, "-V", "--version", prog_name="venvstacks")
@click.option("-v", "--verbose", count=True, help="Show what is run and decided.")
@click.option("-q", "--quiet/--no-quiet", default=False, help="Show only errors.")
@click.pass_context
def cli(context: click.Context, *, verbose: int, quiet: bool) -> None:
    """Build layered virtual environments.

    SPEC is a pyproject.toml, a venvstacks.toml, or a directory that has one;
    the current directory if it is left out. Relative paths in options start
    from its directory.
    """
    context.obj = {"verbose": verbose, "quiet": quiet}


@cli.command(cls=GroupedCommand)
@options(
    option.SPEC,
    option.INCLUDE,
    option.ALLOW_MISSING,
    option.BUILD_DIR,
    option.PLAIN_JSON,
    option.VERBOSE,
    option.QUIET,
)
def show(**given: Any) -> None:
    """Show layers, what they depend on, and which locks are valid.

    Layers that are included are shown with all below and above them.
    """
    from venvlayers.workflow.status import stack_status  # noqa: PLC0415 - not for --help

    status = stack_status(show_request(given), _reporter(given))
    _print(status, as_json=given["as_json"])


@cli.command(cls=GroupedCommand)
@options(
    option.SPEC,
    option.INCLUDE,
    option.ALLOW_MISSING,
    option.LOCK_DEPENDENCIES,
    option.IF_NEEDED,
    option.UPGRADE,
    option.UPGRADE_PACKAGE,
    option.RESET_LOCK,
    option.LOCKED,
    option.INDEX,
    option.LOCAL_WHEELS,
    option.BUILD_DIR,
    option.CLEAN,
    *_MESSAGES,
)
def lock(**given: Any) -> None:
    """Lock layers; versions stay where they still fit."""
    _run(lock_request(given), given)


@cli.command(cls=GroupedCommand)
@options(
    option.SPEC,
    option.INCLUDE,
    option.ALLOW_MISSING,
    option.LOCK_DEPENDENCIES,
    option.BUILD_DEPENDENCIES,
    option.PUBLISH_DEPENDENCIES,
    option.INCLUDE_DEPENDENCIES,
    option.BUILD_DERIVED,
    option.PUBLISH_DERIVED,
    option.LOCK_IF_NEEDED,
    option.LOCK,
    option.RESET_LOCK,
    option.LOCKED,
    option.INDEX,
    option.LOCAL_WHEELS,
    option.PLATFORM,
    option.BUILD_DIR,
    option.CLEAN,
    option.BUILD,
    option.PUBLISH,
    option.output_dir("_artifacts"),
    option.TAG_OUTPUTS,
    option.FORMAT,
    option.LEVEL,
    option.BEST,
    *_MESSAGES,
)
def build(**given: Any) -> None:
    """Build environments, for this machine's platform or others."""
    _run(build_request(given), given)


@cli.command(cls=GroupedCommand)
@options(
    option.SPEC,
    option.INCLUDE,
    option.ALLOW_MISSING,
    option.PUBLISH_DEPENDENCIES,
    option.PUBLISH_DERIVED,
    option.PLATFORM,
    option.BUILD_DIR,
    option.output_dir("_artifacts"),
    option.TAG_OUTPUTS,
    option.FORMAT,
    option.LEVEL,
    option.BEST,
    option.FORCE,
    option.DRY_RUN,
    *_MESSAGES,
)
def publish(**given: Any) -> None:
    """Pack environments, with metadata and a manifest.

    What is not up to date is built first; locks are used as they are.
    """
    _run(publish_request(given), given)


@cli.command("local-export", cls=GroupedCommand)
@options(
    option.SPEC,
    option.INCLUDE,
    option.ALLOW_MISSING,
    option.PUBLISH_DEPENDENCIES,
    option.PUBLISH_DERIVED,
    option.PLATFORM,
    option.BUILD_DIR,
    option.output_dir("_export"),
    option.FORCE,
    option.DRY_RUN,
    *_MESSAGES,
)
def local_export(**given: Any) -> None:
    """Copy environments as they would be deployed, not packed.

    What is not up to date is built first; locks are used as they are.
    """
    _run(export_request(given), given)


_REQUEST_OPTIONS = (
    "locked",
    "local_wheels",
    "use_index",
    "build",
    "clean",
    "force",
    "platforms",
    "build_dir",
    "output_dir",
    "tag_outputs",
    "archive_format",
    "compression_level",
    "best",
)
_CHOICE_OPTIONS = (
    "include",
    "reset_lock",
    "allow_missing",
    "lock_dependencies",
    "build_dependencies",
    "publish_dependencies",
    "build_derived",
    "publish_derived",
)


cli.add_command(init)
cli.add_command(add)
cli.add_command(cache)


def show_request(given: dict[str, Any]) -> Request:
    """Return what ``show`` with these options asks for."""
    return _request(given, Goal.LOCK, LockPolicy.NEVER)


def lock_request(given: dict[str, Any]) -> Request:
    """Return what ``lock`` with these options asks for."""
    policy = LockPolicy.IF_NEEDED if given["if_needed"] else LockPolicy.ALWAYS
    return _request(given, Goal.LOCK, policy)


def build_request(given: dict[str, Any]) -> Request:
    """Return what ``build`` with these options asks for.

    Raises:
        click.UsageError: They do not fit together.
    """
    if given["reset_lock"] and not given["lock_if_needed"]:
        raise click.UsageError("--reset-lock needs --lock-if-needed: nothing else is locked.")
    dependencies = given["include_dependencies"]
    if dependencies is not None:
        names = ("lock_dependencies", "build_dependencies", "publish_dependencies")
        given = {**given, **dict.fromkeys(names, dependencies)}
    policy = LockPolicy.IF_NEEDED if given["lock_if_needed"] else LockPolicy.NEVER
    return _request(given, Goal.PUBLISH if given["publish"] else Goal.BUILD, policy)


def publish_request(given: dict[str, Any]) -> Request:
    """Return what ``publish`` with these options asks for."""
    return _request(given, Goal.PUBLISH, LockPolicy.NEVER)


def export_request(given: dict[str, Any]) -> Request:
    """Return what ``local-export`` with these options asks for."""
    return _request(given, Goal.EXPORT, LockPolicy.NEVER)


def _request(given: dict[str, Any], goal: Goal, lock: LockPolicy) -> Request:
    """Return the request that options make; what a subcommand has not keeps its default."""
    return Request(
        project=given["spec"],
        goal=goal,
        lock=lock,
        choice=Choice(**_present(given, _CHOICE_OPTIONS)),
        upgrade=_upgrade(given),
        **_present(given, _REQUEST_OPTIONS),
    )


def _present(given: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: given[name] for name in names if name in given}


def _upgrade(given: dict[str, Any]) -> Upgrade:
    names = given.get("upgrade_package", ())
    if names:
        from packaging.utils import InvalidName, canonicalize_name  # noqa: PLC0415 - rarely needed

        try:
            names = tuple(canonicalize_name(name, validate=True) for name in names)
        except InvalidName as error:
            raise click.UsageError(f"--upgrade-package: {error}") from error
    return Upgrade(everything=given.get("upgrade", False), packages=names)


def _run(request: Request, given: dict[str, Any]) -> None:
    """Show, do, or both; print what came of it."""
    from venvlayers.workflow import perform, requested  # noqa: PLC0415 - not for --help
    from venvlayers.workflow.outcome import summary  # noqa: PLC0415
    from venvlayers.workflow.status import planned_status  # noqa: PLC0415

    reporter = _reporter(given)
    as_json, show, only = given["as_json"], given["show"], given["show_only"]
    if given.get("dry_run"):
        if show:
            click.echo(planned_status(request, silent()).as_text(), err=True)
        click.echo(_json(requested(request, reporter)))
    elif as_json and not show if only is None else only:
        _print(planned_status(request, reporter), as_json=as_json)
    elif as_json:
        status = planned_status(request, silent())  # the work says again what is to be said
        outcome = perform(request, reporter)
        click.echo(_json({**status.as_json(), "outcome": outcome.as_json()}))
    else:
        if show:
            _print(planned_status(request, silent()), as_json=False)
        click.echo("\n".join(summary(perform(request, reporter))))


def _print(status: StackStatus, *, as_json: bool) -> None:
    click.echo(_json(status.as_json()) if as_json else status.as_text())


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)


def _reporter(given: dict[str, Any]) -> Reporter:
    general = click.get_current_context().obj or {"verbose": 0, "quiet": False}
    verbosity = given["verbose"] + general["verbose"]
    if given["quiet"] or general["quiet"]:
        return LineReporter(lambda _kind, _message: None)
    if sys.stderr.isatty():
        from venvlayers.terminal import TerminalReporter  # noqa: PLC0415 - rich costs 100 ms

        return TerminalReporter(verbosity=verbosity)

    def write(kind: Kind, message: str) -> None:
        click.echo(f"warning: {message}" if kind is Kind.WARNING else message, err=True)

    return LineReporter(write, verbosity=verbosity)


def main(args: list[str] | None = None) -> None:
    """Run the command, and end the process with its exit status.

    Args:
        args: Its arguments; those of the process if not given.
    """
    # `python -m venvlayers` is called so in usage lines.
    name = None if args is None and Path(sys.argv[0]).name == "__main__.py" else "venvstacks"
    try:
        # A pattern such as app-* is for layers, not for files (Windows' shells leave it to us).
        cli.main(args, prog_name=name, standalone_mode=False, windows_expand_args=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except VenvstacksError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; earlier outputs are as they were", err=True)
        sys.exit(_INTERRUPTED)
