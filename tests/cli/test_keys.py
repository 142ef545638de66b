"""`latentserve keys new`: the key for a person, the line for the file."""

from __future__ import annotations

import pytest

from cli.main import main
from service.keys import KeyRing, parse_lines


def test_a_key_is_shown_once_and_its_line_can_be_appended_to_the_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["keys", "new", "shop", "--max-items", "8"]) == 0
    shown = capsys.readouterr()
    text = shown.err.rstrip().rpartition(" ")[2]
    assert text not in shown.out
    found = KeyRing(parse_lines(shown.out)).find(text.encode())
    assert found is not None
    assert (found.name, found.max_items) == ("shop", 8)


@pytest.mark.parametrize("words", [("a b",), ("",), ("shop", "--max-items", "0")])
def test_a_wrong_name_or_limit_prints_no_key(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", "new", *words]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("latentserve keys: ")


def test_a_name_is_needed() -> None:
    with pytest.raises(SystemExit):
        main(["keys", "new"])
