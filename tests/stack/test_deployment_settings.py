"""The settings and secrets that ``scripts/deploy-monitoring.sh`` reads and makes."""

from pathlib import Path

import pytest

from tests.stack.deployment import Deployment

pytestmark = pytest.mark.process


def test_deploying_again_changes_no_secret(deployment: Deployment) -> None:
    deployment.run("deploy")
    before = (deployment.folder / ".env").read_text()
    configured = deployment.folder / "monitoring/secrets/alertmanager/alertmanager.yml"
    alertmanager = configured.read_text()
    deployment.run("deploy")
    assert (deployment.folder / ".env").read_text() == before
    assert configured.read_text() == alertmanager
    assert "Generated" not in deployment.stderr


def test_what_is_missing_is_added_to_the_settings_that_are_there(deployment: Deployment) -> None:
    """Also behind a last line without an end."""
    given = "AUDIO_SERVICE_URL=http://gpu:8000\nREDIS_PASSWORD='my-own-long-one'"
    (deployment.folder / ".env").write_text(given)
    deployment.run("deploy")
    secrets = deployment.secrets()
    assert (deployment.folder / ".env").read_text().startswith(given + "\n")
    assert len(secrets["POSTGRES_PASSWORD"]) == 32


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("GRAFANA_ADMIN_PASSWORD=livetranslate2023", "everyone knows"),
        ("GRAFANA_ADMIN_PASSWORD=admin", "everyone knows"),
        ('POSTGRES_PASSWORD="Changeme"', "everyone knows"),
        ("ORCH_CONTROL_TOKEN=tiny", "has 4 characters"),
        ("GRAFANA_ADMIN_PASSWORD= livetranslate2023 ", "everyone knows"),
        ("GRAFANA_ADMIN_PASSWORD=short # longer than it is", "has 5 characters"),
        ("export POSTGRES_PASSWORD = 'postgres' # for now", "everyone knows"),
        ("REDIS_PASSWORD=with/a/slash+more=", "is part of a URL"),
        ("POSTGRES_PASSWORD='my own long one'", "is part of a URL"),
        ("ORCH_CONTROL_TOKEN=before$HOME-after", "has a character that is not allowed"),
        ('ALERT_WEBHOOK_TOKEN="nine\\\\lives-of-it"', "has a character that is not allowed"),
        ("ORCH_CONTROL_TOKEN=été-comme-hiver", "has a character that is not allowed"),
    ],
)
def test_passwords_that_others_know_are_refused(deployment: Deployment, line: str, why: str) -> None:
    """The seed's is the first that is tried."""
    (deployment.folder / ".env").write_text(f"{line}\n")
    deployment.run("deploy", code=2)
    assert line.partition("=")[0].removeprefix("export ").strip() in deployment.stderr
    assert why in deployment.stderr
    assert not [call for call in deployment.calls if " up " in call]


def test_a_secret_is_the_one_that_compose_reads(deployment: Deployment) -> None:
    """The last line, without the comment behind it: Prometheus sends what the service expects."""
    (deployment.folder / ".env").write_text(
        "ORCH_CONTROL_TOKEN=an-older-one-of-mine\n"
        "export ORCH_CONTROL_TOKEN = mine/2+3=of-me # until May\n"
        'GRAFANA_ADMIN_PASSWORD="a-b,c?d*e%f^g" # quoted\r\n'
    )
    deployment.run("deploy")
    folder = deployment.folder / "monitoring" / "secrets"
    assert (folder / "prometheus/control-token").read_text() == "mine/2+3=of-me"
    assert (folder / "grafana/admin-password").read_text() == "a-b,c?d*e%f^g"


def test_settings_that_are_a_link_stay_one(deployment: Deployment) -> None:
    """Some have them outside of the checkout."""
    place = deployment.machine / "settings"
    place.write_text("LOG_LEVEL=DEBUG")
    (deployment.folder / ".env").symlink_to(place)
    deployment.run("deploy")
    assert (deployment.folder / ".env").is_symlink()
    assert place.read_text().startswith("LOG_LEVEL=DEBUG\nORCH_CONTROL_TOKEN=")


def test_a_full_disk_leaves_the_settings_as_they_were(deployment: Deployment) -> None:
    """A password that ended in its middle would be another one than it is said to be."""
    env = deployment.folder / ".env"
    env.write_text("LOG_LEVEL=DEBUG\n")
    (deployment.folder / ".env.new").symlink_to("/dev/full")
    deployment.run("deploy", code=2)
    assert ".env could not be written" in deployment.stderr
    assert env.read_text() == "LOG_LEVEL=DEBUG\n"
    assert not [call for call in deployment.calls if " up " in call]


def test_settings_are_read_and_not_run(deployment: Deployment, tmp_path: Path) -> None:
    commands = f"BOTS=$(touch {tmp_path}/run)\nALERT_SLACK_CHANNEL=`touch {tmp_path}/run`\n"
    (deployment.folder / ".env").write_text(commands)
    deployment.run("deploy", code=2)  # no name of a channel
    assert not (tmp_path / "run").exists()
