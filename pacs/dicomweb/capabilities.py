"""What this server can do, told from the table of resources: JSON and WADL (PS3.18 8.9, Annex H), and as a page."""

import html
from itertools import groupby
from typing import Any
from xml.sax.saxutils import quoteattr

import orjson

from pacs import __version__
from pacs.convert.coding import encode
from pacs.dicom.syntax import SYNTAXES
from pacs.dicomweb.bulk import json_reply
from pacs.dicomweb.call import Call
from pacs.dicomweb.reply import Reply
from pacs.dicomweb.requests import in_thread, only, settings_of
from pacs.dicomweb.resources import RESOURCES, WADL, Parameter, Resource

_WADL = "http://wadl.dev.java.net/2009/02"


def _path(resource: Resource) -> str:
    return resource.path.replace("*}", "}")


def described(base: str) -> dict[str, Any]:
    """The table as JSON values."""
    return {
        "server": "static-dicomweb",
        "version": __version__,
        "base": base,
        "resources": [
            {
                "name": one.name, "section": one.section, "method": one.method, "path": _path(one),
                "mediaTypes": [form.label() for form in one.forms],
                "parameters": [parameter.name for parameter in one.parameters],
                "ranges": one.ranged, "statuses": list(one.statuses),
            }
            for one in RESOURCES
        ],
        "transferSyntaxes": [{"uid": one.uid, "name": one.name, "mediaType": one.media_type} for one in SYNTAXES.values()],
    }  # fmt: skip


def wadl(base: str) -> bytes:
    """The table as a WADL document (Annex H)."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<application xmlns={quoteattr(_WADL)}>",
             f"<resources base={quoteattr(base)}>"]  # fmt: skip
    ordered = sorted(RESOURCES, key=_path)
    for path, group in groupby(ordered, key=_path):
        lines.append(f"<resource path={quoteattr(path.lstrip('/'))}>")
        for one in group:
            lines += _method(one)
        lines.append("</resource>")
    return "\n".join([*lines, "</resources>", "</application>", ""]).encode()


def _method(one: Resource) -> list[str]:
    name = "".join(word.title() for word in one.name.split())
    lines = [f"<method name={quoteattr(one.method)} id={quoteattr(name)}>", "<request>"]
    lines += [f"<param name={quoteattr(p.name)} style=\"query\" required=\"{str(p.required).lower()}\"/>" for p in one.parameters]
    accepted = "".join(f"<option value={quoteattr(form.label())}/>" for form in one.forms)
    lines += [f'<param name="Accept" style="header">{accepted}</param>', "</request>"]
    for status in one.statuses:
        lines.append(f'<response status="{status}">' if status in (200, 202, 206) else f'<response status="{status}"/>')
        if status in (200, 202, 206):
            kinds = {"multipart/related" if form.multipart else form.types[0] for form in one.forms}
            lines += [f"<representation mediaType={quoteattr(kind)}/>" for kind in sorted(kinds)]
            lines.append("</response>")
    return [*lines, "</method>"]


def base_of(call: Call) -> str:
    """The root: absolute where it is known."""
    root: str = settings_of(call.services).server_path
    return call.base or root


async def capabilities(call: Call) -> Reply:
    """The capabilities of this service."""
    only(call.query)
    as_wadl = call.choose().name == "wadl"
    body = wadl(base_of(call)) if as_wadl else orjson.dumps(described(base_of(call)))
    coded = await in_thread(encode, body, call.coding)
    return json_reply(call, coded, WADL if as_wadl else "application/json")


def page() -> bytes:
    """The conformance statement as HTML: the same table for people."""
    rows = "".join(
        f"<tr><td>{_escaped(one.name)}</td><td>{_escaped(one.section)}</td><td><code>{one.method} {_escaped(_path(one))}</code>"
        f"</td><td>{'<br>'.join(_escaped(form.label()) for form in one.forms)}</td>"
        f"<td>{', '.join(_escaped(_word(p)) for p in one.parameters)}</td>"
        f"<td>{', '.join(map(str, one.statuses))}</td></tr>"
        for one in RESOURCES
    )
    syntaxes = "".join(
        f"<tr><td>{one.uid}</td><td>{_escaped(one.name)}</td><td>{_escaped(one.media_type)}</td></tr>"
        for one in SYNTAXES.values()
    )
    return _PAGE.format(version=_escaped(__version__), rows=rows, syntaxes=syntaxes).encode()


def _word(parameter: Parameter) -> str:
    return parameter.name + (" (required)" if parameter.required else "")


def _escaped(text: str) -> str:
    return html.escape(text, quote=True)


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>DICOMweb conformance statement</title></head><body>
<h1>DICOMweb conformance statement</h1>
<p>static-dicomweb {version}. Parts and sections are those of DICOM PS3.18. HEAD is possible wherever GET is; OPTIONS on every
path. Every error is a JSON problem: status, title, detail, and for 406 what is available.</p>
<h2>Resources</h2>
<table border="1"><thead><tr><th>Transaction</th><th>Section</th><th>Resource</th><th>Media types, default first</th>
<th>Query parameters</th><th>Status codes</th></tr></thead><tbody>{rows}</tbody></table>
<h2>Transfer syntaxes</h2>
<p>Everything is stored and sent as it came for <code>transfer-syntax=*</code>. Without a transfer syntax objects are sent in
Explicit VR Little Endian unless they are stored lossy or cannot be decoded (8.7.3.4); frames are sent as stored.</p>
<table border="1"><thead><tr><th>UID</th><th>Name</th><th>Media type of frames</th></tr></thead><tbody>{syntaxes}</tbody></table>
</body></html>
"""
