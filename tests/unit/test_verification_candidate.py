"""What can be said of a candidate without running it."""

import pytest

from testwright.verification.candidate import read

CAN_FAIL = {
    "plain": "assert f() == 1",
    "raises": "with pytest.raises(ValueError):\n        f()",
    "unittest style": "self.assertEqual(f(), 1)",
    "mock": "f.assert_called_once_with(1)",
    "helper": "check(f())",
    "raise": "if f():\n        raise AssertionError('no')",
    "in a loop": "for x in f():\n        assert x",
    "in an except clause": "try:\n        f()\n    except ValueError as error:\n        assert error.args",
    "else of a try": "try:\n        x = f()\n    except Exception:\n        pass\n    else:\n        assert x",
    "named error": "try:\n        assert f()\n    except ValueError:\n        pass",
    "reraised": "try:\n        assert f()\n    except AssertionError:\n        print(1)\n        raise",
    "compared with itself, called twice": "assert f() == f()",
    "unequal to itself": "assert f != f",
    "match": "match f():\n        case 1:\n            assert f()",
}
CANNOT_FAIL = {
    "only a call": "f()",
    "constant": "f()\n    assert True",
    "text": "assert 'it works'",
    "tuple": "assert (f() == 1, 'message')",
    "or true": "assert f() or True",
    "not false": "assert not False",
    "itself": "x = f()\n    assert x == x",
    "constant compared with itself": "f()\n    assert 1 == 1",
    "any object": "assert isinstance(f(), object)",
    "swallowed": "try:\n        assert f()\n    except Exception:\n        pass",
    "swallowed bare": "try:\n        assert f()\n    except:\n        pass",
    "swallowed in a tuple": "try:\n        assert f()\n    except (ValueError, AssertionError):\n        print(1)",
    "suppressed": "with contextlib.suppress(Exception):\n        assert f()",
    "unreachable": "f()\n    return\n    assert f() == 1",
    "if false": "if False:\n        assert f()",
    "unittest constant": "self.assertTrue(True)",
    "unittest itself": "self.assertEqual(x, x)",
    "helper without assertion": "use(f())",
    "helper that is never called": "def inner():\n        assert f()",
}
HELPERS = "def check(x):\n    assert x\n\n\ndef use(x):\n    print(x)\n"


def flaw(body: str, decorator: str = "") -> str:
    source = f"{HELPERS}\n\n{decorator}\ndef test_it(self):\n    {body}\n"
    candidate = read({"test_a.py": source.encode()})
    assert not candidate.rejected
    return candidate.cases["test_a.py::test_it"].flaw


@pytest.mark.parametrize("body", CAN_FAIL.values(), ids=CAN_FAIL.keys())
def test_a_test_that_can_fail_has_no_flaw(body: str) -> None:
    assert flaw(body) == ""


@pytest.mark.parametrize("body", CANNOT_FAIL.values(), ids=CANNOT_FAIL.keys())
def test_a_test_that_cannot_fail_is_flawed(body: str) -> None:
    assert flaw(body) == "asserts nothing that can fail"


@pytest.mark.parametrize("body", ["pass", '"""Only words."""', "..."])
def test_an_empty_test_is_flawed(body: str) -> None:
    assert flaw(body) == "does nothing"


@pytest.mark.parametrize("mark", ["@pytest.mark.xfail", "@pytest.mark.skip('later')", "@unittest.expectedFailure"])
def test_a_test_that_is_switched_off_is_flawed(mark: str) -> None:
    assert flaw("assert f()", mark).startswith("switched off by ")


@pytest.mark.parametrize("mark", ["pytest.mark.skip", "[pytest.mark.slow, pytest.mark.xfail(strict=True)]"])
def test_a_mark_on_the_module_or_class_holds_for_each_of_its_tests(mark: str) -> None:
    of_module = read({"a.py": f"pytestmark = {mark}\ndef test_it():\n    assert f()\n".encode()})
    of_class = read({"a.py": b"@pytest.mark.skip\nclass TestIt:\n    def test_it(self):\n        assert f()\n"})

    assert all(case.flaw for case in (*of_module.cases.values(), *of_class.cases.values()))


def test_only_what_pytest_would_run_is_a_test() -> None:
    source = (
        "class TestA:\n    class TestInner:\n        def test_1(self): assert x\n    def helper(self): pass\n"
        "class Plain:\n    def test_2(self): assert x\n"
        "class Old(unittest.TestCase):\n    def test_3(self): self.fail()\n"
        "async def test_4(): assert x\ndef helper(): pass\n"
    )

    assert list(read({"test_a.py": source.encode()}).cases) == [
        "test_a.py::TestA::TestInner::test_1",
        "test_a.py::Old::test_3",
        "test_a.py::test_4",
    ]


def test_each_test_of_a_file_that_does_not_parse_is_not_collected() -> None:
    candidate = read({"test_a.py": b"def test_1(:\n    pass\n\n\nclass T:\n    async def test_2(self): pass\n"})

    assert [(case.id, case.verdict) for case in candidate.rejected] == [
        ("test_a.py::test_1", "not-collected"),
        ("test_a.py::test_2", "not-collected"),
    ]
    assert "line 1" in candidate.rejected[0].reason


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"def f():\n\x00", b"(" * 5000], ids=["not UTF-8", "null byte", "nested too deeply"]
)
def test_whatever_a_file_holds_reading_it_ends_in_a_verdict(content: bytes) -> None:
    assert [case.id for case in read({"test_a.py": content}).rejected] == ["test_a.py"]


def test_names_cannot_lead_out_of_the_suite_folder() -> None:
    test = b"def test_it():\n    assert f()\n"

    candidate = read({"../../etc/test_a.py": test, "/abs/test_b.py": test, "data.json": b"{}"})

    assert [source.flat for source in candidate.sources] == ["etc__test_a.py", "abs__test_b.py"]


def test_the_source_of_a_test_can_be_shown_with_its_decorators() -> None:
    candidate = read({"a.py": b"x = 1\r\n\r\n@mark\r\ndef test_it():\r\n    assert x\r\n\r\ny = 2\r\n"})

    assert candidate.source_of("a.py::test_it") == "@mark\ndef test_it():\n    assert x"
    assert candidate.source_of("a.py::test_other") == ""


def test_syntax_that_is_too_new_for_us_is_said_to_be_so() -> None:
    files = {"test_new.py": b"def test_new(:\n    pass\n"}

    for python, said in {(3, 8): False, (4, 0): True}.items():
        (verdict,) = read(files, python).rejected
        assert ("takes a testwright that runs on 4.0" in verdict.reason) is said
