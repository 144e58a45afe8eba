"""What the flags of replay do not go together with."""

from __future__ import annotations

from pathlib import Path

import pytest

from kube2git.cli.main import main


def test_a_cluster_that_shares_the_storage_is_named_for_an_adoption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        main(["replay", "main", "--shares-storage-with=old"])
    assert left.value.code == 2
    assert "--shares-storage-with goes with --adopt-volumes" in capsys.readouterr().err
