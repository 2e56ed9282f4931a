"""Packages that the tests need bring services; none of them is started on the machine."""

import shutil
import stat
from pathlib import Path

import pytest

from tests.fakes.tools import require
from tests.setup.test_set_up import ROOT, bare_path, script

#: What postinst scripts do: enable the unit, and start it where the machine's policy lets them.
APT_GET = """echo "$*" >>{log}
case "$1" in update) exit 0;; esac
"$POLICY_RC_D" prometheus start; echo "policy: $?" >>{log}
/bin/ln -s /lib/systemd/system/prometheus.service "$SYSTEMD_UNITS/multi-user.target.wants/prometheus.service"
{more}"""


class Machine:
    """A machine with an ``apt-get`` of ours, a folder of units, and a policy if one is written."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.log = folder / "log"
        self.policy = folder / "policy-rc.d"
        self.wants = folder / "units" / "multi-user.target.wants"
        self.wants.mkdir(parents=True)
        (self.wants / "ssh.service").symlink_to("/lib/systemd/system/ssh.service")
        tools = {
            name: f'exec {require(name)} "$@"'
            for name in ("find", "sort", "comm", "mktemp", "chmod", "flock")
        }
        path = bare_path(
            folder / "bin", id="echo 0", apt_get=APT_GET.format(log=self.log, more=more), **tools
        )
        self.env = path | {
            "POLICY_RC_D": str(self.policy),
            "SYSTEMD_UNITS": str(folder / "units"),
            "APT_LOCK": str(folder),
        }

    def set_policy(self, answer: int) -> None:
        """Have the machine's own policy answer so."""
        self.policy.write_text(f"#!/bin/sh\nexit {answer}\n")
        self.policy.chmod(stat.S_IRWXU)


def test_no_service_is_started_now_or_with_the_machine(tmp_path: Path) -> None:
    """The policy is there while packages are configured, and gone afterwards; other units stay enabled."""
    machine = Machine(tmp_path)
    ended = script("apt-install.sh", "--stopped", "prometheus", env=machine.env)
    assert ended.returncode == 0
    call, policy = machine.log.read_text().splitlines()
    assert call.startswith("install -y")
    assert call.endswith(" prometheus")
    assert policy == "policy: 101"
    assert not machine.policy.exists()
    assert [path.name for path in machine.wants.iterdir()] == ["ssh.service"]
    assert "Not started with the machine: prometheus.service" in ended.stderr


@pytest.mark.parametrize("more", ["exit 100", "kill -TERM $PPID; exit 100"])
def test_a_failed_installation_leaves_no_policy(tmp_path: Path, more: str) -> None:
    """With a policy left behind, no service of the machine would start after its next upgrade."""
    machine = Machine(tmp_path, more)
    assert script("apt-install.sh", "--stopped", "prometheus", env=machine.env).returncode != 0
    assert not machine.policy.exists()
    assert [path.name for path in machine.wants.iterdir()] == ["ssh.service"]


def test_a_policy_that_refuses_stays(tmp_path: Path) -> None:
    """Containers have one."""
    machine = Machine(tmp_path)
    machine.set_policy(101)
    assert script("apt-install.sh", "--stopped", "prometheus", env=machine.env).returncode == 0
    assert machine.policy.read_text() == "#!/bin/sh\nexit 101\n"
    assert "policy: 101" in machine.log.read_text()


def test_where_the_policy_permits_services_nothing_is_installed(tmp_path: Path) -> None:
    """It is somebody's, and is not replaced."""
    machine = Machine(tmp_path)
    machine.set_policy(0)
    ended = script("apt-install.sh", "--stopped", "prometheus", env=machine.env)
    assert ended.returncode == 1
    assert "permits that packages start services" in ended.stderr
    assert "install" not in machine.log.read_text() if machine.log.exists() else True


def test_the_tools_of_the_tests_are_installed_stopped(tmp_path: Path) -> None:
    """All that is missing, in one go."""
    checkout, log = tmp_path / "checkout", tmp_path / "log"
    (checkout / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "test-tools.sh", checkout / "scripts")
    installer = checkout / "scripts" / "apt-install.sh"
    installer.write_text(f'#!/bin/sh\necho "$*" >>{log}\n')
    installer.chmod(stat.S_IRWXU)
    assert script("test-tools.sh", env=bare_path(tmp_path / "bin"), cwd=checkout).returncode == 1
    [call] = log.read_text().splitlines()
    flag, *packages = call.split()
    assert flag == "--stopped"
    exporters = ("node", "redis", "postgres", "blackbox")
    assert {"prometheus", "prometheus-alertmanager"} < set(packages)
    assert {f"prometheus-{name}-exporter" for name in exporters} < set(packages)
