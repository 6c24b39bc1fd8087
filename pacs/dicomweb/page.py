"""The page at ``/``: what is stored, and how to connect a viewer.  Stored text never becomes markup."""

import base64
import hashlib
import json
from typing import Any

_STYLE = """
body{font:15px system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#222}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ddd}
img{width:64px;height:64px;object-fit:contain;background:#000;display:block}
pre{background:#f4f4f4;padding:1rem;overflow:auto}
"""

_SCRIPT = """
const root = document.body.dataset.root, step = 50;
const rows = document.getElementById('rows'), more = document.getElementById('more');
const state = document.getElementById('state');
let offset = 0;
const value = (item, tag) => {
  const first = ((item[tag] || {}).Value || [''])[0];
  return first && typeof first === 'object' ? (first.Alphabetic || '') : String(first);
};
function add(item) {
  const row = rows.insertRow(), uid = encodeURIComponent(value(item, '0020000D'));
  const image = document.createElement('img');
  image.alt = ''; image.loading = 'lazy';
  image.src = root + '/studies/' + uid + '/thumbnail?viewport=64,64';
  row.insertCell().append(image);
  for (const tag of ['00100010', '00100020', '00080020', '00081030', '00201206', '00201208'])
    row.insertCell().textContent = value(item, tag);
  const link = document.createElement('a');
  link.href = root + '/studies/' + uid + '/metadata'; link.textContent = 'metadata';
  row.insertCell().append(link);
}
async function load() {
  more.hidden = true;
  try {
    const answer = await fetch(root + '/studies?includefield=00081030&limit=' + step + '&offset=' + offset);
    if (!answer.ok) throw new Error('status ' + answer.status);
    const found = await answer.json();
    found.forEach(add);
    offset += found.length;
    more.hidden = found.length < step;
    state.textContent = offset ? '' : 'No studies yet.';
  } catch (error) { state.textContent = 'The list could not be loaded: ' + error.message; more.hidden = false; }
}
const config = JSON.parse(document.getElementById('config').textContent);
const absolute = new URL(root || '/', location.href).href.replace(/\\/$/, '');
for (const key of ['qidoRoot', 'wadoRoot', 'wadoUriRoot']) config.configuration[key] = absolute;
document.getElementById('config').textContent = JSON.stringify(config, null, 2);
more.onclick = load;
load();
"""

_HTML = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>static-dicomweb</title>
<meta name="viewport" content="width=device-width"><style>{style}</style></head>
<body data-root="{root}">
<h1>static-dicomweb</h1>
<p>DICOMweb root: <code>{root}</code></p>
<table><thead><tr><th></th><th>Patient</th><th>ID</th><th>Date</th><th>Description</th><th>Series</th><th>Instances</th>
<th></th></tr></thead><tbody id="rows"></tbody></table>
<p id="state">Loading.</p><button id="more" hidden>More</button>
<h2>OHIF data source</h2>
<p>For <code>dataSources</code> in the viewer's configuration:</p>
<pre id="config">{config}</pre>
<script>{script}</script></body></html>
"""


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


POLICY = (
    f"default-src 'none'; script-src {_hash(_SCRIPT)}; style-src {_hash(_STYLE)}; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def data_source(root: str) -> dict[str, Any]:
    """OHIF's data source for this server."""
    return {
        "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
        "sourceName": "dicomweb",
        "configuration": {
            "friendlyName": "static-dicomweb",
            "name": "static-dicomweb",
            "qidoRoot": root,
            "wadoRoot": root,
            "wadoUriRoot": root,
            "qidoSupportsIncludeField": True,
            "imageRendering": "wadors",
            "thumbnailRendering": "thumbnail",
            "thumbnailRequestStrategy": "fetch",
            "enableStudyLazyLoad": True,
            "supportsFuzzyMatching": True,
            "supportsWildcard": True,
            "omitQuotationForMultipartRequest": True,
            "bulkDataURI": {"enabled": True, "relativeResolution": "studies"},
            # Films and documents by their URL: the viewer shows no film otherwise.
            "singlepart": "bulkdata,video,pdf",
        },
    }


def page(root: str) -> bytes:
    """The whole page.  ``root`` is checked by the configuration to hold no markup."""
    config = json.dumps(data_source(root), indent=2)
    return _HTML.format(style=_STYLE, script=_SCRIPT, root=root, config=config).encode()
