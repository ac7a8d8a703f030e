"""What the agent is told. Pure: a description of the task in, one text out."""

from dataclasses import dataclass

MOST_OF_AN_EXAMPLE = 2500
"""Characters of the project's own tests that are shown."""


@dataclass(frozen=True, slots=True)
class Task:
    """What there is to say.

    Attributes:
        module: dotted import path of the target.
        source: its file, relative to the workspace.
        import_root: folder that it is imported from, relative to the workspace.
        workspace: absolute path of the folder that the agent works in.
        save_as: file that the tests go to, relative to the workspace.
        coverage: line coverage to reach, in percent.
        minutes: that the agent has.
        example: name and text of a test file of the project, if it has one.
        left: what the rounds before have left to do, empty in the first one.
        path_is_set: whether the import root is on the path, and pytest and coverage are there, whatever the agent does.
    """

    module: str
    source: str
    import_root: str
    workspace: str
    save_as: str
    coverage: float
    minutes: float
    example: tuple[str, str] | None = None
    left: str = ""
    path_is_set: bool = True


def prompt(task: Task) -> str:
    """Return the message that starts the conversation."""
    folder = task.save_as.rpartition("/")[0]
    python = "python" if task.path_is_set else f"PYTHONPATH={task.import_root} python"
    return f"""\
Write pytest tests for the Python module `{task.module}`.

Where things are:
- Workspace: {task.workspace}
- Source: {task.workspace}/{task.source}
- It is imported as `{task.module}` with `{task.import_root}` on the path{_path(task)}. \
Import it in the tests by that name.
- Save the tests as {task.workspace}/{task.save_as}. Create the folder first: `mkdir -p {task.workspace}/{folder}`. \
Further files beside it may be named `test_*.py`.

What is asked:
- At least {task.coverage:g} % line coverage of `{task.module}`, and its branches.
- Normal behaviour, edge cases (empty, zero, negative, boundary and unusual values) and error conditions: every \
exception that the source raises on purpose, by `pytest.raises` with its type.
- Assert exact results. A test that asserts nothing, or only that nothing is raised, is thrown away; so is one that \
passes when the source is wrong.
- If the source contradicts its own documentation, write the test for what is documented.
- One behaviour a test, with a name that says which, and a one-line docstring.
- {_patterns(task)}
{_left(task)}
What is not:
- Do not edit, move or delete the source or any file that is there already.
- No network, no sleeping, no dependence on time, on randomness or on the order of tests. Files only below `tmp_path`.
- Every file stands on its own: no `conftest.py`, no import from other test files, no package but pytest and what the \
module itself needs. Do not install anything; there is no network.
- No `skip` and no `xfail`.

How to check: `{python} -m pytest -q -p no:cacheprovider {task.save_as}` in the workspace, and for lines that are \
missed `{python} -m coverage run --branch --include={task.source} -m pytest -q -p no:cacheprovider {task.save_as} && \
python -m coverage report -m`. Run them, mend what fails, and finish once all pass. You have about \
{task.minutes:.0f} minutes: save a first version early, then extend it.
"""


def _path(task: Task) -> str:
    return "; the path is set already" if task.path_is_set else ": the commands below set it"


def _left(task: Task) -> str:
    return f"\nWhat is left to do:\n{task.left}\n" if task.left else ""


def _patterns(task: Task) -> str:
    if task.example is None:
        return "Follow the patterns of the source: its names, its typing, its way to build objects. Use fixtures and \
`pytest.mark.parametrize` where they shorten."
    name, text = task.example
    indented = "\n".join(f"    {line}".rstrip() for line in _excerpt(text).splitlines())
    return f"Follow the patterns of the project's tests. This is how {name} begins:\n\n{indented}\n"


def _excerpt(text: str) -> str:
    if len(text) <= MOST_OF_AN_EXAMPLE:
        return text
    cut = text[:MOST_OF_AN_EXAMPLE]
    return cut[: cut.rfind("\n") + 1] or cut
