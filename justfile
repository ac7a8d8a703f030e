# Recipes for people and for CI, which calls nothing else. Tools come from the lock file through uv.

set positional-arguments

# List the recipes.
default:
    @just --list

# Look at everything without running it: format, lint, types, import laws, spelling.
[parallel]
check: _check-quickly _check-with-mypy _check-with-pyright

_check-quickly:
    uv run ruff format --check
    uv run ruff check
    uv run lint-imports --no-logo
    uv run codespell

_check-with-mypy:
    uv run mypy services schemas tests docs

_check-with-pyright:
    uv run pyright

# Let the tools mend what they can.
fix:
    uv run ruff check --fix
    uv run ruff format

# Run the tests that need neither containers nor minutes; arguments go to pytest.
test *args:
    uv run pytest -n auto --dist loadgroup -m "not slow and not container" "$@"

# Run every test that this machine can run.
test-all *args:
    uv run pytest -n auto --dist loadgroup "$@"

# Write the generated schemas; commit what changes.
schemas:
    uv run python -m testwright.schema_export schemas

# Write the generated pages of the reference; commit what changes.
reference:
    uv run python -m docs._reference

# Build the site of the documentation into site/.
docs:
    uv run mkdocs build --strict

# Start an embedded server and all actors in the foreground, without containers.
serve *args:
    uv run testwright up "$@"

# Build the images testwright and testwright-worker; arguments go to docker build.
image *args:
    docker build -f deploy/Containerfile --target worker -t testwright-worker "$@" .
    docker build -f deploy/Containerfile --target core -t testwright "$@" .

# Start a server, all actors and the page in containers, and return when they are well; arguments are services.
up *args:
    deploy/secrets.sh
    docker compose -f deploy/compose.yaml up --detach --wait "$@"

# Stop the containers and take them away; with --volumes, also what they have stored.
down *args:
    docker compose -f deploy/compose.yaml down "$@"

# Render the Kubernetes files and check them against the schemas of a version of Kubernetes.
kubernetes version="1.35":
    for overlay in small production; do \
        kubectl kustomize deploy/kubernetes/overlays/$overlay >.kubernetes.yaml \
        && uvx kubernetes-validate --strict -k {{ version }} .kubernetes.yaml || exit 1; \
    done; rm .kubernetes.yaml

# Run the whole system under faults in virtual time until a million messages were delivered; --seed N replays one run; --scenarios N.
simulate *args:
    uv run python -m tests.simulation "$@"

# Kill a process or the server every second while clients work, and balance the books: just chaos 3 --seed 7.
chaos *args:
    uv run python -m tests.chaos "$@"

# Fuzz what reads bytes of others, guided by coverage: just fuzz archives 60.
fuzz *args:
    uv run --with atheris python -m tests.fuzz "$@"

# Attack real workers with all that means harm, and write what became of each attack into a table (.md or .json).
hostile table="hostile.md":
    uv run pytest -n0 -s tests/system/hostile --hostile-table {{ table }}

# Have ten thousand tasks of one namespace delay no other; every test run has a thousand.
fairness:
    uv run pytest -n0 tests/system/test_fairness.py --crowd 10

# Measure.
bench *args:
    uv run python -m benchmarks "$@"

# Build the wheel and the source distribution.
build:
    uv build
