"""Studies, series and instances as files (PS3.18 10.4.1.1.1): multipart, single part, zip, in the syntax asked for."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pacs.dicom.syntax import EXPLICIT_LITTLE, syntax
from pacs.dicomweb import accept, parts
from pacs.dicomweb.call import Call
from pacs.dicomweb.metadata import json
from pacs.dicomweb.reply import Reply, ranged_source, stream_reply, unchanged
from pacs.dicomweb.requests import in_thread, only, settings_of
from pacs.dicomweb.resources import DICOM, FILE, JSON
from pacs.domain.model import Instance
from pacs.domain.ports import Buffer
from pacs.services.retrieve import etag, state_of

Plan = Mapping[str, str]
"""Stored transfer syntax -> the one to send."""


def targets_of(stored: str, transcoder: Any) -> accept.Targets:
    """What an instance stored in a syntax can be sent in.

    The default is Explicit VR Little Endian, unless the stored form is lossy or cannot be decoded (PS3.18 8.7.3.4).
    """
    ready = transcoder.targets(stored)
    default = EXPLICIT_LITTLE if EXPLICIT_LITTLE in ready and not syntax(stored).lossy else stored
    return accept.Targets(ready, transcoder.by_name(stored), default)


def plan(ranges: Sequence[accept.MediaRange], stored: Iterable[str], transcoder: Any) -> Plan | None:
    """What each stored syntax is sent in; None when one of them fits no range."""
    found: dict[str, str] = {}
    for uid in stored:
        target = targets_of(uid, transcoder).first(ranges)
        if target is None:
            return None
        found[uid] = target
    return found


async def objects(call: Call) -> Reply:
    """A bare study, series or instance; metadata where that is the default or what was asked for."""
    only(call.query)
    forms = _forms(call)
    if accept.choose(call.ranges, forms) == JSON:
        return await json(call)
    instances = await in_thread(call.services.retrieve.instances, call.target)
    form, chosen = _choose(call, [form for form in forms if form != JSON], instances)
    return await send(call, form, instances, chosen)


def _forms(call: Call) -> tuple[accept.Form, ...]:
    """The default first: metadata for a bare GET, unless the configuration says otherwise."""
    if settings_of(call.services).retrieve_default == "metadata":
        return tuple(sorted(call.resource.forms, key=lambda form: form != JSON))
    return call.resource.forms


def _choose(call: Call, forms: list[accept.Form], instances: Sequence[Instance]) -> tuple[accept.Form, Plan]:
    """The form wanted most that every instance can be sent in."""
    transcoder = call.services.transcoder
    stored = dict.fromkeys(one.transfer_syntax for one in instances)
    for form, fits in accept.ranked(call.ranges, forms):
        found = plan(fits, stored, transcoder)
        if found is not None:
            return form, found
    each = [transcoder.targets(uid) for uid in stored]
    common = [uid for uid in each[0] if all(uid in targets for targets in each)]
    detail = f"no representation fits; what is stored is in {', '.join(stored)}"
    raise accept.refusal([form._replace(syntaxes=(uid,)) for form in forms for uid in common] or forms, detail)


async def send(call: Call, form: accept.Form, instances: Sequence[Instance], chosen: Plan) -> Reply:
    """The answer in a form; the stored form can be ranged and its length is told."""
    tag = etag(state_of(instances), form.name, *(f"{a}>{b}" for a, b in sorted(chosen.items())))
    headers = {"etag": tag, "vary": "Accept", "cache-control": "no-cache"}
    early = unchanged(call.scope, headers)
    if early is not None:
        return early
    if form.name == "zip":
        return await _zip(call, instances, chosen, headers)
    if form.name == FILE.name:
        return await _single(call, instances[0], chosen, headers)
    return await _parts(call, instances, chosen, headers)


def pieces(call: Call, instance: Instance, target: str) -> Iterator[Buffer]:
    """The Part 10 bytes in a syntax."""
    if target == instance.transfer_syntax:
        found: Iterator[Buffer] = call.services.retrieve.file(instance)
    else:
        found = call.services.transcoder.file(instance, target)
    return found


async def _single(call: Call, instance: Instance, chosen: Plan, headers: dict[str, str]) -> Reply:
    target = chosen[instance.transfer_syntax]
    given = {**headers, "content-type": f"{DICOM}; transfer-syntax={target}"}
    if target == instance.transfer_syntax:
        return await ranged_source(call.scope, call.services.retrieve.source(instance), given)
    return await stream_reply(call.scope, given, pieces(call, instance, target))


async def _parts(call: Call, instances: Sequence[Instance], chosen: Plan, headers: dict[str, str]) -> Reply:
    mark = parts.boundary(*call.target)

    def kind(one: Instance) -> str:
        return f"{DICOM}; transfer-syntax={chosen[one.transfer_syntax]}"

    length = None
    if all(stored == target for stored, target in chosen.items()):
        length = parts.length(((kind(one), one.size) for one in instances), mark)
    body = parts.multipart(((kind(one), pieces(call, one, chosen[one.transfer_syntax])) for one in instances), mark)
    given = {**headers, "content-type": f'multipart/related; type="{DICOM}"; boundary={mark}'}
    return await stream_reply(call.scope, given, body, length)


async def _zip(call: Call, instances: Sequence[Instance], chosen: Plan, headers: dict[str, str]) -> Reply:
    name = next(uid for uid in reversed(call.target) if uid)
    given = {**headers, "content-type": "application/zip", "content-disposition": f'attachment; filename="{name}.zip"'}

    def syntax_of(one: Instance) -> str:
        return chosen[one.transfer_syntax]

    def open_file(one: Instance) -> Iterator[Buffer]:
        return pieces(call, one, syntax_of(one))

    body = call.services.archiver.stream(call.target, instances, syntax_of, open_file)
    return await stream_reply(call.scope, given, body)
