"""The shipped root, booted in a container: what is there, what is not, who runs as whom, who may do what.

Each line of a table is a claim of `playbooks/README.md`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
ROLES = CHECKOUT / "playbooks/roles"
HARDENING = yaml.safe_load((ROLES / "hardening/defaults/main.yml").read_text(encoding="utf-8"))
BASE = yaml.safe_load((ROLES / "base/defaults/main.yml").read_text(encoding="utf-8"))
PROCESSES = ("keys", "auditor", "courier", "engine", "gateway", "door", "console")
LISTENING = {
    "127.0.0.1:2776",
    "127.0.0.1:8080",
    "127.0.0.1:8081",
    "0.0.0.0:443",
    "0.0.0.0:8443",
    "127.0.0.53%lo:53",
    "127.0.0.54:53",
}
PYTHON = "/usr/lib/casemate/bin/python3"
# Modules that each start would compile again: without a file beside them that is taken by a hash that is not looked at (PEP 552).
UNCOMPILED = """
from importlib.util import cache_from_source
from pathlib import Path
places = ("/usr/lib/casemate/lib", "/usr/lib/python3.13", "/usr/lib/python3/dist-packages")
found = {path: Path(cache_from_source(path)) for place in places for path in Path(place).rglob("*.py")}
assert len(found) > 3000
print([str(path) for path, made in found.items() if not made.exists() or made.read_bytes()[4:8] != bytes([1, 0, 0, 0])][:5])
"""
EXPOSURE_MAX = 1.5  # of systemd-analyze security

ABSENT_PROGRAMS = (
    *(
        "apt",
        "apt-get",
        "dpkg",
        "pip",
        "pip3",
        "gcc",
        "cc",
        "make",
        "perl5",
        "gdb",
        "strace",
        "tcpdump",
        "curl",
        "wget",
        "nc",
        "telnet",
        "ftp",
    ),
    *(
        "rsync",
        "docker",
        "sudo",
        "git",
        "vim",
        "nano",
        "dracut",
        "at",
        "crontab",
        "rpcbind",
        "xinetd",
        "snmpd",
        "cupsd",
        "avahi-daemon",
    ),
)
ABSENT_PATHS = (
    *(
        "/etc/ssh/ssh_host_rsa_key",
        "/etc/ssh/ssh_host_ed25519_key",
        "/var/lib/apt",
        "/etc/apt",
        "/boot/grub",
        "/usr/share/man/man1",
    ),
    *(
        "/home/user",
        "/etc/nginx/sites-enabled",
        "/etc/nginx/conf.d",
        "/var/lib/dbus/machine-id",
        "/usr/lib/casemate/bin/pip",
    ),
)
RUNNING = ("nginx", "systemd-networkd", "systemd-resolved", "dbus-broker", "systemd-journald")


@pytest.mark.parametrize("name", PROCESSES)
def test_each_process_runs_as_its_own_user(host: Any, name: str) -> None:
    shown = host.check_output(f"systemctl show -p ActiveState -p User -p Group -p NRestarts casemate-{name}")
    said = dict(line.split("=", 1) for line in shown.splitlines())
    assert said == {"ActiveState": "active", "User": f"casemate-{name}", "Group": "casemate", "NRestarts": "0"}


@pytest.mark.parametrize("name", PROCESSES)
def test_each_process_is_in_a_sandbox(host: Any, name: str) -> None:
    last = host.check_output(f"systemd-analyze security --no-pager casemate-{name}").splitlines()[-1]
    assert float(last.split(":")[1].split()[0]) <= EXPOSURE_MAX, last


@pytest.mark.parametrize("name", RUNNING)
def test_what_belongs_runs(host: Any, name: str) -> None:
    assert host.check_output(f"systemctl is-active {name}") == "active"


@pytest.mark.parametrize("unit", HARDENING["hardening_masked"])
def test_what_is_masked_cannot_be_started(host: Any, unit: str) -> None:
    assert host.run(f"systemctl start {unit}").rc != 0
    assert host.file(f"/etc/systemd/system/{unit}").linked_to == "/dev/null"


@pytest.mark.parametrize("name", ABSENT_PROGRAMS)
def test_programs_that_are_not_there(host: Any, name: str) -> None:
    assert host.run(f"command -v {name}").stdout == ""


@pytest.mark.parametrize("path", ABSENT_PATHS)
def test_files_that_are_not_there(host: Any, path: str) -> None:
    assert not host.file(path).exists


@pytest.mark.parametrize("row", HARDENING["hardening_sysctl"], ids=lambda row: row["name"])
def test_kernel_parameters_are_written(host: Any, row: dict[str, Any]) -> None:
    assert (
        f"{row['name']} = {row['value']}" in host.file("/usr/lib/sysctl.d/90-casemate.conf").content_string.splitlines()
    )


@pytest.mark.parametrize("module", HARDENING["hardening_modules_blocked"])
def test_kernel_modules_are_blocked(host: Any, module: str) -> None:
    assert f"install {module} /bin/false" in host.file("/etc/modprobe.d/casemate.conf").content_string.splitlines()


@pytest.mark.parametrize("path", HARDENING["hardening_setuid"])
def test_programs_have_no_set_user_id(host: Any, path: str) -> None:
    assert host.file(path).exists
    assert host.file(path).mode & 0o6000 == 0


def test_nothing_else_has_set_user_id(host: Any) -> None:
    found = host.check_output(
        "find / -xdev -perm /6000 -type f -not -path '/var/*' -not -path '/run/*' -not -path '/tmp/*'"
    ).split()
    assert set(found) <= {
        "/usr/sbin/unix_chkpwd",
        "/usr/lib/openssh/ssh-keysign",
        "/usr/lib/dbus-1.0/dbus-daemon-launch-helper",
        "/usr/bin/ssh-agent",
    }


@pytest.mark.parametrize("user", BASE["base_users"], ids=lambda user: user["name"])
def test_users_have_fixed_numbers_and_no_shell(host: Any, user: dict[str, Any]) -> None:
    there = host.user(user["name"])
    assert (there.uid, there.gid, there.shell) == (user["id"], BASE["base_group_id"], "/usr/sbin/nologin")


def test_no_unit_failed(host: Any) -> None:
    assert host.check_output("systemctl --failed --no-legend --plain") == ""


def test_nothing_waits_for_ssh(host: Any) -> None:
    assert host.file("/etc/systemd/system-generators/systemd-ssh-generator").linked_to == "/dev/null"
    listed = host.check_output("systemctl list-units --all --no-legend --plain 'ssh*'").splitlines()
    assert [line for line in listed if " masked " not in line] == []
    assert ":ssh" not in host.check_output("ss -H -lx") and "sshd" not in host.check_output("ss -H -lx")


@pytest.mark.parametrize("row", HARDENING["hardening_login"], ids=lambda row: row["name"])
def test_what_a_password_would_have_to_be(host: Any, row: dict[str, str]) -> None:
    assert f"{row['name']} {row['value']}" in host.file("/etc/login.defs").content_string.splitlines()


def test_nobody_has_a_password(host: Any) -> None:
    lines = host.check_output("cat /etc/shadow").splitlines()
    assert [line.split(":")[0] for line in lines if line.split(":")[1] not in ("*", "!", "!*", "!!")] == []


def test_only_root_has_its_number(host: Any) -> None:
    assert host.check_output("awk -F: '$3 == 0 { print $1 }' /etc/passwd") == "root"


def test_it_listens_on_nothing_else(request: pytest.FixtureRequest, host: Any) -> None:
    found = {line.split()[3] for line in host.check_output("ss -H -tln").splitlines()}
    if request.config.getoption("--box"):  # its settings name addresses, and somebody opened SSH
        named = {place.rpartition(":")[2] for place in LISTENING}
        assert {place.rpartition(":")[2] for place in found} == named | {"22"}
    else:
        assert found == LISTENING
    assert {line.split()[3] for line in host.check_output("ss -H -uln").splitlines()} <= {
        "127.0.0.53%lo:53",
        "127.0.0.54:53",
    }


def test_the_state_folder_is_shared_and_closed(host: Any) -> None:
    home = host.file("/var/lib/casemate")
    assert (home.user, home.group, home.mode) == ("casemate-admin", "casemate", 0o2770)


def test_the_keys_are_the_keys_process_s_alone(host: Any) -> None:
    folder = host.file("/var/lib/casemate/hsm")
    assert (folder.user, folder.mode) == ("casemate-keys", 0o700)
    for name in set(PROCESSES) - {"keys"}:
        leader = host.check_output(f"systemctl show -p MainPID --value casemate-{name}")
        assert host.check_output(f"nsenter -t {leader} -m ls -A /var/lib/casemate/hsm") == "", name
        own = f"setpriv --reuid=casemate-{name} --regid=casemate --clear-groups ls /var/lib/casemate/hsm"
        assert host.run(f"nsenter -t {leader} -m {own}").rc != 0, name


def test_the_door_may_read_the_box_s_own_certificate_and_key(host: Any) -> None:
    for name in ("server.pem", "server.key"):
        there = host.file(f"/var/lib/casemate/tls/{name}")
        assert (there.user, there.group, there.mode) == ("root", "casemate", 0o640)
        own = "setpriv --reuid=casemate-door --regid=casemate --clear-groups"
        assert host.run(f"{own} cat /var/lib/casemate/tls/{name}").rc == 0


def test_the_auditor_exports_into_a_folder_of_the_console_s(host: Any) -> None:
    """As the console's page asks for it, each as its own user."""
    ask = (
        "import sys; from pathlib import Path; from appliance.intercom import BlockingClient, share; home = Path('/var/lib/casemate'); share(home); "
        "place = home / 'export' / 'claim'; place.parent.mkdir(mode=0o770, exist_ok=True); place.mkdir(mode=0o700); place.chmod(0o770); "
        "asked = {'path': str(place / 'audit'), 'who': 'console:claim', 'form': 'archive', 'sought': None, 'request': None}; "
        "BlockingClient(home / 'run/auditor.sock').call('export', asked, 120.0); print(len((place / 'audit').read_bytes()) > 1000)"
    )
    own = "umask 007; setpriv --reuid=casemate-console --regid=casemate --clear-groups"
    try:
        done = host.run(f'{own} /usr/lib/casemate/bin/python3 -P -c "{ask}"')
        assert done.stdout == "True\n", done.stderr
    finally:
        host.run("rm -rf /var/lib/casemate/export/claim")


@pytest.mark.parametrize("form", ["", "--archive"])
def test_people_take_the_audit_log_out_of_the_state_folder(host: Any, form: str) -> None:
    """To a stick, say: where the auditor itself may not write."""
    place = host.check_output("mktemp -d /tmp/claim.XXXXXX")
    try:
        host.check_output(f"chown casemate-admin {place}")
        host.check_output(f"casemate audit export {form} {place}/audit")
        assert "VERIFIES" in host.check_output(f"casemate audit verify {place}/audit")
        assert host.check_output("find /var/lib/casemate/export -name 'carried-*'") == ""
    finally:
        host.run(f"rm -rf {place}")


def test_the_program_belongs_to_root_and_is_compiled(host: Any) -> None:
    assert host.check_output("find /usr/lib/casemate -not -user root -o -perm /022 -not -type l | head -3") == ""
    assert host.check_output(f"{PYTHON} -I -c '{UNCOMPILED}'") == "[]"


def test_the_root_is_read_only_underneath(request: pytest.FixtureRequest, host: Any) -> None:
    if request.config.getoption("--box"):
        assert "Read-only" in host.run("touch /etc/passwd.new").stderr
        return
    with pytest.raises(OSError, match="Read-only"):
        (request.getfixturevalue("root") / "etc/passwd").open("a")


def test_the_appliance_says_that_it_is_well(host: Any) -> None:
    said = host.check_output("casemate status")
    assert "HSM           ready" in said
    assert "audit log     recording" in said


def test_commands_of_people_do_not_run_as_root(host: Any) -> None:
    host.check_output("casemate user list")
    # What root's own units write: settings and certificate of a new box, the self-test, which release was started last, the state of the recovery key.
    own = ("settings/*", "tls/*", "run/selftest.json", "run/dropped", "updates/*", "field/*", "network/*", "recovery/*")
    spared = " ".join(f"-not -path '/var/lib/casemate/{path}'" for path in own)
    found = f"find /var/lib/casemate -user root -type f -newer /etc/os-release {spared} | head"
    assert host.check_output(found) == ""


def test_a_process_without_the_role_gets_no_data_key(host: Any) -> None:
    ask = (
        "from pathlib import Path; from appliance.intercom import BlockingClient, share; share(Path('/var/lib/casemate')); "
        "BlockingClient(Path('/var/lib/casemate/run/keys.sock')).call('data_key', {'day': '2026-01-01'})"
    )
    done = host.run(
        f'setpriv --reuid=casemate-auditor --regid=casemate --clear-groups /usr/lib/casemate/bin/python3 -c "{ask}"'
    )
    assert done.rc != 0
    assert "may not ask the keys process" in done.stderr


def test_versions_and_warning_are_shown(host: Any) -> None:
    assert "IMAGE_ID=casemate" in host.file("/usr/lib/os-release").content_string
    assert "Authorised use only" in host.file("/etc/issue").content_string


@pytest.mark.parametrize(
    "line",
    [
        "permitrootlogin without-password",
        "passwordauthentication no",
        "kbdinteractiveauthentication no",
        "authenticationmethods publickey",
        "allowusers root",
        "disableforwarding yes",
        "permituserenvironment no",
        "usepam no",
        "forcecommand /usr/lib/casemate/libexec/casemate-ssh-session",
    ],
)
def test_ssh_when_it_is_opened(host: Any, line: str) -> None:
    """As sshd itself reads its configuration."""
    host.run(
        "[ -d /run/sshd ] || mkdir -m 0755 /run/sshd; [ -e /tmp/key ] || ssh-keygen -q -t ed25519 -N '' -f /tmp/key"
    )
    said = host.check_output("/usr/sbin/sshd -T -h /tmp/key -f /usr/lib/casemate/libexec/casemate-sshd_config")
    assert line in said.splitlines()


def test_emergencies_restart_instead_of_offering_a_shell(host: Any) -> None:
    for unit in HARDENING["hardening_emergency"]:
        assert "--force reboot" in host.check_output(f"systemctl cat {unit}.service")
