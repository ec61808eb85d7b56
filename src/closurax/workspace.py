"""The folder of a run, and the stages whose results it keeps."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple


class Stage(NamedTuple):
    """A finished stage: what it returned, and a fingerprint of what it was given."""

    results: dict[str, Any]
    fingerprint: str


class Workspace:
    """A folder in which every finished stage of a run leaves a record.

    A stage is skipped if its record is there and was made from the same inputs. Records and
    files appear under their names only when they are complete, so that a run may be killed at
    any moment.
    """

    def __init__(self, folder: str | os.PathLike, *, resume: bool, stages: int):
        """**Arguments:**

        - `folder`: made if it does not exist.
        - `resume`: whether records of an earlier run count.
        - `stages`: how many there will be, for the progress shown.
        """
        self.folder = Path(folder)
        self.resume = resume
        self._total, self._begun = stages, 0
        (self.folder / "stages").mkdir(parents=True, exist_ok=True)

    def path(self, name: str) -> Path:
        """The path of a file in the folder; folders on the way are made."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def stage(
        self,
        name: str,
        title: str,
        inputs: Mapping[str, Any],
        work: Callable[[], dict[str, Any]],
    ) -> Stage:
        """Does `work`, or skips it if it was finished before with the same inputs.

        **Arguments:**

        - `name`: of the record.
        - `title`: shown to the user.
        - `inputs`: everything that the results depend on, as JSON; of an earlier stage its
            fingerprint.
        - `work`: returns small results as JSON; large ones it writes into the folder.
        """
        self._begun += 1
        given = json.dumps(inputs, sort_keys=True, allow_nan=False)
        fingerprint = hashlib.sha256(f"{name} {given}".encode()).hexdigest()[:16]
        record = self.folder / "stages" / f"{name}.json"
        self.say(f"[{self._begun}/{self._total}] {title}")
        if self.resume and record.is_file():
            kept = json.loads(record.read_text(encoding="utf-8"))
            if kept["fingerprint"] == fingerprint:
                self.say("      done before, skipped")
                return Stage(kept["results"], fingerprint)
        record.unlink(missing_ok=True)
        start = time.perf_counter()
        results = work()
        seconds = time.perf_counter() - start
        kept = {"fingerprint": fingerprint, "seconds": round(seconds, 2), "results": results}
        self.write_text(f"stages/{name}.json", json.dumps(kept, indent=1))
        self.say(f"      done in {seconds:.1f} s")
        return Stage(results, fingerprint)

    def report(
        self,
        inputs: Mapping[str, Any],
        write: Callable[[], dict[str, Any]],
        title: str = "writing the report",
    ) -> dict[str, float]:
        """The last stage of an experiment, and what it has to say.

        **Arguments:**

        - `inputs`, `title`: as of a stage.
        - `write`: writes `report.html`, and returns the `metrics` and the `findings`.

        **Returns:**

        The metrics; the findings are shown.
        """
        results = self.stage("report", title, inputs, write).results
        for line in (*results["findings"], f"Report: {self.path('report.html')}"):
            self.say(line)
        return results["metrics"]

    def say(self, line: str) -> None:
        """Shows a line at once, also where the output is a file or a pipe."""
        print(line, flush=True)

    def write_text(self, name: str, text: str) -> Path:
        """Writes a file of the folder in one go: whole or not at all."""
        path = self.path(name)
        partial = path.with_name(path.name + ".partial")
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
        return path
