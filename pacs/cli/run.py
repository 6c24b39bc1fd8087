"""Runs a typer application so that errors become one line and an exit code."""

import sys

import typer

from pacs.domain.errors import ConfigFault, PacsError

INTERRUPTED = 130


def run(app: typer.Typer, name: str) -> None:
    """Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 something refused, 130 interrupted."""
    sys.exit(_run(app, name))


def _run(app: typer.Typer, name: str) -> int:
    try:
        code = int(app(standalone_mode=False, prog_name=name) or 0)
    except PacsError as error:
        from pacs.cli.exits import exit_code

        for problem in error.problems if isinstance(error, ConfigFault) else [str(error)]:
            _say(name, problem)
        return exit_code(error)
    except OSError as error:
        _say(name, f"{error.filename or 'the store'}: {error.strerror or error}")
        return 1
    except Exception as error:
        usage = getattr(error, "format_message", None)  # the parser's own errors have no public base class
        if usage is None:
            raise
        text = usage()
        print(text if "Usage:" in text else f"{name}: {text.rstrip('.')} (see {name} --help)", file=sys.stderr)
        return 2
    if code == INTERRUPTED:
        _say(name, "interrupted; the same command again goes on")
    return code


def _say(name: str, text: str) -> None:
    print(f"{name}: {text}", file=sys.stderr)
