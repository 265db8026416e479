"""What delivering does, wherever the destination lies; each store's class brings ``open_deliveries``."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from mailroom.archive import Archive
from mailroom.archive.delivering.deliveries import Deliveries
from mailroom.archive.delivering.delivery_row import DeliveryOutcome
from mailroom.exceptions import IntegrityError
from tests.support.archives import digest
from tests.unit.archive.test_deliveries import delivery

OpenDeliveries = Callable[[Archive], Deliveries]
ReadBack = Callable[[str], bytes]

LARGE = bytes(range(256)) * 40_000
"""Ten megabytes: more than goes to an object store in one piece."""


class DeliveryCases:
    """Cases over a destination; ``read_back`` reads what lies there by other means."""

    @pytest.fixture
    def archive(self, archive_root: Path) -> Archive:
        return Archive(archive_root)

    def test_each_attachment_is_delivered_once(
        self, archive: Archive, open_deliveries: OpenDeliveries, read_back: ReadBack
    ) -> None:
        """A second run knows what the first delivered, part by part."""
        with open_deliveries(archive) as deliveries:
            found = deliveries.deliver(delivery("2026/a b.pdf", b"one"), lambda: [b"o", b"ne"])
            assert found is DeliveryOutcome.CREATED
            assert deliveries.is_delivered(digest(1), "2")
        assert read_back("2026/a b.pdf") == b"one"
        with open_deliveries(archive) as deliveries:
            assert deliveries.is_delivered(digest(1), "2")
            assert not deliveries.is_delivered(digest(1), "3")
            assert not deliveries.is_delivered(digest(2), "2")
        rows = archive.read_table("deliveries").to_pylist()
        assert [(row["path"], row["part"], row["adopted"]) for row in rows] == [("2026/a b.pdf", "2", False)]
        assert rows[0]["filename"] == "Rechnung März.pdf"

    def test_other_content_is_never_overwritten(
        self, archive: Archive, open_deliveries: OpenDeliveries, read_back: ReadBack
    ) -> None:
        """A name that is taken stays as it is, whoever took it."""
        with open_deliveries(archive) as deliveries:
            deliveries.deliver(delivery("a.pdf", b"one"), lambda: [b"one"])
            found = deliveries.deliver(delivery("a.pdf", b"two", message=2), lambda: [b"two"])
            assert found is DeliveryOutcome.TAKEN
            assert not deliveries.is_delivered(digest(2), "2")
        assert read_back("a.pdf") == b"one"
        assert archive.read_table("deliveries").num_rows == 1

    def test_the_same_content_of_another_message_needs_its_own_name(
        self, archive: Archive, open_deliveries: OpenDeliveries
    ) -> None:
        """An object belongs to one delivery, in one run and in the next."""
        with open_deliveries(archive) as deliveries:
            deliveries.deliver(delivery("logo.png", b"same"), lambda: [b"same"])
            second = delivery("logo.png", b"same", message=2)
            assert deliveries.deliver(second, lambda: [b"same"]) is DeliveryOutcome.TAKEN
        with open_deliveries(archive) as deliveries:
            assert deliveries.deliver(second, lambda: [b"same"]) is DeliveryOutcome.TAKEN
            other = replace(second, path="logo (2).png")
            assert deliveries.deliver(other, lambda: [b"same"]) is DeliveryOutcome.CREATED
            third = delivery("logo.png", b"same", message=3)
            assert deliveries.deliver(third, lambda: [b"same"]) is DeliveryOutcome.TAKEN

    def test_what_a_kill_left_is_adopted(self, archive: Archive, open_deliveries: OpenDeliveries) -> None:
        """The same content under the same name, claimed by no row, is this delivery, and not sent again."""
        killed = open_deliveries(archive)
        killed.deliver(delivery("a.pdf", b"one"), lambda: [b"one"])  # and no commit
        with open_deliveries(archive) as deliveries:
            assert not deliveries.is_delivered(digest(1), "2")
            found = deliveries.deliver(delivery("a.pdf", b"one"), lambda: [b"one"])
            assert found is DeliveryOutcome.ADOPTED
        rows = archive.read_table("deliveries").to_pylist()
        assert [(row["path"], row["adopted"]) for row in rows] == [("a.pdf", True)]

    def test_two_runs_at_once_record_one_delivery(
        self, archive: Archive, open_deliveries: OpenDeliveries
    ) -> None:
        """Both plan on the same table; the second to commit leaves out what is there."""
        with open_deliveries(archive) as one, open_deliveries(archive) as two:
            assert one.deliver(delivery("a.pdf", b"one"), lambda: [b"one"]) is DeliveryOutcome.CREATED
            assert two.deliver(delivery("a.pdf", b"one"), lambda: [b"one"]) is DeliveryOutcome.ADOPTED
        assert archive.read_table("deliveries").num_rows == 1

    def test_what_another_run_has_delivered_meanwhile_is_left_to_it(
        self, archive: Archive, open_deliveries: OpenDeliveries
    ) -> None:
        """A run that meets its attachment, recorded by another run, makes no second object of it."""
        with open_deliveries(archive) as one:
            with open_deliveries(archive) as two:
                two.deliver(delivery("a.pdf", b"one"), lambda: [b"one"])
            one.deliver(delivery("b.pdf", b"two", message=2), lambda: [b"two"])
            one.flush()  # from here on it has seen the row of the other
            assert one.is_delivered(digest(1), "2")
            assert one.deliver(delivery("a.pdf", b"one"), lambda: [b"one"]) is DeliveryOutcome.ALREADY
            elsewhere = delivery("c.pdf", b"one")
            assert one.deliver(elsewhere, lambda: [b"one"]) is DeliveryOutcome.ALREADY
            other = delivery("a.pdf", b"one", message=3)
            assert one.deliver(other, lambda: [b"one"]) is DeliveryOutcome.TAKEN
        assert sorted(archive.read_table("deliveries")["path"].to_pylist()) == ["a.pdf", "b.pdf"]

    def test_one_object_is_never_that_of_two_deliveries(
        self, archive: Archive, open_deliveries: OpenDeliveries
    ) -> None:
        """Of two runs that take one object for different attachments, the second to commit gives it up."""
        first, second = delivery("logo.png", b"same"), delivery("logo.png", b"same", message=2)
        with open_deliveries(archive) as one:
            assert one.deliver(first, lambda: [b"same"]) is DeliveryOutcome.CREATED
            with open_deliveries(archive) as two:
                assert two.deliver(second, lambda: [b"same"]) is DeliveryOutcome.ADOPTED
        rows = archive.read_table("deliveries").to_pylist()
        assert [(row["path"], row["message_sha256"]) for row in rows] == [("logo.png", digest(2))]
        with open_deliveries(archive) as again:
            assert not again.is_delivered(digest(1), "2")
            assert again.deliver(first, lambda: [b"same"]) is DeliveryOutcome.TAKEN

    def test_rows_are_committed_while_deliveries_go_on(
        self, archive: Archive, open_deliveries: OpenDeliveries, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Several threads and many commits: each delivery has one row, and all are known."""
        monkeypatch.setattr("mailroom.archive.delivering.deliveries.COMMIT_ROWS", 7)

        def deliver(number: int) -> DeliveryOutcome:
            data = b"%d" % number
            row = delivery(f"{number}.txt", data, message=number // 3, part=str(number % 3))
            return deliveries.deliver(row, lambda: [data])

        with open_deliveries(archive) as deliveries, ThreadPoolExecutor(6) as threads:
            assert set(threads.map(deliver, range(60))) == {DeliveryOutcome.CREATED}
            assert all(deliveries.is_delivered(digest(n // 3), str(n % 3)) for n in range(60))
        rows = archive.read_table("deliveries")
        assert sorted(rows["path"].to_pylist()) == sorted(f"{number}.txt" for number in range(60))
        asked = rows.append_column("more", rows["path"])
        with open_deliveries(archive) as again:
            assert again.are_delivered(asked).all()

    def test_wrong_content_is_not_delivered(self, archive: Archive, open_deliveries: OpenDeliveries) -> None:
        """Content that is not what the table says is an integrity error, small or large."""
        with open_deliveries(archive) as deliveries:
            for data in (b"one", LARGE):
                row = delivery("a.pdf", data)
                with pytest.raises(IntegrityError) as raised:
                    deliveries.deliver(row, lambda data=data: [data, b"more"])
                assert raised.value.digest_expected == row.sha256
        assert archive.read_table("deliveries").num_rows == 0

    def test_a_large_attachment_is_streamed(
        self, archive: Archive, open_deliveries: OpenDeliveries, read_back: ReadBack
    ) -> None:
        """More than fits one piece arrives whole, and exclusively too."""
        pieces = [LARGE[start : start + 1_000_000] for start in range(0, len(LARGE), 1_000_000)]
        with open_deliveries(archive) as deliveries:
            row = delivery("large.bin", LARGE)
            assert deliveries.deliver(row, lambda: pieces) is DeliveryOutcome.CREATED
            again = delivery("large.bin", LARGE + b"x", message=2)
            assert deliveries.deliver(again, lambda: [*pieces, b"x"]) is DeliveryOutcome.TAKEN
        assert read_back("large.bin") == LARGE

    def test_an_error_in_a_run_keeps_the_rows_of_what_was_delivered(
        self, archive: Archive, open_deliveries: OpenDeliveries
    ) -> None:
        """What lies at the destination is in the table, also after a failure."""

        def run() -> None:
            with open_deliveries(archive) as deliveries:
                deliveries.deliver(delivery("a.pdf", b"one"), lambda: [b"one"])
                raise RuntimeError("stop")

        with pytest.raises(RuntimeError, match="stop"):
            run()
        assert archive.read_table("deliveries").num_rows == 1
