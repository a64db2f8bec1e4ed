"""The address of a shared ledger: what is one, and that none with a password is taken or shown."""

from __future__ import annotations

import pytest

from treadle.errors import UsageError
from treadle.ledger.address import checked, root_name, root_on_this_host


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://farm/ledger",
        "postgres://ana@farm:5433/ledger",
        "postgresql:///ledger?host=/run/postgresql&user=ana",
        "postgresql://[::1]:5433,farm2/ledger?sslmode=verify-full&passfile=/home/ana/x",
    ],
)
def test_an_address_without_a_password_is_taken_as_it_is(text: str) -> None:
    assert checked(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://ana:hunter2@farm/ledger",
        "postgresql://ana:hunter2@x@farm/ledger",
        "postgresql://ana:hun/ter2@farm/ledger",
        "postgresql://ana:hun#ter2@farm/ledger",
        "postgresql://ana:hun?ter2@farm/ledger",
        "postgresql://:hunter2@farm",
        "postgresql://farm/ledger?user=ana&password=hunter2",
        "postgresql://farm/ledger?PASSWORD=hunter2",
        "postgresql://farm/ledger?p%61ssword=hunter2",
        "postgresql://farm/ledger?sslkey=x&sslpassword=hunter2",
        "host=farm password=hunter2",
        "mysql://ana:hunter2@farm/ledger",
        "yes",
        "",
        "postgresql://farm/led\x1b[31mger",
    ],
)
def test_what_is_no_address_or_has_a_password_in_it_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(UsageError) as info:
        checked(text)
    said = " ".join([info.value.what, *map(str, info.value.facts), info.value.hint])
    assert "hun" not in said
    assert "ter2" not in said
    assert "\x1b" not in said


def test_a_folder_of_another_host_has_no_path_here() -> None:
    assert root_on_this_host(root_name("/tmp")) == "/tmp"
    assert root_on_this_host("another.host:/tmp") == root_on_this_host("") == ""
