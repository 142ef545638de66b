"""Who may come in, and what happens to that when the file of keys changes, breaks or goes away."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from inference.call import Call
from inference.errors import Unauthenticated
from service.access import Access
from service.keys import KeysError, new_key

if TYPE_CHECKING:
    from pathlib import Path

SHOP, SHOP_KEY = new_key("shop", 5)
BATCH, BATCH_KEY = new_key("batch")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(SHOP_KEY.line())
    return path


@pytest.fixture
def told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> pytest.LogCaptureFixture:
    # A hosted service in the same process may have turned this off.
    monkeypatch.setattr(logging.getLogger("latentserve"), "propagate", True)
    caplog.set_level(logging.INFO)
    return caplog


def opened(listed: str | None = None, file: Path | None = None) -> Access:
    secret = None if listed is None else SecretStr(listed)
    access = Access(secret, file)
    access.open()
    return access


def name_of(access: Access, sent: str) -> str | None:
    call = Call("1.2.3.4")
    try:
        access.admit(call, sent.encode())
    except Unauthenticated:
        assert call.caller == "1.2.3.4"
        return None
    return call.caller


def age(path: Path, seconds: int = 60) -> None:
    """Make the file look as if it was last changed so long ago."""
    facts = path.stat()
    os.utime(path, (facts.st_atime, facts.st_mtime - seconds))


def test_without_keys_nobody_is_asked() -> None:
    access = opened()
    assert not access.asks
    assert name_of(access, "") == "1.2.3.4"


def test_a_known_key_gives_its_name_and_its_limit() -> None:
    access = opened(f"{SHOP_KEY.line()},{BATCH_KEY.line()}")
    call = Call()
    access.admit(call, f"Bearer {SHOP}".encode())
    assert (call.caller, call.max_items) == ("shop", 5)
    assert name_of(access, f"bearer   {BATCH} ") == "batch"
    assert access.names == ("batch", "shop")


@pytest.mark.parametrize(
    "sent",
    ["", "Bearer", "Bearer ", SHOP, f"Basic {SHOP}", f"Bearer {SHOP}x", f"Bearer {'x' * 90_000}"],
    ids=["none", "no key", "spaces", "no scheme", "basic", "another", "long"],
)
def test_all_others_get_one_answer(sent: str) -> None:
    access = opened(SHOP_KEY.line())
    with pytest.raises(Unauthenticated) as missing:
        access.admit(Call(), b"")
    with pytest.raises(Unauthenticated) as caught:
        access.admit(Call(), sent.encode())
    assert str(caught.value) == str(missing.value)
    assert SHOP not in str(caught.value)


def test_nobody_comes_in_before_the_keys_are_read(file: Path) -> None:
    for access in (
        Access(None, file),
        Access(SecretStr(SHOP_KEY.line()), None),
    ):
        assert access.asks
        assert name_of(access, f"Bearer {SHOP}") is None


def test_health_needs_no_key() -> None:
    access = opened(SHOP_KEY.line())
    for path in ("/livez", "/readyz", "/v2/health/live", "/v2/health/ready"):
        access.admit_http(Call(), path, {})
    for path in ("/", "/metrics", "/docs", "/livez/", "/v1/encode", "/v2", "//livez", "/nowhere"):
        with pytest.raises(Unauthenticated):
            access.admit_http(Call(), path, {})


def test_a_changed_file_adds_and_revokes(file: Path, told: pytest.LogCaptureFixture) -> None:
    access = opened(file=file)
    assert name_of(access, f"Bearer {BATCH}") is None
    file.write_text(BATCH_KEY.line())
    access.refresh()
    assert name_of(access, f"Bearer {BATCH}") == "batch"
    assert name_of(access, f"Bearer {SHOP}") is None
    assert "API keys re-read: 1, of batch" in told.text
    assert BATCH not in told.text


def test_keys_of_the_list_stay_beside_those_of_the_file(file: Path) -> None:
    access = opened(BATCH_KEY.line(), file)
    file.write_text("# none\n")
    access.refresh()
    assert (name_of(access, f"Bearer {BATCH}"), name_of(access, f"Bearer {SHOP}")) == (
        "batch",
        None,
    )


@pytest.mark.parametrize(
    "content", [b"shop:" + SHOP.encode(), b"\xff\xfe", None], ids=["key", "bytes", "gone"]
)
def test_a_broken_or_missing_file_keeps_the_keys_and_is_told_once(
    content: bytes | None, file: Path, told: pytest.LogCaptureFixture
) -> None:
    access = opened(file=file)
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    for _ in range(3):
        access.refresh()
    assert name_of(access, f"Bearer {SHOP}") == "shop"
    assert told.text.count("the API keys stay as they were") == 1
    assert SHOP not in told.text
    file.write_text(BATCH_KEY.line())
    access.refresh()
    assert name_of(access, f"Bearer {SHOP}") is None
    file.unlink()
    access.refresh()
    assert told.text.count("the API keys stay as they were") == 2


def test_an_emptied_file_lets_nobody_in(file: Path, told: pytest.LogCaptureFixture) -> None:
    access = opened(file=file)
    file.write_text("")
    access.refresh()
    assert name_of(access, f"Bearer {SHOP}") is None
    assert "API keys re-read: 0" in told.text


def test_an_unchanged_file_is_not_read_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    age(file)
    access = opened(file=file)
    monkeypatch.setattr(type(file), "open", lambda *_: pytest.fail("it was read"))
    access.refresh()
    assert name_of(access, f"Bearer {SHOP}") == "shop"


def test_a_file_that_was_just_changed_is_read_again_though_it_looks_the_same(file: Path) -> None:
    access = opened(file=file)
    facts = file.stat()
    file.write_text(SHOP_KEY.line().replace("shop", "bank"))
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    access.refresh()
    assert name_of(access, f"Bearer {SHOP}") == "bank"


def test_a_start_without_a_usable_key_is_refused(file: Path) -> None:
    with pytest.raises(KeysError, match="entry 1 has no SHA-256"):
        opened(f"shop:{SHOP}")
    with pytest.raises(KeysError, match="no key in the list"):
        opened(" , ")
    file.write_text("# all gone\n")
    with pytest.raises(KeysError, match=r"there is no key in .*keys, so nobody could call"):
        opened(file=file)
    with pytest.raises(KeysError, match="must be a file of at most"):
        opened(file=file.parent)
    file.unlink()
    with pytest.raises(KeysError, match="No such file"):
        opened(file=file)


def test_only_names_become_labels() -> None:
    seen: list[tuple[str, str]] = []
    access = Access(
        SecretStr(SHOP_KEY.line()),
        None,
        observe=lambda *labels: seen.append((labels[0], labels[1])),
    )
    access.open()
    for caller, slug in (("shop", "ok"), ("6.6.6.6", "unauthenticated")):
        access.count(Call(caller), slug)
    assert seen == [("shop", "ok"), ("", "unauthenticated")]
