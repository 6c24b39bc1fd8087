import os
import pickle
from pathlib import Path

import pytest

from pacs import config
from pacs.domain.errors import ConfigFault

TOP = Path(__file__).resolve().parent.parent
SEED = """{ "staticWadoConfig": { "rootDir": "/dicomweb" },
  "dicomWebServerConfig": { "proxyAe": "myProxyAe" },
  "aeConfig": { "myProxyAe": { "description": "A proxy AE to use", "host": "proxyAe.hospital.com", "port": 104 } } }
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """An empty home and working directory."""
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PACS_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def written(text, name="settings.json5"):
    Path(name).write_text(text, encoding="utf-8")
    return name


def problems(text, overrides=None):
    with pytest.raises(ConfigFault) as caught:
        config.load(written(text), overrides)
    return caught.value.problems


def test_seed_example_loads_unchanged():
    settings = config.load(written(SEED))
    assert settings.root == "/dicomweb"
    assert settings.database_url == "sqlite:////dicomweb-index.sqlite"
    assert settings.server.proxy_ae == "myProxyAe"
    assert settings.ae["myProxyAe"] == config.Ae(
        description="A proxy AE to use", host="proxyAe.hospital.com", port=104, ae_title=None, tls=False
    )
    assert settings.warnings == ()


def test_defaults_without_a_file(elsewhere):
    settings = config.load()
    assert settings == config.Settings()
    assert settings.source is None
    assert settings.root == f"{elsewhere}/home/dicomweb"
    assert settings.database_url == f"sqlite:///{elsewhere}/home/dicomweb-index.sqlite"
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 5000)
    assert settings.server.max_body_bytes == 4 << 30


def test_search_order(elsewhere, monkeypatch):
    def with_port(path, port):
        Path(path).write_text(f"{{dicomWebServerConfig: {{port: {port}}}}}", encoding="utf-8")

    with_port(elsewhere / "home/static-wado.json5", 1)
    assert config.load().server.port == 1
    with_port("config.json5", 2)
    assert config.load().server.port == 2
    with_port("env.json5", 3)
    monkeypatch.setenv("PACS_CONFIG", "env.json5")
    assert config.load().server.port == 3
    with_port(elsewhere / "home/named.json5", 4)
    settings = config.load("~/named.json5")
    assert settings.server.port == 4
    assert settings.source == f"{elsewhere}/home/named.json5"
    assert config.load("~/named.json5", {"dicomWebServerConfig": {"port": 5}}).server.port == 5


@pytest.mark.parametrize("name", ["argument", "environment"])
def test_a_named_file_must_exist(name, monkeypatch):
    if name == "environment":
        monkeypatch.setenv("PACS_CONFIG", "absent.json5")
    with pytest.raises(ConfigFault) as caught:
        config.load("absent.json5" if name == "argument" else None)
    assert caught.value.problems == ["absent.json5: cannot be read: No such file or directory"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{staticWadoConfig: {rootdir: '/x'}}", "staticWadoConfig.rootdir: unknown key (nearest key: 'rootDir')"),
        ("{staticWadoconfig: {}}", "staticWadoconfig: unknown key (nearest key: 'staticWadoConfig')"),
        ("{staticWadoConfig: {root_dir: '/x'}}", "staticWadoConfig.root_dir: unknown key (nearest key: 'rootDir')"),
        (
            "{dicomWebServerConfig: {rootDir: '/x'}}",
            "dicomWebServerConfig.rootDir: unknown key (nearest key: 'staticWadoConfig.rootDir')",
        ),
        (
            "{dicomWebServerConfig: {corsOptions: {origins: true}}}",
            "dicomWebServerConfig.corsOptions.origins: unknown key (nearest key: 'origin')",
        ),
        (
            "{aeConfig: {A: {host: 'h', port: 1, aetitle: 'B'}}}",
            "aeConfig.A.aetitle: unknown key (nearest key: 'aeTitle')",
        ),
    ],
)
def test_unknown_key_names_the_nearest(text, expected):
    assert problems(text) == [f"settings.json5: {expected}"]


def test_every_problem_is_reported():
    text = """{
      staticWadoConfig: {rootDirr: 1, maxDepth: 0, recompress: ["uncompressed", "zip"]},
      dicomWebServerConfig: {port: "5000", port: true, proxyAe: "B", corsOptions: {origin: 5}, publicUrl: "pacs"},
      aeConfig: {A: {port: 70000}},
      dicomWebScpConfig: [],
    }"""
    found = problems(text)
    assert all(line.startswith("settings.json5: ") for line in found)
    assert sorted(line.split(": ")[1] for line in found) == [
        "aeConfig.A.host",
        "aeConfig.A.port",
        "dicomWebScpConfig",
        "dicomWebServerConfig.corsOptions.origin",
        "dicomWebServerConfig.port",
        "dicomWebServerConfig.port",
        "dicomWebServerConfig.proxyAe",
        "dicomWebServerConfig.publicUrl",
        "staticWadoConfig.maxDepth",
        "staticWadoConfig.recompress.1",
        "staticWadoConfig.rootDirr",
    ]
    assert "settings.json5: aeConfig.A.host: is required" in found
    assert "settings.json5: dicomWebServerConfig.proxyAe: 'B' is not a key of aeConfig (nearest key: 'A')" in found


def test_duplicate_keys():
    text = "{aeConfig: {A: {host: 'a', port: 1}, A: {host: 'b', port: 2}}, staticWadoConfig: {}, staticWadoConfig: {}}"
    assert problems(text) == [
        "settings.json5: staticWadoConfig: written twice",
        "settings.json5: aeConfig.A: written twice",
    ]


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("{\n a: 1,\n b: }", "settings.json5: line 3, column 5: "),
        ("", "settings.json5: line 1, column 1: "),
        ("[1]", "settings.json5: must hold one object"),
        ("{a:" + "[" * 5000, "settings.json5: "),
    ],
)
def test_a_file_that_is_no_object_is_one_line(text, start):
    (line,) = problems(text)
    assert line.startswith(start)
    assert "\n" not in line


def test_not_utf8():
    Path("settings.json5").write_bytes(b"{a: '\xff'}")
    with pytest.raises(ConfigFault, match="not UTF-8 at byte 5"):
        config.load("settings.json5")


def test_keys_of_the_original_load_with_one_warning():
    settings = config.load(
        written("""{
          plugins: {},
          staticWadoConfig: {pathDeduplicated: "d", compress: true, rootGroup: {path: "/"}, recompress: [""]},
          dicomWebServerConfig: {corsOptions: {enabled: true, credentials: true}},
        }""")
    )
    (warning,) = settings.warnings
    assert warning == (
        "settings.json5: keys with no meaning here, ignored: plugins, staticWadoConfig.pathDeduplicated, "
        "staticWadoConfig.compress, staticWadoConfig.rootGroup, dicomWebServerConfig.corsOptions.credentials"
    )


def test_unused_keys_are_none_of_ours():
    unused = {f"{section}.{key}" for section, keys in config.UNUSED.items() for key in keys}
    assert not unused & set(config.known_keys())


def test_proxy_in_the_base_section_counts():
    text = "{staticWadoConfig: {proxyAe: 'A'}, aeConfig: {A: {host: 'h', port: 1}}}"
    assert config.load(written(text)).server.proxy_ae == "A"


def test_overrides():
    path = written("{dicomWebServerConfig: {port: 1, host: '::1'}}")
    settings = config.load(
        path, {"dicomWebServerConfig.port": 2, "dicomWebServerConfig": {"host": None}, "staticWadoConfig.rootDir": "x"}
    )
    assert (settings.server.port, settings.server.host) == (2, "::1")
    assert settings.root == os.path.abspath("x")


def test_a_problem_of_the_command_line_says_so():
    (line,) = problems("{}", {"dicomWebServerConfig.port": 70000})
    assert line.startswith("command line: dicomWebServerConfig.port: ")


def test_urls_and_paths(elsewhere):
    text = "{staticWadoConfig: {databaseUrl: 'postgresql://u@h/n'}, dicomWebServerConfig: {clientDir: '~/ohif/'}}"
    settings = config.load(written(text), {"dicomWebServerConfig.serverPath": "/a/b/"})
    assert settings.database_url == "postgresql+psycopg://u@h/n"
    assert settings.client_dir == f"{elsewhere}/home/ohif"
    assert settings.server.server_path == "/a/b"


def test_s3_needs_a_database():
    text = "{staticWadoConfig: {rootDir: 's3://bucket/prefix/'}}"
    assert problems(text) == ["settings.json5: staticWadoConfig.databaseUrl: is required when rootDir is s3://"]
    settings = config.load(written(text), {"staticWadoConfig.databaseUrl": "sqlite:////tmp/x"})
    assert settings.root == "s3://bucket/prefix"


def test_settings_are_frozen_and_pickle():
    settings = config.load(written("{staticWadoConfig: {compress: true}}"))
    with pytest.raises(ValueError, match="frozen"):
        settings.server.port = 1
    again = pickle.loads(pickle.dumps(settings))
    assert again == settings
    assert again.warnings == settings.warnings


def test_the_example_is_the_defaults_and_names_every_key():
    example = TOP / "config.json5"
    settings = config.load(str(example))
    assert settings.warnings == ()
    assert settings.model_dump() == config.Settings().model_dump()
    text = example.read_text(encoding="utf-8")
    names = {path.rpartition(".")[2] for path in config.known_keys()}
    assert {name for name in names if f"{name}:" not in text} == set()
