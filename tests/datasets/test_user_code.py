"""A user's modules are found, imported and told of, each in one sentence."""

import sys
from pathlib import Path

import pytest

from evensweep.datasets.errors import InputError
from evensweep.datasets.user_code import Role, find_module, load_code, names_code

ROLE = Role("gadget", "'plain' or 'module:function'", "function", "takes nothing")


def module(folder: Path, name: str, code: str) -> str:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(code)
    return str(folder)


@pytest.mark.parametrize("reference", ["models", "models:", ":build", "a b:build", "models:b-c"])
def test_a_malformed_name_is_told(reference: str) -> None:
    with pytest.raises(InputError, match="gadget must be 'plain' or 'module:function', got"):
        find_module(ROLE, reference)


def test_a_module_is_found_without_being_executed(tmp_path: Path) -> None:
    folder = tmp_path / "beside"
    (folder / "unseen_package" / "inner").mkdir(parents=True)
    for file in ("unseen_package/__init__.py", "unseen_package/inner/models.py", "unseen_one.py"):
        (folder / file).write_text("raise SystemExit")
    for reference in ("unseen_one:f", "unseen_package:f", "unseen_package.inner.models:f"):
        assert find_module(ROLE, reference, [folder]) == str(folder)
        with pytest.raises(InputError, match=r"there is no module '.*' for the gadget '"):
            find_module(ROLE, reference, [tmp_path])
    assert not [name for name in sys.modules if name.startswith("unseen")]


def test_folders_are_looked_at_in_their_order_and_the_current_one_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, one, two = (module(tmp_path / n, "thrice_there", "") for n in ("here", "one", "two"))
    monkeypatch.chdir(here)
    assert find_module(ROLE, "thrice_there:f") == here
    assert find_module(ROLE, "thrice_there:f", [one, two]) == one
    assert find_module(ROLE, "thrice_there:f", [two, one]) == two


def test_installed_modules_are_found() -> None:
    found = find_module(ROLE, "keras.layers:Dense")
    assert (Path(found) / "keras" / "__init__.py").exists()
    with pytest.raises(InputError, match="there is no module 'sys'"):
        find_module(ROLE, "sys:exit")


@pytest.mark.usefixtures("forgotten_imports")
def test_what_a_name_stands_for_is_imported_with_its_neighbours(tmp_path: Path) -> None:
    folder = module(tmp_path, "gadget_one", "from gadget_two import two\none = lambda: two + 1")
    module(tmp_path, "gadget_two", "two = 2")
    assert load_code(ROLE, "gadget_one:one", folder)() == 3


@pytest.mark.usefixtures("forgotten_imports")
def test_another_sweeps_module_of_the_same_name_is_never_taken_for_ones_own(tmp_path: Path) -> None:
    one, two = (module(tmp_path / name, "gadget_twin", f"f = {name}") for name in ("max", "min"))
    assert load_code(ROLE, "gadget_twin:f", one) is max
    assert load_code(ROLE, "gadget_twin:f", one) is max
    assert find_module(ROLE, "gadget_twin:f", [two]) == two
    with pytest.raises(InputError, match=r"is .*min/gadget_twin\.py, and this Python process has "):
        load_code(ROLE, "gadget_twin:f", two)


@pytest.mark.usefixtures("forgotten_imports")
@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("def maek(): ...", "has no function 'make'; did you mean 'maek'?"),
        ("", "has no function 'make'; check the gadget's name"),
        ("make = 3", "'make' in .* is an object of type int, not a function; name one that takes"),
        ("make = None", "'make' in .* is nothing, not a function"),
        ("def make(:", r"'gadget_bad:make' can't be imported \(SyntaxError: .*\); mend it, or"),
    ],
)
def test_what_can_not_be_used_is_told(code: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=told) as raised:
        load_code(ROLE, "gadget_bad:make", module(tmp_path, "gadget_bad", code))
    assert "\n" not in str(raised.value)


def test_only_code_has_a_colon() -> None:
    assert names_code("models:build")
    assert not names_code("mlp")


@pytest.mark.usefixtures("forgotten_imports")
def test_a_module_that_was_edited_is_imported_anew(tmp_path: Path) -> None:
    folder = module(tmp_path, "gadget_edited", "f = max")
    assert load_code(ROLE, "gadget_edited:f", folder) is max
    module(tmp_path, "gadget_edited", "# edited\nf = min")
    assert load_code(ROLE, "gadget_edited:f", folder) is min
    module(tmp_path, "gadget_edited", "f = max(")
    with pytest.raises(InputError, match=r"can't be imported \(SyntaxError"):
        load_code(ROLE, "gadget_edited:f", folder)
