"""Settings of the box itself: its two slots and who may fill them; its serial console; where its backups go, what leaves it with an engineer."""

from __future__ import annotations

from typing import Final

from .setting import Setting

BOX_SETTINGS: Final[tuple[Setting, ...]] = (
    Setting(
        "firmware.disk",
        "path",
        "",
        "disk with the two slots; empty: the one that the appliance's image was started from, if it was",
    ),
    Setting("firmware.esp", "path", "/efi/EFI/Linux", "folder of boot entries on the EFI system partition"),
    Setting("firmware.trust", "path", "/usr/share/casemate/trust", "folder with the authorities of release keys"),
    Setting(
        "firmware.site_trust",
        "path",
        "/efi/casemate",
        "folder with authority/*.pem: who may sign site files, on the medium that the box is started from",
    ),
    Setting("firmware.serial", "str", "", "serial number of this box; empty: what the machine's DMI says"),
    Setting("firmware.certificate", "path", "", "certificate to which bundles of this bank are encrypted"),
    Setting("firmware.key", "str", "", "its key: a file, or a PKCS#11 URI"),
    Setting("firmware.officers", "path", "", "folder with authority/*.pem: the bank's officers who sign bundles"),
    Setting(
        "firmware.officers_needed", "int", 0, "how many of them have to sign a bundle before it is installed", 0, 5
    ),
    Setting("firmware.two_people", "bool", True, "whether one person asks for an installation and another approves it"),
    Setting(
        "firmware.window",
        "str",
        "",
        'hours in which the box may restart by itself, UTC, as "22:00-04:00"; empty: when asked',
    ),
    Setting(
        "firmware.loopback_to",
        "str",
        "",
        "a number of the bank's own that a new release sends a message to before it is good",
    ),
    Setting(
        "firmware.hardware_list",
        "path",
        "",
        "approved firmware of the hardware, as `casemate firmware inventory --json` prints it",
    ),
    Setting(
        "firmware.hardware_trust",
        "path",
        "/usr/share/casemate/trust/hardware",
        "folder with authority/*.pem: who may sign cabinets with firmware of hardware; without one nobody may",
    ),
    Setting("backup.recipients", "strs", [], "age public keys (age1...) that open backups; none: no backups are made"),
    Setting("backup.keep", "int", 7, "backups of each kind that stay on the box", 1, 400),
    Setting(
        "backup.target",
        "str",
        "",
        "where backups are carried to: sftp://USER@HOST[:PORT]/FOLDER or s3://HOST[:PORT]/BUCKET[/FOLDER]; empty: they stay",
    ),
    Setting("backup.s3_key", "path", "", "file with two lines: access key and secret key of the S3 target"),
    Setting("backup.s3_region", "str", "us-east-1", "region of the S3 target; most stores of a bank's own take any"),
    Setting("backup.s3_authority", "path", "", "PEM of who issued the S3 target's certificate; empty: the system's"),
    Setting("backup.sftp_key", "path", "", "private key (OpenSSH) of the user at the target"),
    Setting("backup.sftp_host_key", "str", "", "the target's own key, as ssh-keyscan prints it: TYPE BASE64"),
    Setting(
        "field.idle_minutes", "int", 10, "a session at the serial console ends after so long without a key", 1, 120
    ),
    Setting("field.confirm_s", "int", 120, "seconds to confirm a change of the network before it is undone", 20, 3600),
    Setting("field.breakglass_needed", "int", 1, "officers who have to answer a break-glass challenge", 1, 2),
    Setting("field.breakglass_minutes", "int", 60, "how long a break-glass session lasts", 5, 480),
    Setting(
        "field.lines",
        "strs",
        [],
        "lines that the serial console is on, besides ttyS0, the one that the firmware's SPCR names and a screen: ttyS1, or ttyS1@9600",
    ),
    Setting("field.media", "path", "/run/media/casemate", "folder where a USB stick is mounted"),
    Setting(
        "field.support_certificate",
        "path",
        "",
        "certificate (RSA) to which support bundles are encrypted, as CMS",
    ),
    Setting(
        "field.support_recipients",
        "strs",
        [],
        "age public keys (age1...) to which they are encrypted; with neither of the two none are made",
    ),
)
