"""Where each rule sends what it chooses: a destination, and the names there.

Here: one target a rule, one ``Deliveries`` a destination, however many rules share it. Not
here: storing (``archive.deliveries``), names (``policy.destinations``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mailroom.archive import Archive
from mailroom.archive.delivering.customer_key import CustomerKey
from mailroom.archive.delivering.deliveries import Deliveries
from mailroom.archive.delivering.delivery_store import DeliveryStore
from mailroom.archive.storage.store import Root
from mailroom.exceptions import ConfigurationError
from mailroom.policy.attachments import AttachmentRule, Choice, label_of
from mailroom.policy.destinations import DestinationTemplate
from mailroom.services.destinations import is_of_the_archive

__all__ = ["Target", "Targets"]

QUARANTINE = "quarantine"
"""Where below a destination what is not from whom a rule requires goes, if the rule does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where one rule sends what it chooses.

    :param label: what the rule is called, or None for the only one.
    :param quarantine: names of what is not from whom the rule requires.
    """

    label: str | None
    deliveries: Deliveries
    names: DestinationTemplate
    quarantine: DestinationTemplate

    def names_for(self, choice: Choice) -> DestinationTemplate:
        """Return the names for what the rule chose."""
        return self.names if choice.quarantine is None else self.quarantine


class Targets:
    """The targets of all rules of a run; a context manager around its deliveries.

    :param destination: where rules send what they choose that name no destination.
    :param destinations: places of destinations that are not texts to open as they are, by that text.
    :raises ConfigurationError: where a rule has no destination, or one that is the archive's own.
    """

    def __init__(
        self,
        archive: Archive,
        rules: Sequence[AttachmentRule],
        *,
        destination: Root | None,
        destinations: Mapping[str, Root],
        template: str,
        object_options: Mapping[str, str] | None,
        customer_key: CustomerKey | None = None,
    ) -> None:
        self._customer_key = customer_key
        self._by_url: dict[str, Deliveries] = {}
        self._by_word: dict[str | None, Deliveries] = {}
        self._open = ExitStack()
        self.of_rules: list[Target] = []
        for number, rule in enumerate(rules):
            label = label_of(rules, number)
            word = rule.destination
            if word not in self._by_word:
                place = destination if word is None else destinations.get(word, word)
                if place is None:
                    raise ConfigurationError(
                        f"Rule {label or 1} names no destination, and there is none for all rules; give one."
                    )
                self._by_word[word] = self._deliveries(archive, place, object_options)
            text, quarantine = rule.template or template, rule.quarantine or QUARANTINE
            self.of_rules.append(
                Target(
                    label=label,
                    deliveries=self._by_word[word],
                    names=DestinationTemplate(text, label, (quarantine.partition("/")[0],)),
                    quarantine=DestinationTemplate(f"{quarantine}/{text}", label),
                )
            )

    def _deliveries(
        self, archive: Archive, place: Root, object_options: Mapping[str, str] | None
    ) -> Deliveries:
        deliveries = Deliveries(
            archive, place, object_options=object_options, customer_key=self._customer_key
        )
        if is_of_the_archive(deliveries.url, archive.url):
            raise ConfigurationError(
                f"The destination {deliveries.url} is the archive itself or one of its own folders; "
                "choose a folder or prefix of its own."
            )
        return self._by_url.setdefault(deliveries.url, deliveries)

    def __enter__(self) -> list[Target]:
        """Open the destinations; leaving the block commits what was delivered to each."""
        for deliveries in self._by_url.values():
            self._open.enter_context(deliveries)
        return self.of_rules

    def __exit__(self, *error: object) -> None:
        self._open.close()

    @property
    def urls(self) -> tuple[str, ...]:
        """The destinations for people and in rows, without credentials."""
        return tuple(self._by_url)

    def stores(self) -> list[DeliveryStore]:
        """Return the destinations themselves, each once."""
        return [deliveries.store for deliveries in self._by_url.values()]

    def questions(self) -> list[Callable[[Any], npt.NDArray[np.bool_]]]:
        """Return for each rule what tells which rows were delivered; one function a destination."""
        by_url = {url: deliveries.are_delivered for url, deliveries in self._by_url.items()}
        return [by_url[target.deliveries.url] for target in self.of_rules]

    def is_delivered(self, number: int, message_sha256: str, part: str) -> bool:
        """Return whether an attachment lies where a rule would send it."""
        return self.of_rules[number].deliveries.is_delivered(message_sha256, part)

    def is_quarantined(self, number: int, message_sha256: str, part: str) -> bool:
        """Return whether an attachment lies in the quarantine of where a rule would send it."""
        return self.of_rules[number].deliveries.is_quarantined(message_sha256, part)
