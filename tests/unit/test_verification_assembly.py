"""One readable file out of the kept tests of several."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testwright.verification import naming
from testwright.verification.assembly import Assembled, assemble, file_name
from testwright.verification.candidate import read


def assembled(files: dict[str, str], kept: set[str], module: str = "shop.pricing") -> Assembled:
    candidate = read({name: text.encode() for name, text in files.items()})
    assert not candidate.rejected
    return assemble(candidate.sources, kept, module)


def run(result: Assembled) -> list[str]:
    """Run every function of the file whose name begins with ``test``; return their names."""
    scope: dict[str, object] = {}
    exec(compile(result.text, "suite.py", "exec"), scope)
    names = [name for name in scope if name.startswith("test")]
    for name in names:
        scope[name]()  # type: ignore[operator]  # functions, by their names
    return names


def test_dropped_tests_go_with_their_comments_and_what_only_they_used() -> None:
    source = (
        '"""Old words."""\nimport os\nimport math\n\nSIZE = 3\n\n\ndef helper():\n    return math.floor(SIZE)\n\n\n'
        "def unused():\n    return os.sep\n\n\n# Why this one matters.\ndef test_keep():\n"
        "    assert helper() == 3  # so\n\n\n"
        "# This goes.\n@mark\ndef test_drop():\n    assert unused()\n"
    )

    result = assembled({"t.py": source}, {"t.py::test_keep"})

    for gone in ("Old words", "unused", "import os", "This goes", "test_drop", "mark"):
        assert gone not in result.text
    for kept in ("# Why this one matters.", "# so", "import math", "SIZE = 3"):
        assert kept in result.text
    assert run(result) == ["test_keep"]


def test_dropped_methods_leave_their_class() -> None:
    source = (
        "class TestA:\n    def setup_method(self):\n        self.x = 1\n\n"
        "    def test_one(self):\n        assert self.x\n\n"
        "    def test_two(self):\n        assert not self.x\n\n\n"
        "class TestB:\n    def test_3(self):\n        assert 0\n"
    )

    result = assembled({"t.py": source}, {"t.py::TestA::test_one"})

    assert "test_two" not in result.text
    assert "TestB" not in result.text
    assert "setup_method" in result.text
    assert dict(result.origins) == {("TestA", "test_one"): "t.py::TestA::test_one"}


def test_a_class_that_others_use_stays_even_without_its_tests() -> None:
    source = "class TestBase:\n    def test_0(self):\n        assert 0\n\n\ndef test_it():\n    assert TestBase()\n"

    assert run(assembled({"t.py": source}, {"t.py::test_it"})) == ["test_it"]


def test_fixtures_that_tests_use_by_argument_or_by_mark_or_always_are_kept() -> None:
    source = (
        "import pytest\n\n@pytest.fixture\ndef by_argument(): return 1\n\n@pytest.fixture\ndef by_mark(): return 1\n\n"
        "@pytest.fixture(autouse=True)\ndef always(): return 1\n\n@pytest.fixture\ndef never(): return 1\n\n"
        "@pytest.mark.usefixtures('by_mark')\ndef test_it(by_argument):\n    assert by_argument\n"
    )

    text = assembled({"t.py": source}, {"t.py::test_it"}).text

    assert all(name in text for name in ("by_argument", "by_mark", "always"))
    assert "never" not in text


def test_files_that_use_a_name_for_different_things_do_not_meet() -> None:
    files = {
        "a.py": "import math as m\nX = 1\ndef make(): return m.pi, X\ndef test_it():\n    assert make() == (m.pi, 1)\n",
        "b.py": (
            "import cmath as m\nX = 2\ndef make(): return m.e, X\n\n"
            "def test_it():\n    X2 = [X for _ in '12']\n    assert make() == (m.e, 2) and X2 == [2, 2]\n"
        ),
    }

    result = assembled(files, {"a.py::test_it", "b.py::test_it"})

    assert run(result) == ["test_it", "test_it_2"]
    assert dict(result.origins) == {("test_it",): "a.py::test_it", ("test_it_2",): "b.py::test_it"}


def test_a_local_name_is_not_the_global_one() -> None:
    files = {
        "a.py": "def make(): return 1\ndef test_a():\n    assert make() == 1\n",
        "b.py": (
            "def make(): return 2\ndef twice(make=3): return make * 2\nclass Box:\n    make = 5\n\n"
            "def test_b():\n    assert (make(), twice(make=4), Box.make, (lambda make: make)(7)) == (2, 8, 5, 7)\n"
        ),
    }

    assert run(assembled(files, {"a.py::test_a", "b.py::test_b"})) == ["test_a", "test_b"]


def test_the_same_helper_in_two_files_is_kept_once() -> None:
    source = "def make():\n    return 1\n\ndef test_{}():\n    assert make() == 1\n"

    result = assembled({"a.py": source.format("a"), "b.py": source.format("b")}, {"a.py::test_a", "b.py::test_b"})

    assert result.text.count("def make") == 1
    assert run(result) == ["test_a", "test_b"]


def test_classes_of_the_same_name_in_two_files_both_stay() -> None:
    source = "class TestIt:\n    def test_one(self):\n        assert {}\n"

    result = assembled(
        {"a.py": source.format(1), "b.py": source.format(2)}, {"a.py::TestIt::test_one", "b.py::TestIt::test_one"}
    )

    assert dict(result.origins) == {
        ("TestIt", "test_one"): "a.py::TestIt::test_one",
        ("TestIt_2", "test_one"): "b.py::TestIt::test_one",
    }
    assert "class TestIt_2:" in result.text


def test_future_imports_come_first() -> None:
    source = "from __future__ import annotations\nimport {}\ndef test_{}():\n    assert {}\n"
    files = {f"{name}.py": source.format(module, name, module) for name, module in (("a", "os"), ("b", "re"))}

    assert run(assembled(files, {"a.py::test_a", "b.py::test_b"})) == ["test_a", "test_b"]


def test_text_that_is_not_ascii_does_not_shift_anything() -> None:
    files = {
        "a.py": "X = 'ä'\ndef test_a():\n    assert X == 'ä'\n",
        "b.py": "X = 'ö€😀'\ndef test_b():\n    assert 'ö€😀' == X, 'ü'; assert X\n",
    }

    assert run(assembled(files, {"a.py::test_a", "b.py::test_b"})) == ["test_a", "test_b"]


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("assert module_0.parse_duration('1s') == 1", "test_parse_duration_returns_1_for_1s"),
        ("assert module_0.parse_duration('') is None", "test_parse_duration_returns_none_for_empty_text"),
        ("assert module_0.flags(names=[]) == {}", "test_flags_returns_empty_dict_for_empty_names"),
        ("result = module_0.zone(km=-7)\n    assert result == -1", "test_zone_returns_minus_1_for_negative_km"),
        ("assert asyncio.run(module_0.fetch(key=None)) is False", "test_fetch_returns_false_for_missing_key"),
        ("with pytest.raises(ValueError):\n        module_0.quote(weight=-3)", "test_quote_rejects_negative_weight"),
        ("with pytest.raises(module_0.CartError):\n        module_0.quote(text=' ')", "test_quote_rejects_blank_text"),
        ("with pytest.raises(CartError):\n        module_0.Cart(size=0)", "test_cart_rejects_zero_size"),
        ("with pytest.raises(TypeError):\n        module_0.quote(3, None)", "test_quote_raises_type_error_for_none"),
        ("with pytest.raises(KeyError):\n        module_0.quote(x, y)", "test_quote_raises_key_error"),
        ("with pytest.raises(ValueError):\n        module_0.quote('€€€')", "test_quote_raises_value_error"),
        ("cart = module_0.Cart(size=None)\n    assert cart.items == []", "test_cart_with_missing_size"),
        ("cart = module_0.Cart()\n    cart.add(1)\n    assert cart.items", "test_cart_add_for_1"),
        ("assert module_0.Cart().total() == 0", "test_cart_total_returns_0"),
        ("assert parse('x') == 1", "test_parse_price_returns_1_for_x"),
        ("assert module_0.name('x') == 'a b!' * 90", "test_name_for_x"),
        (f"assert module_0.{'long_' * 10}name('some text here') == 1", f"test_{'long_' * 10}name_returns_1"),
        ("assert module_0.LIMIT == 3", "test_pricing"),
    ],
)
def test_a_numbered_test_is_named_after_what_it_tests(body: str, name: str) -> None:
    imports = "import shop.pricing as module_0\nfrom shop.pricing import CartError, parse_price as parse\n"
    source = f"{imports}\ndef test_case_0():\n    {body}\n"

    assert list(assembled({"t.py": source}, {"t.py::test_case_0"}).origins) == [(name,)]


@given(st.text(max_size=90), st.one_of(st.none(), st.integers(), st.text(), st.binary(), st.floats()))
def test_whatever_is_in_a_test_its_name_is_one_for_pytest(argument: str, value: object) -> None:
    source = f"import shop.pricing as p\ndef test_0():\n    assert p.add({argument!r}) == {value!r}\n"

    (((name,), _),) = assembled({"t.py": source}, {"t.py::test_0"}).origins.items()

    assert name.isidentifier()
    assert name.startswith("test_add")
    assert len(name) <= naming.LONGEST


def test_two_tests_of_the_same_thing_get_names_of_their_own() -> None:
    source = "import shop.pricing as p\n" + "".join(f"def test_{n}():\n    assert p.add('%{n}')\n" for n in range(3))

    result = assembled({"t.py": source}, {f"t.py::test_{n}" for n in range(3)})

    assert list(result.origins) == [("test_add",), ("test_add_2",), ("test_add_3",)]


@pytest.mark.parametrize("name", ["test_0", "test_case_12", "test", "test_case"])
def test_numbers_say_nothing(name: str) -> None:
    assert naming.is_numbered(name)


@pytest.mark.parametrize("name", ["test_adds", "test_case_insensitive", "test_2_is_even"])
def test_words_say_something(name: str) -> None:
    assert not naming.is_numbered(name)


def test_the_file_lies_below_its_package_under_a_name_used_once() -> None:
    assert file_name("shop.pricing") == "shop/test_shop_pricing.py"
    assert file_name("calc") == "test_calc.py"


def test_one_file_as_a_whole_stays_a_program() -> None:
    source = (
        "if True:\n    import os\nelse:\n    os = None\n\ndef test_a():\n    assert os\n\n"
        "if __name__ == '__main__':\n    x()\n"
    )

    text = assembled({"t.py": source}, {"t.py::test_a"}).text

    ast.parse(text)
    assert "__main__" not in text
