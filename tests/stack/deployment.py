"""``scripts/deploy-monitoring.sh`` in a checkout of its own, with a ``docker`` that notes its calls."""

import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

#: Answers as Docker does to what the script asks for: there is no Docker in the tests. `states` has what
#: `compose ps` shows; `up` makes it that of `after`; a call that contains the text in `fails` fails.
DOCKER = r"""#!/bin/bash
here=$(dirname "$0")/..
echo "$*" >>"$here/calls"
if [ -f "$here/fails" ] && [[ "$*" == *"$(cat "$here/fails")"* ]]; then exit 1; fi
case "$*" in
    "info --format"*) echo "$here" ;;
    info) ;;
    "compose version --short") cat "$here/version" ;;
    *" ps --quiet") cat "$here/states" 2>/dev/null || true ;;
    *" ps --all "*) cat "$here/states" 2>/dev/null || true ;;
    *" up "*--no-start*) ;;
    *" up "*) cp "$here/after" "$here/states" ;;
    *" logs "*) echo "the last lines of ${*: -1}" ;;
    *" pg_dump "*) echo "a dump" ;;
    *"info persistence") printf 'loading:0\r\naof_rewrite_in_progress:0\r\n' ;;
    *" python - "*) cat >"$here/program"; echo "the state" ;;
    *" redis tar "*) echo "append-only files" ;;
    "run --rm --network none --read-only"*) echo "a volume" ;;
    "run --rm --interactive"*) echo "unpacked: $(cat)" >>"$here/calls" ;;
    *pg_restore*) echo "restored: $(cat)" >>"$here/calls" ;;
esac
"""

HEALTHY = "orchestration running healthy\nprometheus running healthy\nalloy running\n"


class Deployment:
    """A checkout with the script, and a machine with that ``docker``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "checkout"
        for name in ("scripts/deploy-monitoring.sh", "scripts/state_archive.py"):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.folder / name)
        shutil.copytree(ROOT / "monitoring", self.folder / "monitoring")
        shutil.copytree(ROOT / "config", self.folder / "config")
        self.machine = folder / "machine"
        (self.machine / "bin").mkdir(parents=True)
        docker = self.machine / "bin" / "docker"
        docker.write_text(DOCKER)
        docker.chmod(stat.S_IRWXU)
        self.set("version", "2.29.1")
        self.set("after", HEALTHY)
        self.env = {
            "PATH": f"{docker.parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "DEPLOY_WAIT": "0",
            "DEPLOY_POLL": "0",
            "DEPLOY_FREE_GB": "0",
            "ALERT_SLACK_URL": "https://hooks.slack.example/services/x",
        }
        self.stderr = ""

    def set(self, name: str, text: str) -> None:
        """Set what ``docker`` answers."""
        (self.machine / name).write_text(text)

    def run(self, *arguments: str, code: int = 0, **env: str) -> str:
        """Run the script; return its output."""
        ended = subprocess.run(
            ["scripts/deploy-monitoring.sh", *arguments],
            cwd=self.folder,
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        self.stderr = ended.stderr
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended.stdout

    @property
    def calls(self) -> list[str]:
        """How ``docker`` was called, without what is the same in each call."""
        path = self.machine / "calls"
        text = path.read_text() if path.exists() else ""
        same = "--project-name livetranslate --project-directory . -f docker-compose.monitoring.yml "
        return [line.replace(same, "") for line in text.splitlines()]

    def secrets(self) -> dict[str, str]:
        """Return the variables in ``.env``."""
        lines = (self.folder / ".env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)
