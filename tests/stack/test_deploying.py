"""``scripts/deploy-monitoring.sh`` with a ``docker`` that notes how it is called."""

import fcntl
import io
import os
import socket
import sqlite3
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.stack.deployment import HEALTHY, ROOT, Deployment

pytestmark = pytest.mark.process


def test_deploy_starts_everything_with_passwords_of_its_own(deployment: Deployment) -> None:
    """They are checked by the programs that will run before anything is started."""
    said = deployment.run("deploy")
    assert "http://localhost:3001" in said
    assert "Grafana" in said
    secrets = deployment.secrets()
    assert secrets.pop("ORCH_ALERTMANAGER") == "http://alertmanager:9093"
    assert secrets.pop("ORCH_COLLECTOR") == "http://tempo:4318"
    assert len(set(secrets.values())) == len(secrets) == 5
    assert all(len(value) == 32 and value.isalnum() for value in secrets.values())
    assert all(value not in said + deployment.stderr for value in secrets.values())
    up = deployment.calls.index("compose up --detach --remove-orphans")
    checks = [call for call in deployment.calls[:up] if " run --rm --no-deps " in call]
    assert checks[0].endswith("prometheus check config /etc/prometheus/prometheus.yml")
    assert len(checks) == 7
    env = deployment.folder / ".env"
    folder = deployment.folder / "monitoring" / "secrets"
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name, variable in (
        ("prometheus/control-token", "ORCH_CONTROL_TOKEN"),
        ("grafana/admin-password", "GRAFANA_ADMIN_PASSWORD"),
    ):
        assert (folder / name).read_text() == secrets[variable]
        # The containers' users read them; others on this machine do not get through the folder above.
        assert (folder / name).stat().st_mode & stat.S_IROTH
    for path in (folder / "alertmanager").rglob("*"):
        assert path.stat().st_mode & stat.S_IROTH, path


def test_only_one_is_at_work(deployment: Deployment) -> None:
    """A backup stops what a deployment waits for."""
    with (deployment.folder / "scripts" / "deploy-monitoring.sh").open() as script:
        fcntl.flock(script, fcntl.LOCK_EX)
        deployment.run("backup", code=2)
        assert "is at work" in deployment.stderr
        deployment.run("logs", code=2)
        assert "is at work" not in deployment.stderr


def test_without_anyone_to_notify_nothing_is_started(deployment: Deployment) -> None:
    deployment.run("deploy", code=2, ALERT_SLACK_URL="")
    assert "ALERT_MAIL_TO" in deployment.stderr
    assert not [call for call in deployment.calls if " up " in call]


def test_with_bots_the_image_with_a_browser_is_used(deployment: Deployment) -> None:
    (deployment.folder / ".env").write_text("BOTS=1\n")
    deployment.run("deploy")
    assert any("-f docker-compose.bots.yml up" in call for call in deployment.calls)


@pytest.mark.parametrize(
    ("version", "why"),
    [("2.17.3", "2.20 or newer is needed"), ("v2.9.0", "2.20 or newer is needed"), ("", "no Compose plugin")],
)
def test_an_old_compose_is_refused(deployment: Deployment, version: str, why: str) -> None:
    deployment.set("version", version)
    deployment.run("deploy", code=2)
    assert why in deployment.stderr


def test_newer_ones_are_not(deployment: Deployment) -> None:
    deployment.set("version", "v5.0.2")
    deployment.run("deploy")


def test_without_docker_it_says_so(deployment: Deployment) -> None:
    deployment.set("fails", "info")
    deployment.run("status", code=2)
    assert "Docker does not respond" in deployment.stderr


def test_a_file_that_its_program_refuses_starts_nothing(deployment: Deployment) -> None:
    """The report names it, and that nothing was started."""
    deployment.set("fails", "loki -config.file")
    deployment.run("deploy", code=2)
    assert "refuse their files: loki" in deployment.stderr
    assert not [call for call in deployment.calls if " up " in call]


def test_what_does_not_become_healthy_is_named_with_its_last_lines(deployment: Deployment) -> None:
    deployment.set("after", "grafana running unhealthy\nloki restarting \nprometheus running healthy\n")
    deployment.run("deploy", code=1)
    assert "grafana (running, unhealthy), loki (restarting)" in deployment.stderr
    assert "the last lines of grafana" in deployment.stderr
    assert "the last lines of prometheus" not in deployment.stderr


def test_a_port_that_is_in_use_is_named_first(deployment: Deployment) -> None:
    """Rather than half a stack, and an error of Docker's."""
    script = deployment.folder / "scripts" / "deploy-monitoring.sh"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        text = script.read_text().replace('published="3000 3001 9090 9093 3100"', f'published="{port}"')
        script.write_text(text)
        deployment.run("deploy", code=2)
        assert f"Port {port} of this machine is in use" in deployment.stderr
        deployment.set("states", HEALTHY)  # it is ours
        deployment.run("deploy")


def test_status_says_what_is_not_well(deployment: Deployment) -> None:
    deployment.run("status", code=2)
    assert "run scripts/deploy-monitoring.sh deploy first" in deployment.stderr
    deployment.run("deploy")
    assert "prometheus           running    healthy" in deployment.run("status")
    deployment.set("states", HEALTHY + "loki exited \n")
    assert "Not well: loki (exited)" in deployment.run("status", code=1)
    deployment.set("states", "")
    assert deployment.run("status", code=1) == "Nothing runs.\n"


def test_a_restart_reads_all_files_again_and_checks_them_first(deployment: Deployment) -> None:
    """A file that its program refuses stops nothing that runs."""
    deployment.run("restart", "loki", code=2)
    assert "run scripts/deploy-monitoring.sh deploy first" in deployment.stderr
    deployment.run("deploy")
    (deployment.machine / "calls").unlink()
    assert deployment.run("restart", "loki", "alloy") == "Restarted: loki alloy.\n"
    calls = deployment.calls
    restarted = calls.index("compose restart loki alloy")
    assert calls.index("compose up --detach --remove-orphans") < restarted
    assert len([call for call in calls[:restarted] if " run --rm --no-deps " in call]) == 7
    assert deployment.run("restart") == "Restarted: all of it.\n"
    (deployment.machine / "calls").unlink()
    deployment.set("fails", "check-config")
    deployment.run("restart", code=2)
    assert "refuse their files: alertmanager" in deployment.stderr
    assert not [call for call in deployment.calls if call.startswith(("compose restart", "compose up"))]


def test_logs_and_stop_pass_on_what_is_asked_for(deployment: Deployment) -> None:
    """Stopping what is stopped is no error; nothing is removed."""
    deployment.run("logs", code=2)
    deployment.run("stop", code=2)
    deployment.run("deploy")
    assert deployment.run("logs", "--follow", "redis") == "the last lines of redis\n"
    assert deployment.calls[-1] == "compose logs --tail 200 --follow redis"
    for _ in range(2):
        deployment.run("stop")
        assert deployment.calls[-1] == "compose stop"


def test_a_backup_is_complete_or_not_there(deployment: Deployment) -> None:
    """Each part is in it, with its checksum; the service learns of it at the end."""
    deployment.run("deploy")
    deployment.run("backup", "backups/first")
    folder = deployment.folder / "backups" / "first"
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["SHA256SUMS", "postgres.dump"]
        + [f"{name}.tar.gz" for name in ("alertmanager", "grafana", "orchestration-state", "prometheus")]
        + ["redis.tar.gz", "settings.tar.gz"]
    )
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())
    assert (folder / "orchestration-state.tar.gz").read_text() == "the state\n"
    assert (deployment.machine / "program").read_text() == (ROOT / "scripts/state_archive.py").read_text()
    assert deployment.calls[-1] == "compose exec -T orchestration touch /state/var/last-backup"
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
    deployment.run("backup", "backups/first", code=2)
    assert "exists already" in deployment.stderr


def test_a_backup_may_be_anywhere(deployment: Deployment) -> None:
    """In a folder with spaces, with a slash at its end, and seen from where the command was given."""
    deployment.run("deploy")
    place = deployment.machine / "a disk of mine"
    place.mkdir()
    for given, cwd in ((f"{place}/first/", deployment.folder), ("second one/", place)):
        script = str(deployment.folder / "scripts" / "deploy-monitoring.sh")
        for command in (["backup", given], ["restore", given, "--yes"]):
            ended = subprocess.run(
                [script, *command], cwd=cwd, env=deployment.env, capture_output=True, text=True, check=False
            )
            assert ended.returncode == 0, ended.stderr
    assert sorted(path.name for path in place.iterdir()) == ["first", "second one"]
    assert len(list((place / "second one").iterdir())) == 8
    assert not (deployment.folder / "second one").exists()


def test_after_a_failed_backup_everything_runs_again(deployment: Deployment) -> None:
    deployment.run("deploy")
    deployment.set("fails", "livetranslate_alertmanager:/volume:ro")
    deployment.run("backup", "backups/first", code=1)
    assert list((deployment.folder / "backups").iterdir()) == []
    assert "No backup was made" in deployment.stderr
    assert deployment.calls[-1] == "compose up --detach --no-recreate"
    assert not [call for call in deployment.calls if "last-backup" in call]


def test_redis_rewrites_its_files_again_after_a_failed_backup(deployment: Deployment) -> None:
    """While they are copied it must not."""
    deployment.run("deploy")
    deployment.set("fails", "redis tar")
    deployment.run("backup", code=1)
    settings = [call.split()[-1] for call in deployment.calls if "auto-aof-rewrite-percentage" in call]
    assert settings == ["0", "100"]


def test_a_backup_is_restored_into_stopped_volumes(deployment: Deployment) -> None:
    deployment.run("deploy")
    deployment.run("backup", "backups/first")
    (deployment.machine / "calls").unlink()
    deployment.run("restore", "backups/first", code=2)
    assert "Nothing was changed" in deployment.stderr
    assert "compose stop" not in deployment.calls
    deployment.run("restore", "backups/first", "--yes")
    calls = deployment.calls
    stopped = calls.index("compose stop")
    assert calls.index("unpacked: append-only files") > stopped
    assert calls.count("unpacked: a volume") == 3
    assert calls.index("restored: a dump") > calls.index("compose up --detach --wait postgres") > stopped
    assert calls[calls.index("restored: a dump") + 1] == "compose up --detach --remove-orphans"


def test_a_restore_that_fails_says_so_and_starts_nothing(deployment: Deployment) -> None:
    """On half of its data the service would go on as if nothing had happened."""
    deployment.run("deploy")
    deployment.run("backup", "backups/first")
    (deployment.machine / "calls").unlink()
    deployment.set("fails", "livetranslate_prometheus:/volume")
    deployment.run("restore", "backups/first", "--yes", code=1)
    assert "not restored as a whole, and the service is stopped" in deployment.stderr
    assert deployment.calls[-1].startswith("run --rm --interactive")
    (deployment.machine / "fails").unlink()
    deployment.run("restore", "backups/first", "--yes")
    assert deployment.calls.count("restored: a dump") == 1


def test_a_damaged_backup_is_not_restored(deployment: Deployment) -> None:
    deployment.run("deploy")
    deployment.run("backup", "backups/first")
    with (deployment.folder / "backups/first/postgres.dump").open("a") as file:
        file.write("x")
    deployment.run("restore", "backups/first", "--yes", code=2)
    assert "is damaged" in deployment.stderr
    assert "compose stop" not in deployment.calls
    deployment.run("restore", "backups/none", "--yes", code=2)
    assert "not a complete backup" in deployment.stderr


def test_without_a_command_it_lists_them(deployment: Deployment) -> None:
    deployment.run(code=2)
    for command in ("deploy", "status", "logs", "restart", "backup", "restore", "stop", "check"):
        assert f"deploy-monitoring.sh {command}" in deployment.stderr
    assert deployment.calls == []


def test_its_check_needs_no_docker(tmp_path: Path) -> None:
    """It runs the checks of the checkout, and its exit code is theirs."""
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    command = [str(ROOT / "scripts" / "deploy-monitoring.sh"), "check"]
    checked = subprocess.run([*command, "alloy"], env=env, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, "good    alloy\n")
    assert subprocess.run([*command, "aloy"], env=env, capture_output=True, check=False).returncode == 2


def test_it_works_from_any_folder(deployment: Deployment) -> None:
    ended = subprocess.run(
        ["./deploy-monitoring.sh", "deploy"],
        cwd=deployment.folder / "scripts",
        env=deployment.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert (deployment.folder / ".env").exists()


def test_the_state_is_archived_while_the_service_writes(tmp_path: Path) -> None:
    """A database is one moment's, with what is only in its -wal file yet; owners and modes are kept."""
    state = tmp_path / "var"
    (state / "bots").mkdir(parents=True)
    (state / "bots" / "recording").write_bytes(b"sound")
    (state / "bots" / "recording").chmod(0o600)
    (state / "log-wal").write_text("not SQLite's")
    database = sqlite3.connect(state / "sessions.sqlite3")
    database.execute("pragma journal_mode=wal")
    database.execute("create table t (x)")
    database.execute("insert into t values (42)")
    database.commit()
    assert (state / "sessions.sqlite3-wal").stat().st_size
    ended = subprocess.run(
        ["python3", str(ROOT / "scripts" / "state_archive.py"), str(state)], capture_output=True, check=True
    )
    database.close()
    with tarfile.open(fileobj=io.BytesIO(ended.stdout)) as archived:
        names = archived.getnames()
        archived.extractall(tmp_path / "restored", filter="data")
        assert archived.getmember("bots/recording").mode == 0o600
    assert sorted(names) == ["bots", "bots/recording", "log-wal", "sessions.sqlite3"]
    restored = sqlite3.connect(tmp_path / "restored" / "sessions.sqlite3")
    assert restored.execute("select x from t").fetchone() == (42,)
    restored.close()
