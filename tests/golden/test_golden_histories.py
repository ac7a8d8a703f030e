"""What was decided in the past is decided again: recorded events lead to the recorded decisions."""

import pytest
from msgspec.structs import replace

from tests.golden.recorded import FOLDER, WANTED, decisions, read
from tests.golden.test_golden_messages import as_released
from testwright_schemas import TaskMessage, TaskSubmitted


@pytest.mark.parametrize("name", WANTED)
def test_recorded_events_lead_to_the_recorded_decisions(name: str) -> None:
    events, decided = read((FOLDER / f"{name}.json").read_text("utf-8"))

    assert [len(step) for step in decided].count(0) < len(decided)
    # Later versions may say more; what was said must be said again.
    again = [
        [as_released(*pair) for pair in zip(*step, strict=True)]
        for step in zip(decisions(events), decided, strict=True)
    ]
    assert again == decided


def test_another_policy_leads_to_other_decisions() -> None:
    events, decided = read((FOLDER / "done-in-three-rounds.json").read_text("utf-8"))

    def stricter(event: TaskMessage) -> TaskMessage:
        return replace(event, policy=replace(event.policy, rounds=1)) if isinstance(event, TaskSubmitted) else event

    other = [(sequence, time, stricter(event)) for sequence, time, event in events]

    assert decisions(other) != decided


def test_every_record_is_replayed() -> None:
    assert sorted(path.stem for path in FOLDER.iterdir()) == sorted(WANTED)
