"""The configuration: one JSON5 file and what the command line says over it, checked and frozen.

``load`` is the one place that reads the environment.  It looks for a file (``-c``, ``PACS_CONFIG``,
``./config.json5``, ``~/static-wado.json5``), lays the command line over it and returns ``Settings``, or raises
``ConfigFault`` with every problem there is.  Keys are camelCase in files, snake_case in Python.
"""

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import json5
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, Strict, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from pacs.domain.errors import ConfigFault

MiB = 1 << 20
GiB = 1 << 30

Flag = Annotated[bool, Strict()]
Count = Annotated[int, Strict(), Field(ge=0)]
Positive = Annotated[int, Strict(), Field(ge=1)]
Port = Annotated[int, Strict(), Field(ge=1, le=65535)]
ListenPort = Annotated[int, Strict(), Field(ge=0, le=65535)]
Seconds = Annotated[float, Strict(), Field(ge=0)]
Name = Annotated[str, Field(min_length=1)]
AeTitle = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[ -\[\]-~]*[!-\[\]-~][ -\[\]-~]*$")]
Source = Literal["", "uncompressed", "jp2", "jpeg", "jpeglossless", "rle", "jph", "jls", "jll", "true", "none"]


def _server_path(value: str) -> str:
    value = value.rstrip("/")
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*", value):
        raise ValueError("must be a path such as '/dicomweb'")
    return value


def _public_url(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", value):
        raise ValueError("must be a URL such as 'https://pacs.example.org/dicomweb'")
    return value.rstrip("/")


class _Section(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
    )


class SearchableTag(_Section):
    """An attribute to search by, beside the standard's.

    ``tag``: a keyword, eight hex digits or, inside of sequences, several with dots.  ``level``: whose value it is; a study or
    series has that of its latest instance.  A private one has its ``creator`` and, where no dictionary knows it, its ``vr``.
    """

    tag: Name
    level: Literal["study", "series", "instance"] = "instance"
    vr: Annotated[str, Field(pattern="^[A-Z]{2}$")] | None = None
    creator: Name | None = None

    @model_validator(mode="after")
    def _known(self) -> "SearchableTag":
        from pacs.services.tags import attribute_of

        attribute_of(self.tag, self.level, self.vr, self.creator)
        return self


def _each_once(tags: tuple[SearchableTag, ...]) -> tuple[SearchableTag, ...]:
    from pacs.dicom.names import path_of, plain_tag

    paths = [path_of(plain_tag(one.tag)) for one in tags]
    twice = [one.tag for one, path in zip(tags, paths, strict=True) if paths.count(path) > 1]
    if twice:
        raise ValueError(f"'{twice[0]}' is there twice")
    return tags


class StaticWadoConfig(_Section):
    """The store: where it lies, how objects enter it, what a received object may cost."""

    root_dir: Name = "~/dicomweb"
    database_url: Name | None = None
    recompress: tuple[Source, ...] = ()
    duplicate_policy: Literal["replace", "reject", "quarantine"] = "replace"
    pack_frames_over: Count = 16
    bulkdata_over: Count = 4096
    max_depth: Positive = 64
    max_elements: Positive = 1_000_000
    max_inflated_bytes: Positive = 512 * MiB
    receive_memory_bytes: Count = 64 * MiB
    sweep_after_hours: Seconds = 24.0
    static_wado_ae: AeTitle = "DICOMWEB"
    searchable_tags: Annotated[tuple[SearchableTag, ...], AfterValidator(_each_once)] = ()


class CorsOptions(_Section):
    """``origin``: true (any), false (none), one origin or a list of them."""

    enabled: Flag = True
    origin: Flag | str | tuple[str, ...] = True


class DicomWebServerConfig(_Section):
    """The HTTP edge.  ``port`` 0 takes a free one."""

    host: Name = "127.0.0.1"
    port: ListenPort = 5000
    workers: Positive = 1
    client_dir: Name | None = None
    server_path: Annotated[str, AfterValidator(_server_path)] = "/dicomweb"
    public_url: Annotated[str, AfterValidator(_public_url)] | None = None
    proxy_ae: Name | None = None
    retrieve_default: Literal["metadata", "dicom"] = "metadata"
    max_results: Positive = 5000
    unmatched_keys: Literal["refuse", "warn"] = "refuse"
    max_body_bytes: Positive = 4 * GiB
    max_metadata_bytes: Positive = 64 * MiB
    allow_unauthenticated: Flag = False
    cors_options: CorsOptions = CorsOptions()
    quiet_seconds: Seconds = 1.0
    render_processes: Positive = 1
    render_seconds: Annotated[float, Strict(), Field(gt=0)] = 10.0
    transcode_cache_bytes: Count = 64 * MiB


class DicomWebScpConfig(_Section):
    """The DIMSE edge."""

    scp_port: Port = 11112


class Ae(_Section):
    """A DICOM peer.  Without ``ae_title`` its title is its name in ``aeConfig``."""

    description: str = ""
    host: Name
    port: Port
    ae_title: AeTitle | None = None
    tls: Flag = False


class MkdicomwebConfig(_Section):
    """The ``mkdicomweb`` command.  ``processes``: none means as many as there are processors."""

    processes: Positive | None = None


class Settings(_Section):
    """Everything that can be set."""

    static_wado: StaticWadoConfig = Field(StaticWadoConfig(), alias="staticWadoConfig")
    server: DicomWebServerConfig = Field(DicomWebServerConfig(), alias="dicomWebServerConfig")
    scp: DicomWebScpConfig = Field(DicomWebScpConfig(), alias="dicomWebScpConfig")
    ae: dict[str, Ae] = Field({}, alias="aeConfig")
    mkdicomweb: MkdicomwebConfig = Field(MkdicomwebConfig(), alias="mkdicomwebConfig")

    _source: str | None = PrivateAttr(default=None)
    _warnings: tuple[str, ...] = PrivateAttr(default=())

    @property
    def source(self) -> str | None:
        """The file that was read; none when there was none."""
        return self._source

    @property
    def warnings(self) -> tuple[str, ...]:
        return self._warnings

    @property
    def root(self) -> str:
        """``rootDir`` as an absolute path (from the working directory), or as it is when it is ``s3://``."""
        return _absolute(self.static_wado.root_dir)

    @property
    def database_url(self) -> str:
        """A SQLAlchemy URL; without a setting, a SQLite file beside the root."""
        url = self.static_wado.database_url
        if url is None:
            return f"sqlite:///{self.root}-index.sqlite"
        return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)

    @property
    def client_dir(self) -> str | None:
        return None if self.server.client_dir is None else _absolute(self.server.client_dir)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


UNUSED: Mapping[str, frozenset[str]] = {
    "": _words("plugins deployConfig studiesQueryByIndex studiesQueryToScp"),
    "staticWadoConfig": _words(
        "pathDeduplicated pathInstances configurationFile recompressThumb recompressColor compress studyQuery queryAe "
        "callingAe notificationDir deployPlugin deployNotificationName groupNames rootGroup clientGroup instanceGroup "
        "part10Group deduplicatedGroup uploadGroup indexGroup deployments s3Env contentType maximumInlinePublicLength "
        "maximumInlinePrivateLength verbose"
    ),
    "dicomWebServerConfig": _words(
        "serverTimeoutMs disableSummary hang createIndexOnDemand studyIndex sizeBulkdataTags sizePrivateBulkdataTags "
        "maxUnsettledReceives maxUnsettledStreamWrites backPressureTimeoutMs backpressureWaitMs backpressureMaxBytes "
        "messaging validateInstance stowCommands instanceCommands accessCheck webserverPlugins useOldPostController "
        "queryAe studyQuery verbose"
    ),
    "dicomWebServerConfig.corsOptions": _words(
        "methods allowedHeaders exposedHeaders credentials maxAge preflightContinue optionsSuccessStatus"
    ),
    "dicomWebScpConfig": _words(
        "contentType recompress maximumInlinePublicLength maximumInlinePrivateLength isInstance isGroup isDeduplicate "
        "isStudyData verbose"
    ),
    "mkdicomwebConfig": _words(
        "contentType recompress recompressThumb recompressColor maximumInlinePublicLength maximumInlinePrivateLength "
        "isStudyData isGroup verbose"
    ),
}
"""Keys of the original tool that mean nothing here, by section: they load, with one warning."""


def load(path: str | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Settings from the file found and ``overrides`` over it; ``ConfigFault`` lists every problem.

    ``overrides`` has keys as in the file, nested or dotted (``"dicomWebServerConfig.port"``); None is "not given".
    """
    file = _find(path)
    label = "defaults" if file is None else str(file)
    data, twice = ({}, []) if file is None else _read(file)
    told = set(_lay(data, overrides or {}))

    def line(at: str, message: str) -> str:
        return f"{'command line' if at in told else label}: {at}: {message}"

    problems = [line(at, message) for at, message in twice]
    ignored = list(_drop_unused(data))
    _inherit(data)
    settings = None
    try:
        settings = Settings.model_validate(data, by_alias=True, by_name=False)
    except ValidationError as error:
        problems += [line(at, message) for at, message in _explain(error, data)]
    problems += [line(at, message) for at, message in _across(data)]
    if problems or settings is None:
        raise ConfigFault(problems)
    settings._source = None if file is None else str(file)
    if ignored:
        settings._warnings = (f"{label}: keys with no meaning here, ignored: {', '.join(ignored)}",)
    return settings


def _find(path: str | None) -> Path | None:
    """The file to read; one that was asked for by name need not exist yet, ``_read`` says so."""
    named = path or os.environ.get("PACS_CONFIG")
    if named:
        return Path(os.path.expanduser(named))
    places = (Path("config.json5"), Path(os.path.expanduser("~/static-wado.json5")))
    return next((place for place in places if place.exists()), None)


class _Object(dict[str, Any]):
    """An object of the file that remembers the keys written twice."""

    def __init__(self, pairs: Iterable[tuple[str, Any]]) -> None:
        pairs = list(pairs)
        super().__init__(pairs)
        keys = [key for key, _ in pairs]
        self.twice = sorted({key for key in keys if keys.count(key) > 1})


def _read(file: Path) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The object in ``file`` and its duplicate keys; a file that cannot be read is a fault at once."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
        data = json5.loads(text, object_pairs_hook=_Object)
    except OSError as error:
        raise ConfigFault([f"{file}: cannot be read: {error.strerror or error}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigFault([f"{file}: not UTF-8 at byte {error.start}"]) from None
    except RecursionError:
        raise ConfigFault([f"{file}: nested too deeply"]) from None
    except ValueError as error:
        raise ConfigFault([f"{file}: {_position(str(error))}"]) from None
    if not isinstance(data, dict):
        raise ConfigFault([f"{file}: must hold one object {{ ... }}"])
    return data, list(_duplicates(data, ""))


def _position(text: str) -> str:
    match = re.fullmatch(r"<string>:(\d+) (.*?)(?: at column (\d+))?", text, re.DOTALL)
    if match is None:
        return f"line 1, column 1: {text}"
    row, what, column = match.groups()
    return f"line {row}, column {column or 1}: {what}"


def _join(at: str, key: object) -> str:
    return f"{at}.{key}" if at else str(key)


def _duplicates(value: Any, at: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, _Object):
        yield from ((_join(at, key), "written twice") for key in value.twice)
    items: Iterable[tuple[object, Any]] = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        yield from _duplicates(inner, _join(at, key))


def _lay(data: dict[str, Any], overrides: Mapping[str, Any], at: str = "") -> Iterator[str]:
    """Lays ``overrides`` over ``data``; yields the paths set."""
    for key, value in overrides.items():
        *sections, last = key.split(".")
        target, where = data, at
        for section in sections:
            target, where = _section(target, section), _join(where, section)
        if isinstance(value, Mapping):
            yield from _lay(_section(target, last), value, _join(where, last))
        elif value is not None:
            target[last] = list(value) if isinstance(value, tuple) else value
            yield _join(where, last)


def _section(data: dict[str, Any], key: str) -> dict[str, Any]:
    """The object under ``key``.  Where the file has something else it stays, for validation to name."""
    inner = data.setdefault(key, {})
    return inner if isinstance(inner, dict) else {}


def _drop_unused(data: dict[str, Any]) -> Iterator[str]:
    """Takes the keys out that only the original tool knows; yields their paths."""
    for section, names in UNUSED.items():
        inner: Any = data
        for key in filter(None, section.split(".")):
            inner = inner.get(key) if isinstance(inner, dict) else None
        if isinstance(inner, dict):
            for key in [key for key in inner if key in names]:
                del inner[key]
                yield _join(section, key)


def _inherit(data: dict[str, Any]) -> None:
    """In the original every section inherits ``staticWadoConfig``; files have ``proxyAe`` there."""
    base = data.get("staticWadoConfig")
    if isinstance(base, dict) and "proxyAe" in base and isinstance(data.get("dicomWebServerConfig", {}), dict):
        data.setdefault("dicomWebServerConfig", {}).setdefault("proxyAe", base.pop("proxyAe"))
        base.pop("proxyAe", None)


def _explain(error: ValidationError, data: Any) -> list[tuple[str, str]]:
    """(path, message) of every error; the branches of a union become one."""
    found: dict[str, list[str]] = {}
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        keys = _within(one["loc"], data)
        if one["type"] == "missing":
            keys, message = (*keys, one["loc"][-1]), "is required"
        elif one["type"] == "extra_forbidden":
            message = "unknown key" + _nearest(keys)
        else:
            message = one["msg"].removeprefix("Value error, ")
        found.setdefault(".".join(map(str, keys)), []).append(message)
    return [(at, " or ".join(dict.fromkeys(messages))) for at, messages in found.items()]


def _within(location: Iterable[Any], data: Any) -> tuple[int | str, ...]:
    """The part of ``location`` that leads somewhere in the data; the rest names union branches."""
    keys: list[Any] = []
    for key in location:
        if (isinstance(data, list) and isinstance(key, int)) or (isinstance(data, dict) and key in data):
            data = data[key]
            keys.append(key)
    return tuple(keys)


def _nearest(keys: tuple[int | str, ...]) -> str:
    """A hint: the same key of another section, else the most alike of this one, else of any."""
    section, name = ".".join(map(str, keys[:-1])), str(keys[-1])
    if len(keys) == 3 and keys[0] == "aeConfig":
        section = "aeConfig.*"
    every = known_keys()
    here = {at.rpartition(".")[2]: at for at in every if at.rpartition(".")[0] == section}
    elsewhere = {at.rpartition(".")[2]: at for at in every}
    if name in elsewhere:
        return f" (nearest key: '{elsewhere[name]}')"
    folded = {key.lower(): key for key in here}
    if alike := difflib.get_close_matches(name.lower(), folded, 1, 0.5):
        return f" (nearest key: '{folded[alike[0]]}')"
    if alike := difflib.get_close_matches(name, elsewhere, 1, 0.7):
        return f" (nearest key: '{elsewhere[alike[0]]}')"
    if alike := difflib.get_close_matches(name.lower(), folded, 1, 0.0):
        return f" (nearest key: '{folded[alike[0]]}')"
    return ""


def known_keys(model: type[BaseModel] = Settings, at: str = "") -> tuple[str, ...]:
    """The dotted path of every key a file may have; a peer of ``aeConfig`` is ``*``."""
    found: list[str] = []
    for field in model.model_fields.values():
        path = _join(at, field.alias)
        found.append(path)
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found += known_keys(kind, path)
        elif get_args(kind)[1:] == (Ae,):
            found += known_keys(Ae, f"{path}.*")
    return tuple(found)


def _across(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What one key asks of another."""
    store, server, peers = (data.get(key, {}) for key in ("staticWadoConfig", "dicomWebServerConfig", "aeConfig"))
    proxy = server.get("proxyAe") if isinstance(server, dict) else None
    if isinstance(proxy, str) and proxy and isinstance(peers, dict) and proxy not in peers:
        alike = difflib.get_close_matches(proxy, peers, 1, 0.0)
        hint = f" (nearest key: '{alike[0]}')" if alike else ""
        yield "dicomWebServerConfig.proxyAe", f"'{proxy}' is not a key of aeConfig{hint}"
    root = store.get("rootDir") if isinstance(store, dict) else None
    if isinstance(root, str) and root.startswith("s3://") and store.get("databaseUrl") is None:
        yield "staticWadoConfig.databaseUrl", "is required when rootDir is s3://"


def _absolute(path: str) -> str:
    if path.startswith("s3://"):
        return path.rstrip("/")
    return os.path.abspath(os.path.expanduser(path))
