"""A box from its first minute to its last, over the serial line only: installed from a stick, updated by a stick while messages flow, back from releases
that do not work, reset. Secure Boot and TPM on, software emulation. The tests tell one story, in order, over a few starts of one machine.

`make serial`; an hour and more. With `--kept FOLDER` the machine and what was seen to pass stay there, and the next run goes on behind it.
"""

from __future__ import annotations

import base64
import json
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from appliance.field import codes
from appliance.field.hints import here
from firmware.refusals import REFUSALS
from image import trust
from image.trees import Tree
from tests.hosts import test_booted
from tests.hosts.conftest import ENDED
from tests.hosts.engineer import (
    PASSWORD,
    Story,
    Traffic,
    api_key,
    begun,
    challenge,
    damaged,
    installed,
    offered,
    officer,
    state_begins,
)
from tests.hosts.lan import HERE, THERE
from tests.hosts.laptop import SERIAL, Bare, Cable
from tests.hosts.releases import Releases, without_engine
from tests.hosts.test_booted import NUMBER, READY_S_MAX, RECOVERY, SETTINGS, wait_for
from tests.support import tampering
from tests.support.release_keys import Issuer

network, operator = test_booted.network, test_booted.operator  # the same bank and the same operator
pytestmark = pytest.mark.timeout(10_800)  # a step starts the machine up to four times
CHECKOUT = Path(__file__).resolve().parents[2]
FIRST, NEXT, BROKEN, PANICS, LATER = "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.3.2"
STICK_MIB = 2048
# A line for each tenth, eleven of each: the root is written, read back, the kernel written. Power is cut behind some; soon after the last the release is whole.
TENTH = re.compile(r"(?:writing|checking) (?:root|kernel): \d+ %")
ROOT, KERNEL = range(1, 21), range(23, 34)
MORE = """
[firmware]
two_people = false

[field]
breakglass_minutes = 5
lines = ["ttyS1@9600"]
"""


@pytest.fixture(scope="module")
def story(request: pytest.FixtureRequest, image: Path, tools: Tree, room: Path, network: str) -> Iterator[Story]:
    kept = request.config.getoption("--kept")
    folder = Path(kept) if kept else room / "serial"
    cache = tools.path.parent
    keys = cache.parent / "keys"
    overlay = CHECKOUT if request.config.getoption("--overlay") else None
    machine = Bare(folder / "machine", tools, keys, network)
    machine.seed({"casemate.toml": SETTINGS + MORE, "first.password": "secret\n"})
    releases = Releases(folder / "releases", cache, keys, overlay)
    if overlay is not None:
        image = releases.image(FIRST, FIRST)
    told = Story(machine, releases, image)
    try:
        yield told
    finally:
        if told.traffic is not None:
            told.traffic.ended()
        told.gone()


@pytest.fixture(autouse=True)
def once(request: pytest.FixtureRequest, story: Story) -> Iterator[None]:
    """A step that passed in the machine that is kept is not told again; one that failed ends the story."""
    name = request.node.name
    if name in story.known["passed"]:
        pytest.skip("passed before, in this machine")
    if story.ended_at:
        pytest.skip(f"the story ended at {story.ended_at}")
    began = time.monotonic()
    yield
    ended = request.node.stash.get(ENDED, "failed")
    if ended == "passed":
        story.keep(passed=[*story.known["passed"], name])
        print(f"\n{name}: {time.monotonic() - began:.0f} s, {story.machine.boots} starts")
    elif ended == "failed":
        story.ended_at = name


# --- installed ----------------------------------------------------------------------------------------------------


def test_the_system_is_installed_from_a_stick_to_the_empty_disk(story: Story) -> None:
    story.cable = cable = story.machine.switch_on(story.image)
    cable.until("Type   install", seconds=READY_S_MAX)
    cable.name_asked()
    cable.type("install")
    said = cable.read("number or name, empty to leave)")
    assert "vda" in said and "empty" in said and "STICK" not in said
    cable.type("vda")
    cable.asked("to do it: ", "yes")
    said = cable.until("read back and verified", seconds=3600)
    assert "writing root: 100 %" in said
    cable.asked("to do it: ", "yes")
    story.machine.ended(900)
    story.keep(install_answers=cable.answers, install_keys=cable.keys)


def test_the_box_starts_from_its_disk_and_its_first_account_is_made(story: Story) -> None:
    said = story.started()
    assert "making the state volume" in said and "user admin, password" in said
    assert max(map(len, said[said.index("Casemate is ready") :].splitlines())) < 80
    cable = story.on()
    assert "Type   new" in cable.name_asked()
    story.keep(secret=base64.b32encode(cable.first_account(story.known["admin"], "eve", PASSWORD)).decode())
    cable.out()


def test_a_link_is_tested_and_the_first_message_is_delivered(story: Story, operator: str) -> None:
    cable = story.in_menu()
    cable.page("link")
    cable.asked("none is sent): ", NUMBER)
    assert "the link works" in cable.back()
    received = httpx.get(f"{operator}/received", params={"to": NUMBER}).json()
    assert received, "the operator's handset has the message"
    cable.page("recovery")
    cable.asked("to leave): ", story.known["recovery"])
    assert "Confirmed" in cable.back()
    said = story.shows(cable, "HSM +ready")
    assert f"serial {SERIAL}" in said and "Secure Boot on" in said and "TPM 2.0" in said
    assert re.search(r"slot a\s+0\.1\.0\s+good\s+\(runs\)", said)
    cable.page("logs")
    assert "casemate-engine" in cable.read("to leave): "), "the journal's"
    cable.type("casemate-gateway")
    cable.asked("(empty: all): ", "")
    assert "INFO" in cable.back()
    cable.out()
    assert story.known.get("install_answers", 0) + cable.answers <= 25 + 4, "the recovery key and the status beside"


# --- people ---------------------------------------------------------------------------------------------------------


def officers_key(story: Story) -> Path:
    """Olga's, which stays with the machine."""
    folder = story.machine.folder / "bank"
    if not (folder / "olga.key").exists():
        Issuer("Bank", folder).issued("olga", private=rsa.generate_private_key(65537, 2048))
    return folder / "olga.key"


def test_the_banks_officers_let_somebody_in(story: Story) -> None:
    """Right, wrong, replayed: an answer opens the challenge that it was made for, once."""
    key = officers_key(story)
    cable = story.in_menu()
    cable.page("accounts")
    cable.asked("to leave): ", "officer")
    cable.asked("officer's name: ", "olga")
    cable.asked("key: ", "".join(officer("enrol", SERIAL, key).split()))
    assert "can answer challenges" in cable.back()
    cable.out()
    nonce = challenge(cable)
    answer = officer("answer", SERIAL, "sign-in", nonce, key).strip()
    cable.type("0000-0000-0000-0000")
    cable.until("That was not right.")
    cable.asked("answer: ", answer)
    cable.menu()
    cable.page("reset")
    assert "The officers let you in for sign-in" in cable.back()
    cable.out()
    assert challenge(cable) != nonce
    cable.type(answer)
    cable.until("That was not right.")
    cable.until("answer: ")
    cable.key("\x03")
    cable.until("name: ")


def test_the_other_line_has_the_console_too(story: Story) -> None:
    """The one that the settings name, at its speed, as a BMC's serial-over-LAN is: the officers let in who is there."""
    story.on()
    story.other = other = story.machine.other_line()
    nonce = challenge(other)
    other.type(officer("answer", SERIAL, "sign-in", nonce, officers_key(story)).strip())
    other.menu()
    other.page("logs")
    assert "casemate-engine" in other.read("to leave): ")
    other.type("")
    assert "Enter: menu: " in other.read("Enter: menu: ")
    other.type("")
    other.menu()


def test_a_network_change_that_nobody_confirms_is_undone(story: Story) -> None:
    cable = story.in_menu()
    cable.page("network")
    for prompt, typed in (
        ("card: ", ""),
        ("dhcp: ", "10.66.0.77/24"),
        ("gateway: ", ""),
        ("name servers: ", ""),
        ("time servers: ", ""),
        ("to do it: ", "yes"),
    ):
        cable.asked(prompt, typed)
    cable.until("Type confirm to keep it: ")
    wait_for(lambda: httpx.get("https://10.66.0.77/healthz", verify=False, timeout=10).status_code == 200, 100)
    assert "as it was before" in cable.back()
    wait_for(lambda: httpx.get(f"https://{THERE}/healthz", verify=False, timeout=10).status_code == 200, 120)
    cable.out()


def test_the_banks_side_is_pinged_from_the_cable(story: Story) -> None:
    cable = story.in_menu()
    cable.page("reach")
    cable.asked("to leave): ", "ping")
    cable.asked("address: ", HERE)
    assert " 0% packet loss" in cable.back()
    cable.out()


def test_who_was_let_in_is_out_when_the_time_is_over(story: Story) -> None:
    """The five minutes that the settings give a session; on the other line they passed meanwhile. Then a challenge is left there."""
    if story.other is None:
        test_the_other_line_has_the_console_too(story)
    other = story.other
    assert other is not None
    until = time.monotonic() + 900
    said = ""
    while "The time of this session is over." not in said:
        assert time.monotonic() < until, said
        other.type("")
        said = other.until("> ", "name: ")
        time.sleep(0 if said.endswith("name: ") else 20)
    story.left_unanswered()


def test_the_audit_log_is_carried_away_on_a_stick(story: Story, tmp_path: Path) -> None:
    """Exported by the bank's IT over SSH that the cable opened, onto the stick; there it is whole for who checks it elsewhere."""
    stick = story.machine.stick("carried", "CARRIED", [], 128)
    cable = story.in_menu()
    assert "Open until" in cable.ssh_opened(story.ssh_key().with_suffix(".pub").read_text().strip())
    story.machine.plug(stick)
    wait_for(lambda: "rw" in story.shell("findmnt -n -o OPTIONS /run/media/casemate || true"), 300)
    units = "casemate-lines casemate-hardware.path casemate-inventory.timer casemate-field@ttyS0 casemate-field@ttyS1"
    print(story.shell(f"systemctl is-active {units}"))
    print(story.shell("casemate audit export --archive /run/media/casemate/log.tar"))
    story.machine.unplug(stick)
    cable.page("ssh")
    cable.asked("(empty to leave): ", "close")
    cable.back()
    cable.out()
    log = story.machine.read(stick, "log.tar", tmp_path)
    words = [sys.executable, str(CHECKOUT / "appliance/audit/verify.py"), str(log)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_process_that_does_not_run_is_named_by_the_greeting(story: Story) -> None:
    """One that cannot start, as long as a drop-in of this start says so."""
    place = "/run/systemd/system/casemate-courier.service.d"
    fails = "[Service]\\nExecStart=\\nExecStart=/usr/bin/false\\n"
    cable = story.in_menu()
    cable.ssh_opened(story.ssh_key().with_suffix(".pub").read_text().strip())
    story.shell(f"mkdir -p {place} && printf '{fails}' > {place}/fails.conf && systemctl daemon-reload")
    story.shell("! systemctl restart casemate-courier && systemctl restart --no-block casemate-welcome")
    said = cable.until("self-test:", seconds=READY_S_MAX)
    said = said[said.index("Casemate is ") :]
    assert said.startswith("Casemate is not ready") and "does not run: casemate-courier\n" in said
    assert max(map(len, said.splitlines())) < 80
    story.shell(
        f"rm -r {place} && systemctl daemon-reload && systemctl reset-failed && systemctl restart casemate-courier"
    )
    cable.page("ssh")
    cable.asked("(empty to leave): ", "close")
    cable.back()
    cable.out()


def test_bundles_that_must_not_be_installed_are_refused_with_their_reason(story: Story) -> None:
    """One stick with all of them, made by who holds the box's own release key: the reason is on the screen, with what to do."""
    story.left_unanswered()
    folder = story.releases.folder / "wrong"
    shutil.rmtree(folder, ignore_errors=True)
    place = story.releases.keys / trust.PLACE
    vendor = Issuer.kept(place / "authority/development.pem", place / "authority.key", folder / "vendor")
    desk = tampering.Desk(folder, vendor)
    wrong = {}
    for n, (what, (how, code)) in enumerate(tampering.TAMPERED.items(), 1):
        name = f"wrong-{n:02}.raucb"
        wrong[name] = (what, how(desk).replace(folder / name), code)
    assert len(wrong) >= 12
    stick = story.machine.stick("wrong", "WRONG", [path for _, path, _ in wrong.values()], 64)
    cable = story.in_menu()
    story.machine.plug(stick)
    for name, (what, _, code) in wrong.items():
        offered(cable, name)
        cable.type(name)
        said = " ".join(cable.back(seconds=1800).split())
        sentence, hint = REFUSALS[code]
        assert f"Refused: {sentence}" in said and here(hint)[:40] in said, (what, said)
    story.machine.unplug(stick)
    assert re.search(r"slot b\s+-\s+empty", story.status(cable))
    cable.out()


# --- updated ------------------------------------------------------------------------------------------------------


def flowing(story: Story) -> Traffic:
    """The bank's messages, from now on if not before."""
    if "token" not in story.known:
        story.on()
        story.keep(token=api_key(story.known["admin"]))
    if story.traffic is None:
        story.traffic = traffic = Traffic(story)
        wait_for(lambda: len(traffic.accepted) > 2)
    return story.traffic


def test_a_release_is_installed_from_a_stick_while_messages_flow(story: Story, operator: str) -> None:
    """To the other slot; nothing stops."""
    stick = story.machine.stick("right", "RELEASE", [story.releases.made(NEXT, FIRST, 3)], STICK_MIB)
    cable = story.in_menu()
    traffic = flowing(story)
    before = len(traffic.accepted)
    installed(story, cable, stick, NEXT)
    assert len(traffic.accepted) > before + 10
    cable.out()


def test_an_answer_that_comes_too_late_opens_nothing(story: Story) -> None:
    """A quarter of an hour after the challenge, as long as it lives; on the other line it passed meanwhile."""
    other, (at, nonce) = story.left_unanswered()
    time.sleep(max(0, at + codes.LIFE_S + 10 - time.monotonic()))
    other.type(officer("answer", SERIAL, "sign-in", nonce, officers_key(story)).strip())
    other.until("Too late")
    other.until("name: ")


def test_it_is_started_and_proves_itself(story: Story, operator: str) -> None:
    """Restarted by the menu: data is unlocked without anybody, and the health gate finds the release good. Then power goes."""
    cable = story.in_menu()
    traffic = flowing(story)
    story.restarted(cable)
    before = len(traffic.accepted)
    said = story.started()
    assert "making the state volume" not in said and "Recovery key of the state volume" not in said
    assert not re.findall(RECOVERY, said), "the key that was confirmed stays"
    cable = story.in_menu()
    assert re.search(r"slot a\s+0\.1\.0\s+good", story.blessed(cable, NEXT))
    time.sleep(10)  # the boot partition had the renamed entry without its content from second 9 to 39
    story.machine.pull()
    assert f"Version {NEXT}" in story.started()
    cable = story.in_menu()
    story.shows(cable, "link +first: up")
    wait_for(lambda: len(traffic.accepted) > before + 5)
    cable.out()


def test_no_message_was_lost(story: Story, operator: str) -> None:
    if story.traffic is None:
        pytest.skip("needs the step before in the same run")
    story.traffic.ended()
    accepted = story.traffic.accepted
    with story.api() as api:
        for ident in accepted.values():
            wait_for(lambda i=ident: api.get(f"/v1/messages/{i}").json()["status"] == "delivered", 600)
    texts = [row["text"] for row in httpx.get(f"{operator}/received", params={"to": NUMBER, "limit": 10_000}).json()]
    print(f"\n{len(accepted)} accepted, {len(texts)} received")
    missing = [key for key in accepted if f"Payment {key}" not in texts]
    assert not missing, f"{len(missing)} of {len(accepted)} are missing at the handset"


# --- back from what does not work -----------------------------------------------------------------------------------


def test_a_release_whose_engine_never_starts_goes_back_by_itself(story: Story) -> None:
    bundle = story.releases.made(BROKEN, FIRST, 1, without_engine)
    cable = story.in_menu()
    installed(story, cable, story.machine.stick("broken", "BROKEN", [bundle], STICK_MIB), BROKEN)
    story.restarted(cable)
    story.cable = story.machine.switch_on()
    story.machine.ended(READY_S_MAX)  # the gate gives up; the machine starts again
    said = story.started()
    assert f"Version {NEXT}" in said
    said = story.status(story.in_menu())
    assert re.search(rf"{re.escape(BROKEN)}\s+bad", said) and re.search(rf"{re.escape(NEXT)}\s+good\s+\(runs\)", said)
    story.on().out()


def test_a_release_whose_root_is_damaged_goes_back_by_itself(story: Story) -> None:
    """The broken release is tried again by a person, and this time its root on the disk is damaged, too: no start gets as far as its gate."""
    cable = story.in_menu()
    cable.page("slots")
    cable.asked("to leave): ", "again")
    cable.asked("to do it: ", "yes")
    assert "is tried at the next start" in cable.back()
    story.restarted(cable)
    damaged(story.machine.disk, f"casemate_{BROKEN}")
    assert story.panicked(4), "the kernel stops at the first block that is not what was signed"
    cable = story.in_menu()
    assert re.search(rf"{re.escape(BROKEN)}\s+bad", story.status(cable))
    cable.out()


def test_a_release_whose_kernel_panics_goes_back_by_itself(story: Story) -> None:
    """Signed like the others, and its kernel finds no root: two starts that end in a panic, then the release before."""
    bundle = story.releases.made(PANICS, FIRST, 2, initrd=b"no archive\n" * 400)
    cable = story.in_menu()
    installed(story, cable, story.machine.stick("panics", "PANICS", [bundle], STICK_MIB), PANICS)
    story.restarted(cable)
    assert story.panicked(3) == 2, "its two tries"
    cable = story.in_menu()
    said = story.status(cable)
    assert re.search(rf"{re.escape(PANICS)}\s+bad", said) and re.search(rf"{re.escape(NEXT)}\s+good\s+\(runs\)", said)
    cable.out()


def test_power_is_cut_while_a_release_is_written(request: pytest.FixtureRequest, story: Story) -> None:
    """At random moments of the write (`--cuts N`): what ran runs again each time, the other slot is nothing that starts, and can be written whole.

    The machine stands still while what it has on its disk is copied, as a power cut leaves it; then it is switched off, and each copy is switched on,
    two at a time. One cut in five comes while the kernel is written, where the release becomes one that starts."""
    bundle = story.releases.made(LATER, FIRST, 3)
    stick = story.machine.stick("later", "LATER", [bundle], STICK_MIB)
    cable = story.in_menu()
    story.blessed(cable, NEXT)
    since = len(cable.said())
    begun(story, cable, stick, LATER)
    left = []
    for n, more_s in moments(request.config.getoption("--cuts")):
        come(cable, since, n)
        time.sleep(more_s)
        said = TENTH.findall(cable.said()[since:])[-1]
        left.append((story.machine.left_behind(story.machine.folder.parent / f"cut-{len(left)}"), said))
    assert f"Release {LATER} is started next" in cable.back(seconds=3600)
    story.machine.unplug(stick)
    assert re.search(rf"{re.escape(LATER)}\s+written", story.status(cable))
    cable.out()
    story.gone()
    with ThreadPoolExecutor(2) as hands:
        done = [hands.submit(cut, story, folder, said, stick) for folder, said in left]
    print("", *(each.result() for each in done), sep="\n")


def moments(cuts: int) -> list[tuple[int, float]]:
    """Behind which of the lines that tell a tenth, and by how many seconds, in order."""
    chance = random.Random()
    lines = sorted(chance.choice(KERNEL if n % 5 == 0 else ROOT) for n in range(cuts))
    return [(n, chance.uniform(0, 0.05 if n in KERNEL else 1.5)) for n in lines]


def come(cable: Cable, since: int, n: int) -> None:
    """Waits for the n-th line that tells a tenth, from the character `since` on."""
    until = time.monotonic() + 3600
    while len(TENTH.findall(cable.said()[since:])) < n:
        assert time.monotonic() < until, (
            f"line {n} of the write did not come; the end of what did:\n{cable.said()[-2000:]}"
        )
        time.sleep(0.01)


def cut(story: Story, folder: Path, said: str, stick: Path) -> str:
    """A machine as the power cut left it, switched on: the release that ran runs. What it says of its slots. The folder of one that does not stays."""
    machine = Bare(folder, story.machine.tools, story.releases.keys, "")  # no network: it would be twice there
    machine.cores = 1
    (folder / "story.json").write_text(json.dumps(story.known))
    told = Story(machine, story.releases, story.image)
    try:
        told.cable = cable = machine.switch_on()
        runs = cable.until(f"Casemate {NEXT} ", f"Casemate {LATER} ", seconds=READY_S_MAX)
        told.in_menu()  # the state volume is unlocked: the account is on it
        slots = told.status(cable)
        if runs.endswith(f"{LATER} "):  # it was whole when power went: it is tried
            assert said.startswith("writing kernel") and re.search(rf"{re.escape(NEXT)}\s+good\s", slots), (said, slots)
            other = f"{LATER} is tried"
        else:
            assert re.search(rf"{re.escape(NEXT)}\s+good\s+\(runs\)", slots), (said, slots)
            found = re.search(rf"slot [ab]\s+-\s+empty|{re.escape(LATER)}\s+written", slots)
            assert found, (said, slots)
            other = " ".join(found[0].split())
            if folder.name == "cut-0":
                told.shows(cable, "HSM +ready")
                installed(told, cable, stick, LATER)
                assert re.search(rf"{re.escape(LATER)}\s+written", told.status(cable))
                other += f", then written whole in {told.known['write_s']:.0f} s"
    finally:
        machine.pull()
    shutil.rmtree(folder)
    return f"power cut at {said!r}: {other}"


# --- the end --------------------------------------------------------------------------------------------------------


def test_a_factory_reset_leaves_ciphertext_and_a_new_box(story: Story) -> None:
    before = state_begins(story.machine.disk)
    cable = story.in_menu()
    cable.page("reset")
    cable.asked(f"({SERIAL}): ", SERIAL)
    said = cable.back()
    assert "overwritten" in said and "off the table" in said
    story.restarted(cable)
    assert state_begins(story.machine.disk) == 0, "no state volume is on the table"
    with story.machine.disk.open("rb") as disk:
        disk.seek(before)
        assert b"LUKS\xba\xbe" not in disk.read(32 << 20), "neither header nor key slots are left"
    said = story.started()
    assert "making the state volume" in said and "user admin, password" in said
    assert "Type   new" in story.on().name_asked(), "the serial console lets a first account be made again"
