"""Modules: every usual layout of a project gives the name that its own imports use."""

import pytest

from testwright.errors import SnapshotError
from testwright.snapshots.modules import Layout


def resolve(path: str, *others: str, **sources: str) -> tuple[str, str]:
    """Return module and import root of a file in a project of these files; ``content`` is the file's own."""
    files = dict.fromkeys(others, b"") | {path: sources.get("content", "").encode()}
    target = Layout(files).target(path)
    assert target.path == path
    return target.module, target.import_root


def test_src_layout() -> None:
    assert resolve("src/shop/pricing.py", "src/shop/__init__.py", "pyproject.toml") == ("shop.pricing", "src")


def test_flat_layout() -> None:
    assert resolve("shop/pricing.py", "shop/__init__.py") == ("shop.pricing", ".")


def test_single_file() -> None:
    assert resolve("pricing.py") == ("pricing", ".")


def test_single_file_below_src() -> None:
    assert resolve("src/pricing.py") == ("pricing", "src")


def test_a_package_called_src_is_a_package() -> None:
    assert resolve("src/pricing.py", "src/__init__.py") == ("src.pricing", ".")


def test_the_package_itself_is_the_target_of_its_init_file() -> None:
    assert resolve("src/shop/__init__.py") == ("shop", "src")
    assert resolve("shop/cart/__init__.py", "shop/__init__.py") == ("shop.cart", ".")


def test_deep_packages_stay_whole_so_that_relative_imports_work() -> None:
    assert resolve("a/b/c/d.py", "a/__init__.py", "a/b/__init__.py", "a/b/c/__init__.py") == ("a.b.c.d", ".")


def test_namespace_packages_start_at_src_or_at_the_root() -> None:
    assert resolve("src/acme/shop/pricing.py", "src/acme/shop/__init__.py") == ("acme.shop.pricing", "src")
    assert resolve("acme/shop/pricing.py", "acme/shop/__init__.py") == ("acme.shop.pricing", ".")
    assert resolve("acme/pricing.py") == ("acme.pricing", ".")


def test_the_nearest_src_counts_in_a_repository_of_many_projects() -> None:
    assert resolve("packages/shop/src/shop/cart.py", "packages/shop/src/shop/__init__.py") == (
        "shop.cart",
        "packages/shop/src",
    )


def test_imports_start_where_the_files_own_imports_say() -> None:
    others = ("backend/app/__init__.py", "backend/app/models.py")

    assert resolve("backend/app/api.py", *others, content="from app.models import Item\n") == ("app.api", "backend")
    assert resolve("backend/app/api.py", *others, content="import backend.app.models\n") == ("backend.app.api", ".")
    assert resolve("backend/app/api.py", *others, content="from .models import Item\n") == ("backend.app.api", ".")


def test_scripts_that_import_their_neighbours_start_in_their_own_folder() -> None:
    assert resolve("scripts/run.py", "scripts/steps.py", content="if True:\n    import steps\n") == ("run", "scripts")


def test_imports_never_cut_a_package_in_two() -> None:
    others = ("shop/__init__.py", "shop/models.py")

    assert resolve("shop/api.py", *others, content="import models\n") == ("shop.api", ".")


def test_folders_that_no_import_can_spell_are_no_part_of_a_module() -> None:
    assert resolve("my project/shop/cart.py", "my project/shop/__init__.py") == ("shop.cart", "my project")
    assert resolve("2026-report/totals.py") == ("totals", "2026-report")
    assert resolve("class/shop/cart.py") == ("shop.cart", "class")


def test_names_in_other_scripts_are_fine() -> None:
    assert resolve("größen/maß.py") == ("größen.maß", ".")


@pytest.mark.parametrize("path", ["my-module.py", "2fast.py", "class.py", "a b.py", "shop/.hidden.py", "__init__.py"])
def test_a_file_that_no_import_can_name_is_refused(path: str) -> None:
    with pytest.raises(SnapshotError, match=r"no import statement can name .*rename"):
        resolve(path)


@pytest.mark.parametrize(
    ("path", "others"), [("string.py", ()), ("src/queue.py", ()), ("json/decoder.py", ("json/__init__.py",))]
)
def test_a_module_that_takes_a_name_of_the_standard_library_is_refused(path: str, others: tuple[str, ...]) -> None:
    with pytest.raises(
        SnapshotError, match=r"cannot be told from the standard library's module of that name: rename it"
    ):
        resolve(path, *others)


def test_a_name_of_the_standard_library_is_fine_within_a_package_and_for_a_plain_folder() -> None:
    assert resolve("shop/string.py", "shop/__init__.py") == ("shop.string", ".")
    assert resolve("code/totals.py") == ("totals", "code")
    assert resolve("test/shop.py") == ("test.shop", ".")


def test_a_package_folder_that_no_import_can_name_is_refused() -> None:
    with pytest.raises(SnapshotError, match="no import statement"):
        resolve("my-shop/cart.py", "my-shop/__init__.py")


def test_a_module_hidden_by_a_package_of_its_name_is_refused() -> None:
    with pytest.raises(SnapshotError, match=r"shop\.py is never imported: the package shop"):
        resolve("shop.py", "shop/__init__.py")


def test_a_folder_that_is_no_package_hides_nothing() -> None:
    assert resolve("shop.py", "shop/data.csv") == ("shop", ".")


def test_a_file_that_is_no_python_is_refused() -> None:
    with pytest.raises(SnapshotError, match=r"does not end in \.py"):
        resolve("shop/data.csv")
