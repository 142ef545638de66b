"""Keys: what a line says, what is refused, and that no message ever quotes a key."""

from __future__ import annotations

import hashlib
import re

import pytest

from service.keys import Key, KeyRing, KeysError, digest_of, new_key, parse_lines, parse_list

HASH = hashlib.sha256(b"one").hexdigest()
OTHER = hashlib.sha256(b"two").hexdigest()


def test_a_file_has_comments_blank_lines_limits_and_several_keys_of_a_name() -> None:
    text = f"""
    # who may call
    shop:{HASH}   # the shop's back end
    shop: {OTHER.upper()}

    batch-1:{hashlib.sha256(b"three").hexdigest()}:max_items=64
    """
    ring = KeyRing(parse_lines(text))
    assert ring.names == ("batch-1", "shop")
    assert ring.find(b"one") == Key("shop", digest_of(b"one"))
    assert ring.find(b"two") == Key("shop", digest_of(b"two"))
    assert ring.find(b"three") == Key("batch-1", digest_of(b"three"), 64)
    for unknown in (b"", b"four", bytes(32), HASH.encode(), bytes.fromhex(HASH)):
        assert ring.find(unknown) is None


def test_a_new_key_has_256_random_bits_and_its_line_lets_it_in() -> None:
    text, key = new_key("shop", 8)
    assert re.fullmatch(r"lsk_[A-Za-z0-9_-]{43}", text)
    assert text not in key.line()
    assert KeyRing(parse_lines(key.line())).find(text.encode()) == key
    assert new_key("shop")[0] != text
    assert new_key("shop")[1].line().count(":") == 1


def test_a_list_has_hashes_and_keys_themselves() -> None:
    ring = KeyRing(parse_list(f"shop:{HASH}:max_items=3, secret-word ,"))
    found = ring.find(b"secret-word")
    assert found is not None
    assert found.name == f"key-{hashlib.sha256(b'secret-word').hexdigest()[:8]}"
    assert ring.find(b"one") == Key("shop", digest_of(b"one"), 3)
    assert len(ring) == 2


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("lsk_a-key-itself", "line 2 has no SHA-256"),
        ("shop:lsk_a-key-itself", "line 2 has no SHA-256"),
        (f"shop:{HASH[:-1]}", "line 2 has no SHA-256"),
        (f"a b:{HASH}", "line 2: the name 'a b' is none"),
        (f":{HASH}", "line 2: the name '' is none"),
        (f"shop:{HASH}:max_items=0", "line 2, of 'shop': .*max_items=N"),
        (f"shop:{HASH}:items=3", "line 2, of 'shop': .*max_items=N"),
    ],
)
def test_a_wrong_line_is_named_and_not_quoted(line: str, told: str) -> None:
    with pytest.raises(KeysError, match=told) as caught:
        parse_lines(f"# first\n{line}\n")
    assert "lsk_a-key" not in str(caught.value)
    assert HASH[:16] not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"shop:{HASH}\nbatch:{HASH}", "'shop' and 'batch' have the same key"),
        (f"shop:{HASH}:max_items=3\nshop:{OTHER}", "'shop' have max_items 3 and None"),
    ],
)
def test_keys_that_contradict_each_other_are_refused(text: str, told: str) -> None:
    with pytest.raises(KeysError, match=told):
        KeyRing(parse_lines(text))


def test_what_no_header_can_carry_is_no_key() -> None:
    with pytest.raises(KeysError, match="entry 2 has characters") as caught:
        parse_list("fine,pass wörd")
    assert "wörd" not in str(caught.value)
    with pytest.raises(KeysError, match="the name '-' is none"):
        new_key("-")
    with pytest.raises(KeysError, match="max_items is 0"):
        new_key("shop", 0)
