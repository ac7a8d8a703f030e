"""Pages of evidence: complete, and harmless whatever a test or an engine chose to call itself."""

import re
from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support import evidence
from testwright.verification import pages
from testwright.verification.report import MutantRecord, Report, RunRecord, Suspicion
from testwright_schemas import CaseVerdict, Usage

EVIL = "<script>alert(1)</script> ``` | [x](javascript:alert(1)) <img src=x onerror=alert(1)> {{ 7 * 7 }}\n# heading"
SUITE = {"test_shop.py": b""}


def report(word: str = "plain") -> Report:
    return replace(
        evidence.report(b"", SUITE),
        engine=word,
        verdicts=(
            CaseVerdict(id=f"test_shop.py::{word}", verdict="kept", reason=word),
            CaseVerdict(id="t.py::test_b", verdict="suspected-bug", reason=word),
        ),
        outputs={"t.py::test_b": word},
        suspicions=(Suspicion(id=word, reason=word, source=word),),
        runs=(
            RunRecord(
                mode="apart", condition="hash seed 0", outcomes={"passed": 2}, exceptions={word: word}, stderr=word
            ),
        ),
        source="X = 1\nY = 2  # " + re.sub(r"[\r\n]", " ", word) + "\n",
        executed_lines=(1,),
        missing_lines=(2,),
        mutants=(
            MutantRecord(
                number=1, line=1, operator=word, before=word, after=word, fate="killed", killer=word, killed=True
            ),
        ),
        usage=Usage(model=word, input_tokens=7, cost_usd=0.25),
    )


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, list[tuple[str, str | None]]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, attrs))


def tags(page: str) -> list[tuple[str, list[tuple[str, str | None]]]]:
    parser = Tags()
    parser.feed(page)
    return parser.seen


def test_the_page_tells_everything_that_was_found() -> None:
    made = report()

    for page in (pages.html(made), pages.markdown(made)):
        for part in (made.snapshot, made.candidate, made.environment.lock_digest, "idna==3.10", "Python 3.11.9"):
            assert part in page
        for part in ("suspected", "hash seed 0", "1 of 2 noticed", "50.0 %", "2 passed", "0.25"):
            assert part in page


def test_lines_say_whether_they_ran() -> None:
    assert [(line.number, line.text, line.state) for line in pages.lines(report("word"))] == [
        (1, "X = 1", "run"),
        (2, "Y = 2  # word", "missed"),
    ]


def test_the_html_page_loads_and_runs_nothing() -> None:
    page = pages.html(report())

    assert {tag for tag, _ in tags(page)} & {"script", "img", "link", "iframe", "a", "object"} == set()
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "")


def test_html_shows_names_as_they_are_and_does_nothing_with_them() -> None:
    plain, evil = pages.html(report()), pages.html(report(EVIL))

    assert tags(evil) == tags(plain)
    assert "&lt;script&gt;" in evil
    assert "{{ 7 * 7 }}" in evil


def test_markdown_shows_names_as_they_are_and_does_nothing_with_them() -> None:
    page = pages.markdown(report(EVIL))

    outside = re.sub(r"(?ms)^(`{3,})\w*$.*?^\1$", "", page)
    assert "<" not in outside
    assert re.search(r"(?<!\\)\]\(", outside) is None
    assert not re.search(r"(?m)^# heading", outside)


@settings(deadline=None, max_examples=50)
@given(st.text(st.characters(codec="utf-8"), max_size=80))
def test_no_text_breaks_the_page(word: str) -> None:
    assert tags(pages.html(report(word))) == tags(pages.html(report()))
    pages.markdown(report(word))
