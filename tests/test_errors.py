"""Every error has a name, a base that callers can catch, and a message that says what is known."""

import inspect
import pickle

import pytest

from lw_rl import errors
from lw_rl.errors import LwRlError, MissingExtraError, UnknownNameError

ERRORS = [e for e in vars(errors).values() if inspect.isclass(e) and issubclass(e, LwRlError)]


@pytest.mark.parametrize("error", ERRORS)
def test_each_is_one_of_ours_and_says_when(error):
    assert issubclass(error, LwRlError) and error.__doc__
    if error is not LwRlError and LwRlError in error.__bases__:
        builtin = error.__bases__[1]
        assert issubclass(builtin, ValueError | RuntimeError | OSError | ImportError | MemoryError)


def test_an_unknown_name_lists_the_known_sorted():
    error = UnknownNameError("scheme", "sor", ["mali", "anderson"])
    assert str(error) == "unknown scheme 'sor'; known: anderson, mali"
    assert error.known == ["anderson", "mali"] and error.name == "sor"
    with pytest.raises(ValueError, match="anderson"):
        raise error


@pytest.mark.parametrize("error", [e for e in ERRORS if e is not UnknownNameError])
def test_errors_come_back_from_worker_processes(error):
    again = pickle.loads(pickle.dumps(error("what was wrong")))
    assert type(again) is error and str(again) == "what was wrong"


def test_so_does_that_of_an_unknown_name():
    """As `pickle` does, unless another library has told it how errors are made again."""
    make, arguments, *_ = UnknownNameError("scheme", "sor", ["mali"]).__reduce_ex__(4)
    again = make(*arguments)
    assert type(again) is UnknownNameError and again.known == ["mali"]


def test_what_is_missing_is_installed_by_the_packages_names():
    """Not by an extra of lw-rl, which need be on no registry."""
    said = str(MissingExtraError.of("training needs", "train", iter(["torch"])))
    assert said.startswith("training needs torch, which is not installed: python -m pip install '")
    assert "'torch>=" in said and "'stable-baselines3>=" in said and "dask" not in said
    assert "b, which are not" in str(MissingExtraError.of("cubes need", "cube", ["a", "b"]))
