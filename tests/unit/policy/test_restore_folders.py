"""Each archived folder gets a place of its own, under the name that the account uses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.policy.restore_folders import (
    Archived,
    TargetAccount,
    place_folders,
    place_target,
    unknown_names,
)


def placed(
    names: list[str | tuple[str, str]],
    *,
    source: str | None = "/",
    target: str | None = "/",
    prefix: str = "",
    there: dict[str, str | None] | None = None,
    into: str | None = None,
) -> dict[str, str]:
    folders = [
        Archived(name=name, delimiter=source)
        if isinstance(name, str)
        else Archived(name=name[0], delimiter=source, special_use=name[1])
        for name in names
    ]
    account = TargetAccount(delimiter=target, prefix=prefix, folders=there or {"INBOX": None})
    return {placement.source: placement.target for placement in place_folders(folders, account, into=into)}


def test_names_stay_where_the_account_is_alike() -> None:
    """Same delimiter, no prefix: nothing changes."""
    names = ["INBOX", "INBOX/Work", "Sent", "A/B/C"]
    assert placed([*names]) == dict(zip(names, names, strict=True))


@pytest.mark.parametrize(
    ("source", "target", "prefix", "name", "there"),
    [
        ("/", ".", "", "A/B", "A.B"),
        ("/", ".", "INBOX.", "A/B", "INBOX.A.B"),
        ("/", ".", "INBOX.", "INBOX", "INBOX"),
        ("/", ".", "INBOX.", "INBOX/A", "INBOX.INBOX.A"),
        ("/", ".", "", "v 2.0/B", "v 2_0.B"),
        (".", "/", "", "A.B", "A/B"),
        (None, "/", "", "A.B", "A.B"),
        ("/", None, "", "A/B", "A_B"),
    ],
)
def test_delimiter_and_prefix_are_the_accounts(
    source: str | None, target: str | None, prefix: str, name: str, there: str
) -> None:
    """Levels stay levels, and no level becomes two."""
    assert placed([name], source=source, target=target, prefix=prefix) == {name: there}


def test_prefix_of_the_old_server_is_left_behind() -> None:
    """A server that calls all folders INBOX.Name means Name."""
    names = ["INBOX", "INBOX.Sent", "INBOX.A.B"]
    assert list(placed([*names], source=".").values()) == ["INBOX", "A/B", "Sent"]
    assert list(placed([*names], source=".", target=".", prefix="INBOX.").values()) == [
        "INBOX",
        "INBOX.A.B",
        "INBOX.Sent",
    ]


def test_folder_below_the_inbox_stays_there_beside_others() -> None:
    """INBOX.Work is one only where there is no Work."""
    assert placed(["INBOX", "INBOX.Work", "Work"], source=".")["INBOX.Work"] == "INBOX/Work"


def test_use_decides_before_the_name() -> None:
    """Sent mail goes among sent mail, and what lies below it goes along."""
    found = placed(
        [("Sent Items", "\\Sent"), "Sent Items/2019", ("Bin", "\\Trash")],
        there={"INBOX": None, "Sent": "\\Sent", "Trash": "\\trash"},
    )
    assert found == {"Sent Items": "Sent", "Sent Items/2019": "Sent/2019", "Bin": "Trash"}


def test_two_folders_never_share_a_place() -> None:
    """Where a use and a name mean the same place, the second gets another."""
    found = placed(
        [("Gesendet", "\\Sent"), "Sent"],
        there={"INBOX": None, "Sent": "\\Sent"},
    )
    assert found == {"Gesendet": "Sent", "Sent": "Sent (2)"}


def test_view_of_a_whole_account_is_a_folder_like_others() -> None:
    """All Mail is no place to put mail because of its use."""
    assert placed([("Everything", "\\All")], there={"Alles": "\\All"}) == {"Everything": "Everything"}


@pytest.mark.parametrize(
    ("into", "prefix", "there"),
    [
        ("Old", "", "Old/INBOX"),
        ("Old", "INBOX/", "INBOX/Old/INBOX"),
        ("INBOX/Old", "INBOX/", "INBOX/Old/INBOX"),
    ],
)
def test_everything_goes_below_one_folder(into: str, prefix: str, there: str) -> None:
    """INBOX too, uses set aside, and the prefix is put there once."""
    found = placed(
        ["INBOX", ("Sent", "\\Sent")], into=into, prefix=prefix, there={"INBOX": None, "S": "\\Sent"}
    )
    assert found == {
        "INBOX": there,
        "Sent": there.replace("/INBOX", "/Sent") if not prefix else found["Sent"],
    }
    assert found["Sent"].endswith("Old/Sent")


def test_new_folder_is_marked_with_its_use_where_the_account_has_none() -> None:
    """CREATE-SPECIAL-USE; a folder that is there keeps what it is."""
    folders = [Archived(name="Sent", special_use="\\Sent"), Archived(name="Bin", special_use="\\Trash")]
    account = TargetAccount(folders={"Bin": None})
    found = {p.source: (p.exists, p.special_use) for p in place_folders(folders, account)}
    assert found == {"Sent": (False, "\\Sent"), "Bin": (True, None)}


LEVEL = st.text(st.sampled_from("abI./_ (2)"), min_size=1, max_size=3)
NAMES = st.lists(
    st.lists(LEVEL | st.just("INBOX"), min_size=1, max_size=3).map("/".join), unique=True, max_size=8
)


@given(NAMES, st.sampled_from(["/", ".", None]), st.sampled_from(["", "INBOX."]), st.none() | st.just("Old"))
def test_places_are_distinct_and_the_accounts_own(
    names: list[str], delimiter: str | None, prefix: str, into: str | None
) -> None:
    """Whatever the names: every folder has one place, no two the same, all under the prefix."""
    found = placed([*names], target=delimiter, prefix=prefix, into=into)
    assert set(found) == set(names)
    assert len(set(found.values())) == len(names)
    assert all(place == "INBOX" or place.startswith(prefix) for place in found.values())


def test_named_folders_take_their_subfolders_along() -> None:
    """What the user says comes before names and uses; two folders may become one."""
    archived = [
        Archived(name="INBOX", delimiter="/"),
        Archived(name="Sent", delimiter="/", special_use="\\Sent"),
        Archived(name="Work", delimiter="/"),
        Archived(name="Work/2024", delimiter="/"),
        Archived(name="Old", delimiter="/"),
    ]
    account = TargetAccount(
        delimiter=".", prefix="INBOX.", folders={"INBOX": None, "INBOX.Gesendet": "\\Sent"}
    )
    names = {"Sent": "INBOX.Out", "Work": "INBOX.Arbeit", "Old": "INBOX"}
    placed = place_folders(archived, account, names=names)
    assert {p.source: (p.target, p.exists) for p in placed} == {
        "INBOX": ("INBOX", True),
        "Sent": ("INBOX.Out", False),
        "Work": ("INBOX.Arbeit", False),
        "Work/2024": ("INBOX.Arbeit.2024", False),
        "Old": ("INBOX", True),
    }


@pytest.mark.parametrize(
    ("name", "delimiter", "prefix", "expected"),
    [
        ("Invoices/2024", "/", "", "Invoices/2024"),
        ("Invoices/2024", ".", "", "Invoices.2024"),
        ("Invoices.2024", ".", "", "Invoices.2024"),
        ("Invoices.2024", "/", "", "Invoices.2024"),
        ("Invoices/2024", ".", "INBOX.", "INBOX.Invoices.2024"),
        ("Invoices.2024", ".", "INBOX.", "INBOX.Invoices.2024"),
        ("INBOX.Invoices.2024", ".", "INBOX.", "INBOX.Invoices.2024"),
        ("INBOX.Invoices/2024", ".", "INBOX.", "INBOX.Invoices.2024"),
        ("inbox/Invoices", ".", "INBOX.", "INBOX.Invoices"),
        ("Invoices/v1.2", ".", "", "Invoices.v1_2"),
        ("/Invoices//2024/", "/", "", "Invoices/2024"),
        ("Invoices/2024", None, "", "Invoices_2024"),
        ("inbox", ".", "INBOX.", "INBOX"),
        ("Work", "/", "INBOX/", "INBOX/Work"),
        ("/", ".", "INBOX.", "/"),
    ],
)
def test_a_name_asked_for_becomes_the_servers(
    name: str, delimiter: str | None, prefix: str, expected: str
) -> None:
    """Levels by a slash or as the server sets them apart, with its prefix or without."""
    account = TargetAccount(delimiter=delimiter, prefix=prefix, folders={"INBOX": None})
    assert place_target(name, account) == expected


def test_a_folder_that_is_there_is_meant_by_its_name() -> None:
    """However odd the name is, and also where a prefix would make another one of it."""
    account = TargetAccount(delimiter=".", prefix="INBOX.", folders={"a/b": None, "Shared": None})
    assert [place_target(name, account) for name in ("a/b", "Shared", "c/d")] == [
        "a/b",
        "Shared",
        "INBOX.c.d",
    ]


def test_a_shared_folder_gets_no_prefix() -> None:
    """Those of others lie beside one's own, by whichever spelling they are asked for."""
    account = TargetAccount(delimiter=".", prefix="INBOX.", folders={"INBOX": None}, foreign=("shared.",))
    assert {place_target(name, account) for name in ("shared.team", "shared/team")} == {"shared.team"}


@given(st.text(min_size=1), st.sampled_from(["/", ".", "^"]), st.sampled_from(["", "INBOX"]))
def test_the_servers_own_name_stays(name: str, delimiter: str, root: str) -> None:
    """Whatever was asked for: asked for again by the name it got, it is the same folder."""
    prefix = f"{root}{delimiter}" if root else ""
    account = TargetAccount(delimiter=delimiter, prefix=prefix, folders={"INBOX": None})
    once = place_target(name, account)
    assert place_target(once, account) == once


def test_named_folder_that_holds_no_mail_takes_its_subfolders_along() -> None:
    """It is not among the folders, and still says where those below it go."""
    sources = [Archived(name="Old/2019/May", delimiter="/"), Archived(name="Old/2020", delimiter="/")]
    account = TargetAccount(delimiter=".", prefix="INBOX.", folders={})
    placed = place_folders(sources, account, names={"Old/2019": "INBOX.Nineteen", "Old": "INBOX.Past"})
    assert {one.source: one.target for one in placed} == {
        "Old/2019/May": "INBOX.Nineteen.May",
        "Old/2020": "INBOX.Past.2020",
    }


def test_names_that_mean_no_folder_are_found() -> None:
    """A folder above one counts, a part of a name does not."""
    sources = [Archived(name="Old/2019", delimiter="/")]
    assert unknown_names(sources, ["Old", "Old/2019", "Ol", "Old/20", "2019"]) == ["Ol", "Old/20", "2019"]
