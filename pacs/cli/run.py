"""Runs a typer application so that errors become one line and an exit code."""

import sys

import typer

from pacs.domain.errors import PacsError


def run(app: typer.Typer) -> None:
    """Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 something refused."""
    try:
        app()
    except PacsError as error:
        from pacs.cli.exits import exit_code

        print(f"error: {error}", file=sys.stderr)
        sys.exit(exit_code(error))
    except KeyboardInterrupt:
        print("interrupted; the same command again goes on", file=sys.stderr)
        sys.exit(130)
