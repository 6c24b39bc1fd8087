"""``dicomwebserver``: serves the store by DICOMweb."""

import os
import socket
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pacs.domain.errors import ConfigFault, StorageFault

if TYPE_CHECKING:
    from pacs.cli.crew import Crew
    from pacs.config import Settings

_SECTION = "dicomWebServerConfig"
BACKLOG = 2048


def _overrides(
    root: str | None, host: str | None, port: int | None, workers: int | None, anyone: bool
) -> dict[str, Any]:
    return {
        "staticWadoConfig.rootDir": root,
        f"{_SECTION}.host": host,
        f"{_SECTION}.port": port,
        f"{_SECTION}.workers": workers,
        f"{_SECTION}.allowUnauthenticated": anyone or None,
    }


def is_loopback(host: str) -> bool:
    """Whether only this computer can reach ``host``."""
    import ipaddress

    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; OSError when the port is taken."""
    family, kind, protocol, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
    sock = socket.socket(family, kind, protocol)
    try:
        if sys.platform != "win32":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    sock.set_inheritable(True)
    return sock


def _serve(settings: "Settings", sock: socket.socket, parent: int) -> None:
    """One process's share of the work, until it is told to stop or the process ``parent`` is gone."""
    from pacs.bootstrap import assemble
    from pacs.cli.crew import leave_in_order, stop_without

    leave_in_order()
    stop_without(parent)
    _run(assemble(settings), sock)


def _run(services: Any, sock: socket.socket) -> None:
    import uvicorn

    from pacs.dicomweb.app import create_app
    from pacs.process import tune

    config = uvicorn.Config(
        create_app(services), log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=10
    )
    tune()
    try:
        uvicorn.Server(config).run(sockets=[sock])
    except KeyboardInterrupt:
        pass
    finally:
        services.close()


def _others(settings: "Settings", sock: socket.socket) -> "Crew":
    """The other answering processes, and the one that settles and publishes."""
    from pacs.background import run
    from pacs.cli.crew import Crew, Job

    jobs = [Job(f"answering process {n}", _serve, (settings, sock, os.getpid())) for n in range(2, settings.server.workers + 1)]
    return Crew([*jobs, Job("background process", run, (settings, os.getpid()))])


def _start(settings: "Settings", sock: socket.socket) -> None:
    """Assembles first, so that a fault is told before the address is; this process is one of the workers."""
    from pacs.bootstrap import assemble
    from pacs.cli.crew import leave_in_order

    leave_in_order()
    server = settings.server
    services = assemble(settings)
    services.storage.check()
    port = sock.getsockname()[1]
    name = f"[{server.host}]" if ":" in server.host and "[" not in server.host else server.host
    place = f"http://{name}:{port}"
    typer.echo(f"static-dicomweb on {place}/ (DICOMweb root {place}{server.server_path})")
    sys.stdout.flush()
    with _others(settings, sock):
        _run(services, sock)


def _open(settings: "Settings") -> socket.socket:
    server = settings.server
    if not (server.allow_unauthenticated or is_loopback(server.host)):
        raise ConfigFault(
            [
                f"host {server.host} can be reached from other computers, and there is no login: "
                "put a proxy in front, or allow it with --allow-unauthenticated"
            ]
        )
    try:
        return listen(server.host, server.port)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageFault(f"cannot listen on {server.host}:{server.port}: {reason}") from None


def _load(config: str | None, overrides: dict[str, Any]) -> "Settings":
    from pacs.config import load

    settings = load(config, overrides)
    for warning in settings.warnings:
        typer.echo(f"dicomwebserver: {warning}", err=True)
    return settings


def serve(
    config: Annotated[str | None, typer.Option("-c", "--config", help="Configuration file (JSON5).")] = None,
    root: Annotated[str | None, typer.Option("-o", "--root", help="Folder of the store.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 for a free one.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes.")] = None,
    allow_unauthenticated: Annotated[
        bool, typer.Option("--allow-unauthenticated", help="Listen on other than loopback addresses, without a login.")
    ] = False,
) -> None:
    """Serve the store by DICOMweb."""
    settings = _load(config, _overrides(root, host, port, workers, allow_unauthenticated))
    with _open(settings) as sock:
        _start(settings, sock)


def main() -> None:
    """The console script."""
    from pacs.cli.run import run

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(serve)
    run(app, "dicomwebserver")


if __name__ == "__main__":
    main()
