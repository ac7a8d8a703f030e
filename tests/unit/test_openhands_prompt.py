"""What the agent is told: everything that verification asks for afterwards, and where things are."""

from dataclasses import replace

import pytest

from testwright.engines.openhands.prompt import MOST_OF_AN_EXAMPLE, Task, prompt

TASK = Task(
    module="shop.pricing",
    source="src/shop/pricing.py",
    import_root="src",
    workspace="/work/space",
    save_as="tests/generated/test_shop_pricing.py",
    coverage=87.5,
    minutes=5.0,
)


@pytest.mark.parametrize(
    "said",
    [
        "pytest tests for the Python module `shop.pricing`",
        "/work/space/src/shop/pricing.py",
        "It is imported as `shop.pricing`",
        "`src` on the path",
        "Save the tests as /work/space/tests/generated/test_shop_pricing.py",
        "mkdir -p /work/space/tests/generated",
        "At least 87.5 % line coverage",
        "edge cases",
        "error conditions",
        "docstring",
        "Follow the patterns",
        "Do not edit, move or delete the source",
        "about 5 minutes",
    ],
)
def test_it_says_what_is_asked_and_where_things_are(said: str) -> None:
    assert said in prompt(TASK)


def test_the_projects_own_tests_are_shown_as_an_example() -> None:
    text = prompt(replace(TASK, example=("tests/test_cart.py", "def test_cart(cart):\n    assert cart\n")))

    assert "This is how tests/test_cart.py begins" in text
    assert "    def test_cart(cart):\n        assert cart" in text


def test_a_long_example_ends_with_a_whole_line() -> None:
    line = "x = 1  # a line of twenty-six\n"

    text = prompt(replace(TASK, example=("tests/test_long.py", line * 1000)))

    assert len(text) < 2 * MOST_OF_AN_EXAMPLE + 4000
    assert text.count("x = 1") == text.count(f"    {line}")


def test_a_later_round_says_what_is_left_to_do() -> None:
    text = prompt(replace(TASK, left="Lines that no accepted test runs: 7."))

    assert "What is left to do:\nLines that no accepted test runs: 7.\n" in text
    assert "What is left to do" not in prompt(TASK)


def test_where_the_path_is_not_set_the_commands_set_it() -> None:
    text = prompt(replace(TASK, path_is_set=False))

    assert text.count("`PYTHONPATH=src python -m") == 2
    assert "is set already" not in text
