"""The ``mkdicomweb`` command."""

import sys
from typing import Annotated, Optional

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  help="Convert DICOM files into static DICOMweb, list and export what is stored.")  # fmt: skip

Config = Annotated[Optional[str], typer.Option("-c", "--config", help="Configuration file (JSON5).")]  # noqa: UP045
Root = Annotated[Optional[str], typer.Option("-o", "--output", help="Root of the tree (rootDir).")]  # noqa: UP045


def _settings(config: str | None, root: str | None):  # type: ignore[no-untyped-def]
    from pacs.config import load

    settings = load(config, {"staticWadoConfig.rootDir": root} if root else None)
    for warning in settings.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return settings


@app.command()
def create(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files, folders, .gz, .zip, DICOMDIR.")],
    config: Config = None,
    root: Root = None,
    report: Annotated[Optional[str], typer.Option("--report", help="Write a JSON line for each file here.")] = None,  # noqa: UP045
    processes: Annotated[Optional[int], typer.Option("--processes", min=1, help="Converting processes.")] = None,  # noqa: UP045
) -> None:
    """Store DICOM files: exit 0 all stored, 3 some refused, 1 some failed, 2 wrong usage."""
    import os

    from pacs.bootstrap import assemble
    from pacs.cli.create import Report
    from pacs.cli.create import create as run

    missing = [path for path in paths if not os.path.exists(path)]
    if missing:
        raise typer.BadParameter(f"no such file or folder: {missing[0]}")
    settings = _settings(config, root)
    services = assemble(settings)
    count = processes or settings.mkdicomweb.processes or os.cpu_count() or 1
    with _report_file(report) as file, _progress() as (say, advance):
        result = Report(file, say)
        run(services, paths, count, result, advance)
    services.close()
    if not result.counts:
        print("no files found", file=sys.stderr)
        raise typer.Exit(1)
    print(", ".join(f"{number} {status}" for status, number in sorted(result.counts.items())) + f" in {settings.root}")
    raise typer.Exit(result.exit_code)


def _report_file(path: str | None):  # type: ignore[no-untyped-def]
    from contextlib import nullcontext

    return open(path, "w", encoding="utf-8") if path else nullcontext(None)


def _progress(what: str = "storing"):  # type: ignore[no-untyped-def]
    """(say, advance): a bar on a terminal, plain lines elsewhere."""
    from contextlib import contextmanager

    @contextmanager
    def plain():  # type: ignore[no-untyped-def]
        yield lambda line: print(line, file=sys.stderr), lambda count: None

    @contextmanager
    def bar():  # type: ignore[no-untyped-def]
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

        with Progress(what, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()) as progress:
            task = progress.add_task(what, total=None)
            yield (
                lambda line: progress.console.print(line, markup=False, highlight=False),
                lambda count: progress.advance(task, count),
            )

    return bar() if sys.stderr.isatty() and sys.stdout.isatty() else plain()


@app.command()
def migrate(config: Config = None, root: Root = None) -> None:
    """Bring the database to this program's schema; harmless when it is there."""
    from pacs.repository.migrate import migrate as run

    settings = _settings(config, root)
    run(settings.database_url)
    print("the database is up to date")


@app.command(name="index-tags")
def index_tags(config: Config = None, root: Root = None) -> None:
    """Index the searchable tags of the configuration for what is stored already; a running server does so by itself."""
    from pacs.bootstrap import assemble

    services = assemble(_settings(config, root))
    read: list[int] = []
    with _progress("indexing") as (_, advance):

        def done(count: int) -> None:
            read.append(count)
            advance(count)

        while services.tags.step(done):
            pass
    services.close()
    print(f"{len(services.search.catalogue.extra)} tags are indexed, {sum(read)} rows were read for them")


@app.command(name="list")
def list_studies(
    filters: Annotated[Optional[list[str]], typer.Argument(metavar="[KEY=VALUE]...", help="QIDO filters.")] = None,  # noqa: UP045
    config: Config = None,
    root: Root = None,
    as_json: Annotated[bool, typer.Option("--json", help="DICOM JSON.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1)] = 100,
) -> None:
    """List studies, with QIDO filters such as PatientName=A*, StudyDate=20200101-."""
    import json

    from pacs.bootstrap import assemble
    from pacs.dicomweb.qido import Limits, parse
    from pacs.domain.query import QueryLevel

    services = assemble(_settings(config, root))
    pairs = [tuple(one.split("=", 1)) if "=" in one else (one, "") for one in filters or []]
    asked: list[tuple[str, str]] = [*pairs, ("limit", str(limit))]  # type: ignore[list-item]
    query = parse(asked, QueryLevel.STUDY, None, None, Limits(limit, services.search.catalogue)).query
    found = services.search.run(query)
    services.close()
    if as_json:
        print("[" + ",".join(one.decode() for one in found.records) + "]")
        return
    for record in map(json.loads, found.records):
        print("  ".join(_shown(record, tag) for tag in ("00080020", "00100020", "00100010", "00080061", "00201208", "0020000D")))
    if found.remaining:
        print(f"... and {found.remaining} more (--limit)")


def _shown(record: dict[str, dict[str, list[object]]], tag: str) -> str:
    values = record.get(tag, {}).get("Value") or ["-"]
    return "\\".join(str(v.get("Alphabetic", "-")) if isinstance(v, dict) else str(v) for v in values)


@app.command()
def export(
    studies: Annotated[list[str], typer.Argument(metavar="STUDY...", help="Study Instance UIDs.")],
    to: Annotated[str, typer.Option("--to", help="Folder of the static site.")],
    config: Config = None,
    root: Root = None,
) -> None:
    """Write studies as a static site that any web server can serve."""
    from pacs.bootstrap import assemble
    from pacs.storage.disk import DiskStorage

    services = assemble(_settings(config, root))
    count = services.exporter.export(studies, DiskStorage(to))
    services.close()
    print(f"{len(studies)} studies, {count} instances in {to}")


def main() -> None:
    """Entry point: errors become one line and an exit code."""
    from pacs.cli.run import run

    run(app, "mkdicomweb")


if __name__ == "__main__":
    main()
