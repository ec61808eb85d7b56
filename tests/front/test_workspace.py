"""Stages: done once, done again when their inputs change, and never half done."""

import json

import pytest

from closurax.workspace import Workspace


def test_finished_stage_is_skipped_only_on_resume_and_with_the_same_inputs(tmp_path, capsys):
    calls = []

    def stage(resume, inputs):
        workspace = Workspace(tmp_path, resume=resume, stages=1)
        return workspace.stage("one", "doing one", inputs, lambda: calls.append(1) or {"x": 1.5})

    first = stage(False, {"a": 1})
    assert stage(True, {"a": 1}) == first
    assert len(calls) == 1
    assert "[1/1] doing one" in capsys.readouterr().out
    changed = stage(True, {"a": 2})
    assert changed.fingerprint != first.fingerprint
    assert len(calls) == 2
    stage(False, {"a": 2})
    assert len(calls) == 3


def test_stage_that_fails_leaves_no_record_and_keeps_the_others(tmp_path):
    workspace = Workspace(tmp_path, resume=False, stages=2)
    workspace.stage("one", "one", {}, lambda: {"x": 1})

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        workspace.stage("two", "two", {}, interrupted)
    assert [path.name for path in (tmp_path / "stages").iterdir()] == ["one.json"]


def test_stage_that_fails_when_done_again_forgets_the_old_record(tmp_path):
    workspace = Workspace(tmp_path, resume=True, stages=2)
    workspace.stage("one", "one", {"a": 1}, lambda: {})

    def fails():
        raise ValueError

    with pytest.raises(ValueError):
        workspace.stage("one", "one", {"a": 2}, fails)
    # Its files may be half written by now.
    assert not (tmp_path / "stages" / "one.json").exists()


def test_text_appears_whole(tmp_path):
    workspace = Workspace(tmp_path, resume=False, stages=0)
    path = workspace.write_text("deep/down.json", json.dumps({"é": 1}))
    assert json.loads(path.read_text(encoding="utf-8")) == {"é": 1}
    assert [p.name for p in path.parent.iterdir()] == ["down.json"]
