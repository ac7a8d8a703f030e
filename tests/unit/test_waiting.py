"""What is known of a task while somebody waits for it, or may."""

from testwright.waiting import Prospect


def test_what_happened_before_anybody_waited_needs_no_waiting() -> None:
    prospect = Prospect()
    prospect.accept()
    prospect.finish()

    assert prospect.accepted.is_set()
    assert prospect.ended.is_set()


def test_whoever_waits_is_woken_by_what_happens_then() -> None:
    prospect = Prospect()
    accepted, ended = prospect.accepted, prospect.ended
    before = accepted.is_set() or ended.is_set()
    prospect.accept()
    prospect.finish()

    assert (before, accepted.is_set(), ended.is_set()) == (False, True, True)
