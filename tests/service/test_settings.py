"""Settings: from the environment, checked, and described so that one can act on it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from service.settings import (
    Settings,
    as_environment,
    environment_name,
    find_bundle,
    flag_name,
    settings_document,
)


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(environment_name(name), raising=False)


def test_defaults_are_those_of_the_contract() -> None:
    settings = Settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 3000)
    assert settings.bundle == Path("models/faces-64")
    assert settings.device == "auto"


def test_the_environment_sets_a_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATENTSERVE_MAX_ITEMS", "7")
    monkeypatch.setenv("LATENTSERVE_ACCESS_LOG", "true")
    settings = Settings()
    assert settings.max_items == 7
    assert settings.access_log is True


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "65536"), ("DEVICE", "tpu"), ("MAX_ITEMS", "0"), ("DEADLINE_MS", "-1")],
)
def test_a_wrong_value_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"LATENTSERVE_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_a_child_reads_equal_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(port=1234, access_log=True, deadline_ms=1.5, bundle=Path("a b"))
    for name, value in as_environment(settings).items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


def test_keys_reach_a_child_and_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(api_keys=SecretStr("secret-word"), api_keys_file=Path("/etc/keys"))
    assert "secret-word" not in f"{settings!r} {settings} {settings.model_dump_json()}"
    environment = as_environment(settings)
    assert environment["LATENTSERVE_API_KEYS"] == "secret-word"
    assert "LATENTSERVE_TLS_CERT" not in environment
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEYS", "API_KEYS_FILE", "TLS_CERT", "TLS_KEY", "TLS_CLIENT_CA"):
        monkeypatch.setenv(f"LATENTSERVE_{name}", "")
    settings = Settings()
    assert settings.api_keys is settings.api_keys_file is settings.tls_cert is None


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_a_description_has_three_sentences_and_names_a_metric(name: str) -> None:
    description = Settings.model_fields[name].description or ""
    assert description.count(". ") == 2, description
    assert description.endswith(".")
    assert "`latentserve_" in description


def test_the_document_has_a_row_for_each_field() -> None:
    document = settings_document()
    for name in Settings.model_fields:
        assert f"| `{flag_name(name)}` | `{environment_name(name)}` |" in document


def test_a_bundle_is_looked_for_beside_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    beside = Path("service")
    assert find_bundle(beside).samefile(Path(__file__).parents[2] / "service")
    (tmp_path / "service").mkdir()
    assert find_bundle(beside) == beside
    assert find_bundle(Path("nowhere")) == Path("nowhere")
