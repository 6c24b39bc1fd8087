"""Settings in, assembled services out: the one place where the parts meet."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pacs.dicom.reader import Limits
from pacs.domain.attributes import STANDARD, Catalogue
from pacs.domain.ports import Repository, Storage
from pacs.repository.engine import make_engine
from pacs.repository.migrate import prepare
from pacs.repository.sql import SqlRepository
from pacs.services.archive import Archiver
from pacs.services.export import Exporter
from pacs.services.open import Opener
from pacs.services.pictures import Pictures
from pacs.services.publish import Publisher
from pacs.services.retrieve import Retrieve
from pacs.services.search import Search
from pacs.services.settle import Settler
from pacs.services.shelve import Shelf
from pacs.services.store import Rules, Store
from pacs.services.sweep import Sweeper
from pacs.services.tags import TagIndexer, attribute_of
from pacs.services.transcode import Transcoder
from pacs.storage.disk import DiskStorage
from pacs.workers.pool import WorkerPool

if TYPE_CHECKING:
    from pacs.config import Settings


@dataclass
class Services:
    """Everything the edges call."""

    settings: "Settings"
    storage: Storage
    repository: Repository
    store: Store
    settler: Settler
    sweeper: Sweeper
    publisher: Publisher
    search: Search
    retrieve: Retrieve
    pictures: Pictures
    exporter: Exporter
    archiver: Archiver
    pool: WorkerPool
    tags: TagIndexer
    transcoder: Transcoder

    def close(self) -> None:
        self.pool.close()
        self.repository.close()


def limits_of(settings: "Settings") -> Limits:
    wado = settings.static_wado
    return Limits(depth=wado.max_depth, elements=wado.max_elements, inflated=wado.max_inflated_bytes)


def make_shelf(settings: "Settings", storage: Storage) -> Shelf:
    return Shelf(storage, settings.static_wado.pack_frames_over)


def rules_of(settings: "Settings") -> Rules:
    wado = settings.static_wado
    return Rules(
        limits_of(settings), wado.bulkdata_over, wado.duplicate_policy, wado.receive_memory_bytes, catalogue_of(settings)
    )


def catalogue_of(settings: "Settings") -> Catalogue:
    """The attributes searches know."""
    tags = settings.static_wado.searchable_tags
    return Catalogue(attribute_of(one.tag, one.level, one.vr, one.creator) for one in tags) if tags else STANDARD


def assemble(
    settings: "Settings",
    storage: Storage | None = None,
    repository: Repository | None = None,
    pool: WorkerPool | None = None,
) -> Services:
    """The services on real parts, or on those given.  Migrates an empty database.

    Raises StorageFault when the root cannot be written and IndexFault when the database does not fit.
    """
    if storage is None:
        storage = DiskStorage(settings.root)
        storage.check()
    if repository is None:
        prepare(settings.database_url)
        repository = SqlRepository(make_engine(settings.database_url))
    limits, shelf, rules = limits_of(settings), make_shelf(settings, storage), rules_of(settings)
    opener = Opener(storage, repository, shelf, limits)
    server = settings.server
    if pool is None:
        pool = WorkerPool(server.render_processes, server.render_seconds)
    pictures = Pictures(storage, repository, opener, pool)
    publisher = Publisher(storage, repository, opener, pictures.publish)
    tags = TagIndexer(repository, opener, rules.catalogue)
    tags.declare()
    search = Search(repository, rules.catalogue)
    return Services(
        settings, storage, repository, Store(storage, repository, shelf, rules),
        Settler(storage, repository, shelf, limits),
        Sweeper(storage, repository, limits, settings.static_wado.sweep_after_hours * 3600), publisher, search,
        Retrieve(repository, opener, publisher), pictures, Exporter(repository, opener, publisher, pictures),
        Archiver(search), pool, tags, Transcoder(repository, opener, pool, server.transcode_cache_bytes),
    )  # fmt: skip
