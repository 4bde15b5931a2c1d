"""Which of server and kernel is to be upgraded, where they are of two release series."""

from __future__ import annotations

import pytest

from widgets import bundle


@pytest.mark.parametrize(
    ("server", "kernel", "where"),
    [
        ("0.9.3", "0.10.0", "where Jupyter runs"),
        ("0.10.0", "0.9.3", "in this kernel's environment"),
        ("1.0", "0.10.0", "in this kernel's environment"),
    ],
)
def test_a_mismatch_names_both_and_which_to_upgrade(
    server: str, kernel: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIGRATOR_SERVER", f"{server}:some-state")
    monkeypatch.setattr(bundle, "__version__", kernel)
    mime, said = bundle.choose("auto")
    assert not mime
    assert server in said
    assert kernel in said
    assert said.endswith(f"Upgrade jupyter-migrator {where}.")


def test_a_patch_release_is_no_mismatch(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from migrator import api

    monkeypatch.setattr(bundle, "__version__", "0.10.7")
    monkeypatch.setenv("MIGRATOR_SERVER", f"0.10.1:{api.open_state().state_id}")
    assert bundle.choose("auto") == (True, "")
