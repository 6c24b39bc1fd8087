"""The server's second process: settles what was received, seals versions after a quiet time, publishes.

Runs beside the answering processes, so that a conversion never holds up an answer.  Killed at any moment it loses
nothing: the next one finds what is left.
"""

import logging
import os
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pacs.domain.errors import PacsError

if TYPE_CHECKING:
    from pacs.bootstrap import Services
    from pacs.config import Settings

_SHORTEST, _LONGEST = 0.02, 0.5
_log = logging.getLogger(__name__)


def run(settings: "Settings", parent: int) -> None:
    """Works until the process ``parent`` is gone."""
    from pacs.bootstrap import assemble
    from pacs.process import tune

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    services = assemble(settings)
    tune()
    pause = _SHORTEST
    while os.getppid() == parent:
        pause = _SHORTEST if step(services, settings.server.quiet_seconds) else min(pause * 1.5, _LONGEST)
        if pause > _SHORTEST:
            time.sleep(pause)


def step(services: "Services", quiet: float) -> bool:
    """One round of work; whether there was any.  A fault in one kind of work holds up no other."""
    if services.sweeper.due():
        _attempt("sweeping", services.sweeper.sweep)
    return (
        _attempt("settling", services.settler.settle)
        or _attempt("publishing", lambda: services.publisher.seal(quiet))
        or _attempt("indexing tags", services.tags.step)
    )


def _attempt(what: str, work: Callable[[], object]) -> bool:
    """Whether something was done.  A fault is logged, and the work tried again after a pause."""
    try:
        return bool(work())
    except PacsError as fault:
        _log.warning("%s: %s", what, fault)
    except Exception:
        _log.exception("%s", what)
    return False
