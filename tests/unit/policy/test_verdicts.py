"""Which rule decides for a message where several have something to say."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mailroom.exceptions import ConfigurationError
from mailroom.model import MailProtocol
from mailroom.policy.deletion import Keep
from mailroom.policy.durations import FOREVER
from mailroom.policy.retention import Basis
from mailroom.policy.rules import RetentionPolicy, Rule, bind_policy
from mailroom.policy.verdicts import MessageFacts, Verdict, decide, decide_across, may_be_due
from tests.unit.policy.rows import NOW, days_ago

FOLDERS = ("INBOX", "Projects", "Trash", "Junk")
USES: dict[str, str | None] = {"INBOX": None, "Projects": None, "Trash": "\\Trash", "Junk": "\\Junk"}


def days(number: float) -> timedelta:
    return timedelta(days=number)


def delete(after: float, name: str = "", **values: Any) -> Rule:
    return Rule(name=name, delete_after=days(after), **values)


def keep(length: timedelta, name: str = "keep", **values: Any) -> Rule:
    return Rule(name=name, keep_for=length, **values)


def verdict(*rules: Rule, folder: str = "INBOX", age: float | None = 100, **values: Any) -> Verdict:
    """Return what rules say of a message that arrived, came here and was archived so many days ago."""
    policy = {key: values.pop(key) for key in ("keep_flagged", "keep_newest") if key in values}
    bound = bind_policy(
        RetentionPolicy(rules=rules, **policy),
        FOLDERS,
        protocol=MailProtocol.IMAP,
        uses=USES,
        discarding={"Trash", "Junk"},
    )
    known = {} if age is None else dict.fromkeys(Basis, days_ago(age))
    facts = {"octets": 1000, "sender": "ana@shop.example", "flags": frozenset(), "dates": known, **values}
    return decide(bound[folder], MessageFacts(**facts), NOW)


def test_what_is_old_enough_is_due() -> None:
    """The verdict names the rule, and what it counts from."""
    found = verdict(delete(30))
    assert (found.keep, found.rule, found.since) == (
        None,
        "more than 30 days after it reached the mailbox",
        days_ago(100),
    )


def test_a_message_is_due_at_the_very_instant() -> None:
    """Older than N days includes the instant at which it becomes so."""
    assert verdict(delete(100)).keep is None
    assert verdict(delete(100.001)).keep is Keep.TOO_YOUNG


KEPT = [
    ({"flags": frozenset({"\\flagged"})}, Keep.FLAGGED),
    ({"hold": "case 7"}, Keep.HELD),
    ({"keep_newest": 3, "rank": 2}, Keep.NEWEST),
    ({"age": 29}, Keep.TOO_YOUNG),
    ({"age": None}, Keep.NO_DATE),
]


@pytest.mark.parametrize(("values", "reason"), KEPT, ids=lambda value: getattr(value, "value", ""))
def test_each_reason_to_stay(values: dict[str, Any], reason: Keep) -> None:
    """One is enough, and the verdict says which."""
    assert verdict(delete(30), **values).keep is reason


def test_the_one_after_the_newest_may_go() -> None:
    """Ranks count from 0."""
    assert verdict(delete(30), keep_newest=3, rank=3).keep is None


def test_flagged_messages_go_where_the_policy_says_so() -> None:
    """A policy may give the flag no weight."""
    assert verdict(delete(30), keep_flagged=False, flags=frozenset({"\\flagged"})).keep is None


def test_keeping_beats_deleting() -> None:
    """However explicit the rule that deletes is."""
    found = verdict(keep(days(200), folders=("*",)), delete(1, "d", senders=("ana@shop.example",)))
    assert (found.keep, found.rule) == (Keep.BY_RULE, "keep: kept for 200 days after it reached the mailbox")


def test_what_was_kept_long_enough_may_go() -> None:
    """A rule that keeps for N days says nothing of older messages."""
    assert verdict(keep(days(100)), delete(30, "d")).keep is None


def test_the_longest_keeping_decides() -> None:
    """Of several rules that keep, the report names the one that lasts."""
    rules = (keep(days(200), "two"), keep(FOREVER, "ever"), keep(days(300), "three"), delete(1, "d"))
    assert verdict(*rules).rule == "ever: kept for ever"


def test_a_keeping_rule_whose_date_is_not_known_keeps() -> None:
    """Nobody can say that it is over."""
    rules = (keep(days(1), basis=Basis.DATE), delete(30, "d"))
    assert verdict(*rules, dates={Basis.INTERNAL: days_ago(100)}).keep is Keep.BY_RULE


@pytest.mark.parametrize("known", [{}, {Basis.SEEN: days_ago(300)}], ids=["never read", "unread again"])
def test_keeping_from_when_it_is_read_keeps_what_is_unread(known: dict[Basis, Any]) -> None:
    """No time has passed since it was read; read mail is kept for its time, and no longer."""
    rules = (delete(10), keep(days(30), basis=Basis.SEEN))
    dates = {Basis.INTERNAL: days_ago(400), **known}
    assert verdict(*rules, dates=dates).keep is Keep.BY_RULE
    assert verdict(*rules, dates=dates, flags=None).keep is Keep.BY_RULE
    read = {**dates, Basis.SEEN: days_ago(31)}
    assert verdict(*rules, dates=read, flags=frozenset({"\\seen"})).keep is None


@pytest.mark.parametrize("asked", [{"keywords": ("$work",)}, {"seen": True}, {"flagged": False}])
def test_keeping_by_flags_that_are_not_known_keeps(asked: dict[str, Any]) -> None:
    """What nobody knows of a message is no reason to delete it."""
    assert verdict(delete(10), keep(FOREVER, **asked), flags=None).keep is Keep.BY_RULE


def test_the_folder_by_its_name_beats_all_folders() -> None:
    """An explicit rule wins, also where it leaves more time."""
    rules = (delete(30, "all"), delete(365, "inbox", folders=("INBOX",)))
    assert verdict(*rules).keep is Keep.TOO_YOUNG
    assert verdict(*rules, folder="Projects").keep is None


def test_a_rule_for_some_messages_beats_one_for_all() -> None:
    """Naming a sender is as explicit as naming a folder."""
    rules = (delete(30, "all"), delete(365, "shop", senders=("*@shop.example",)))
    assert verdict(*rules).keep is Keep.TOO_YOUNG
    assert verdict(*rules, sender="bob@else.example").keep is None


def test_of_equally_explicit_rules_the_first_due_decides() -> None:
    """The shortest deletion wins."""
    rules = (delete(365, "inbox", folders=("INBOX",)), delete(14, "shop", senders=("*@shop.example",)))
    assert verdict(*rules).rule == "shop: more than 14 days after it reached the mailbox, from *@shop.example"


@pytest.mark.parametrize(("age", "keep"), [(20, Keep.TOO_YOUNG), (40, Keep.TOO_YOUNG), (4000, None)])
def test_across_folders_the_last_to_let_go_decides(age: float, keep: Keep | None) -> None:
    """A contract in the inbox stays as long as in its own folder, and the audit names that rule."""
    rules = (delete(30, "inbox", folders=("INBOX",)), delete(3650, "filed", folders=("Projects",)))
    policy = RetentionPolicy(rules=rules)
    bound = bind_policy(policy, FOLDERS[:2], protocol=MailProtocol.IMAP, uses=dict.fromkeys(FOLDERS[:2]))
    facts = MessageFacts(dates={Basis.INTERNAL: days_ago(age)})
    found = decide_across([(each, facts) for each in bound.values()], NOW)
    assert (found.keep, found.rule) == (keep, "filed: more than 3650 days after it reached the mailbox")


def test_trash_and_junk_have_their_own_times() -> None:
    """Special uses name whichever folder the server marks so; days count from coming there."""
    rules = (
        delete(7, "trash", folders=("\\Trash",)),
        delete(3, "junk", folders=("\\Junk",)),
        delete(365, "inbox", folders=("INBOX",)),
    )
    assert (
        verdict(*rules, folder="Trash", age=8).rule == "trash: more than 7 days after it came into its folder"
    )
    assert verdict(*rules, folder="Junk", age=2).keep is Keep.TOO_YOUNG
    assert verdict(*rules, age=8).keep is Keep.TOO_YOUNG


CONDITIONS = [
    ({"seen": True}, {"flags": frozenset({"\\seen"})}, {"flags": frozenset()}),
    ({"seen": False}, {"flags": frozenset()}, {"flags": frozenset({"\\seen"})}),
    ({"keywords": ("news", "ads")}, {"flags": frozenset({"ads"})}, {"flags": frozenset({"work"})}),
    ({"larger_than": 999}, {"octets": 1000}, {"octets": 999}),
    ({"senders": ("*@shop.example",)}, {"sender": "Ana@SHOP.example"}, {"sender": ""}),
    ({"basis": Basis.SEEN}, {"flags": frozenset({"\\seen"})}, {"flags": frozenset()}),
]


@pytest.mark.parametrize(("rule", "meets", "misses"), CONDITIONS, ids=lambda value: " ".join(value))
def test_each_condition(rule: dict[str, Any], meets: dict[str, Any], misses: dict[str, Any]) -> None:
    """A rule means what meets all of its conditions, and nothing else."""
    assert verdict(delete(30, **rule), **meets).keep is None
    assert verdict(delete(30, **rule), **misses).keep is Keep.NO_RULE


def test_a_condition_on_flags_may_ask_for_the_flag() -> None:
    """Flagged messages go by a rule for them only where flags do not protect."""
    rule = delete(30, flagged=True)
    assert verdict(rule, flags=frozenset({"\\flagged"})).keep is Keep.FLAGGED
    assert verdict(rule, flags=frozenset({"\\flagged"}), keep_flagged=False).keep is None


@pytest.mark.parametrize("unknown", [{"octets": None}, {"sender": None}])
def test_what_is_not_known_keeps(unknown: dict[str, Any]) -> None:
    """A rule that deletes does not mean it, one that keeps does."""
    conditions: dict[str, Any] = {"octets": {"larger_than": 10}, "sender": {"senders": ("*",)}}
    (values,) = (conditions[name] for name in unknown)
    assert verdict(delete(30, **values), **unknown).keep is Keep.NO_RULE
    assert verdict(keep(FOREVER, **values), delete(30, "d"), **unknown).keep is Keep.BY_RULE


def test_what_may_be_due_is_asked_whatever_its_flags() -> None:
    """The server's flags of now decide, so nothing is ruled out before it is asked."""
    rules = bind_policy(
        RetentionPolicy(rules=(delete(30, seen=True),)), ["INBOX"], protocol=MailProtocol.IMAP, uses={}
    )["INBOX"]
    facts = MessageFacts(dates={Basis.INTERNAL: days_ago(31)})
    assert may_be_due(rules, facts, NOW) == days_ago(31)
    assert may_be_due(rules, MessageFacts(dates={Basis.INTERNAL: days_ago(29)}), NOW) is None


def test_a_special_use_that_no_folder_has_means_nothing() -> None:
    """Not every account has a junk folder."""
    policy = RetentionPolicy(
        rules=(delete(3, "junk", folders=("\\Junk",)), delete(9, "inbox", folders=("INBOX",)))
    )
    assert list(bind_policy(policy, ["INBOX"], protocol=MailProtocol.IMAP, uses={"INBOX": None})) == ["INBOX"]


def test_a_folder_that_is_not_there_is_refused() -> None:
    """A typing error in a rule that keeps would delete mail."""
    policy = RetentionPolicy(rules=(keep(FOREVER, folders=("Taxes",)), delete(9, "d")))
    with pytest.raises(ConfigurationError, match="'Taxes'"):
        bind_policy(policy, ["INBOX"], protocol=MailProtocol.IMAP, uses={"INBOX": None})


@pytest.mark.parametrize("values", [{"seen": True}, {"keywords": ("x",)}, {"basis": Basis.SEEN}])
def test_pop3_refuses_what_needs_flags(values: dict[str, Any]) -> None:
    """The sentence says to use an imap connection."""
    policy = RetentionPolicy(rules=(delete(30, **values),))
    with pytest.raises(ConfigurationError, match="imap connection"):
        bind_policy(policy, ["INBOX"], protocol=MailProtocol.POP3, uses={})


@pytest.mark.parametrize(
    ("rules", "values", "word"),
    [
        ((keep(FOREVER),), {}, "no rule with delete_after"),
        ((delete(1, "a"), delete(2, "a")), {}, "'a'"),
        ((delete(1),), {"max_fraction": 0}, "max_fraction"),
        ((delete(1),), {"keep_newest": -1}, "keep_newest"),
    ],
)
def test_senseless_policy_is_refused(rules: tuple[Rule, ...], values: dict[str, Any], word: str) -> None:
    """The sentence names what is wrong."""
    with pytest.raises(ConfigurationError, match=word):
        RetentionPolicy(rules=rules, **values)
