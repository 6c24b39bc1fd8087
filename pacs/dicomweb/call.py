"""A request for a retrieved resource, as its handler sees it."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from pacs.dicomweb import accept
from pacs.dicomweb.requests import base_url, coding, header, pairs, ranges, settings_of, uids
from pacs.dicomweb.resources import Match, Resource
from pacs.dicomweb.types import Scope
from pacs.domain.errors import BadRequest
from pacs.domain.model import Identity
from pacs.services.retrieve import Target

_FORWARDED = (b"forwarded", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-prefix")
MOST_FRAMES = 100_000


class Call:
    """What was asked; everything that can be wrong is BadRequest when it is looked at."""

    def __init__(self, scope: Scope, services: Any, match: Match) -> None:
        self.scope, self.services = scope, services
        self.resource: Resource = match.resource
        self.given: Mapping[str, str] = match.given
        self.query = pairs(scope["query_string"])

    @cached_property
    def target(self) -> Target:
        """The study, series or instance of the path, its UIDs checked."""
        found = Target(self.given["study"], self.given.get("series"), self.given.get("instance"))
        uids(*found)
        return found

    @property
    def identity(self) -> Identity:
        """The instance of the path."""
        study, series, instance = self.target
        return Identity(study, series or "", instance or "")

    @property
    def frames(self) -> tuple[int, ...]:
        """The frames of the path, in the order asked; none when the path has no list."""
        if "frames" not in self.given:
            return ()
        listed = self.given["frames"].split(",")
        if len(listed) > MOST_FRAMES:
            raise BadRequest(f"more than {MOST_FRAMES} frames in one request")
        return tuple(map(_number, listed))

    @property
    def ranges(self) -> tuple[accept.MediaRange, ...]:
        """What the request accepts."""
        return ranges(self.query, header(self.scope, b"accept"))

    @property
    def coding(self) -> str:
        """The content coding to send JSON in."""
        return coding(header(self.scope, b"accept-encoding"))

    @property
    def base(self) -> str | None:
        """The absolute root for links, or None."""
        settings = settings_of(self.services)
        found = {name.decode(): value for name in _FORWARDED if (value := header(self.scope, name))}
        if not found and not settings.public_url:
            return None
        return base_url(found, settings.server_path, settings.public_url)

    def choose(self, *forms: accept.Form) -> accept.Form:
        """The form to send; without ``forms``, of those the table has."""
        return accept.choose(self.ranges, forms or self.resource.forms)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise BadRequest(f"frame {text[:40]!r}: whole numbers from 1 on are wanted")
    return int(text)
