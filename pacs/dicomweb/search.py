"""The search resources (PS3.18 10.6.1, Table 10.6.1-1)."""

from litestar import Response, get

from pacs.dicomweb import accept, qido
from pacs.dicomweb.requests import in_thread, settings_of, uids
from pacs.dicomweb.wado import JSON, JSON_OFFER, Req, accepts, base_of, query_of, raw, services_of
from pacs.domain.query import QueryLevel


async def run(request: Req, level: QueryLevel) -> Response[bytes]:
    """One search; no match is 200 and an empty list."""
    study, series = request.path_params.get("study"), request.path_params.get("series")
    uids(study, series)
    services = services_of(request)
    query = qido.parse_query(query_of(request), level, study, series, settings_of(services).max_results)
    accept.choose(accepts(request), [JSON_OFFER])
    body, remaining = await in_thread(services.search.run, query, base_of(request))
    headers = {"cache-control": "no-cache", "vary": "Accept"}
    warning = qido.warning(remaining)
    return raw(body, JSON, {**headers, "warning": warning} if warning else headers)


@get("/studies")
async def studies(request: Req) -> Response[bytes]:
    """All studies."""
    return await run(request, QueryLevel.STUDY)


@get(["/series", "/studies/{study:str}/series"])
async def series(request: Req) -> Response[bytes]:
    """Series of a study, or of all."""
    return await run(request, QueryLevel.SERIES)


@get(
    [
        "/instances",
        "/studies/{study:str}/instances",
        "/studies/{study:str}/series/{series:str}/instances",
    ]
)
async def instances(request: Req) -> Response[bytes]:
    """Instances of a series, of a study, or of all."""
    return await run(request, QueryLevel.INSTANCE)


HANDLERS = (studies, series, instances)
