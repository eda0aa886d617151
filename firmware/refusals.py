"""Why a bundle, or a cabinet with firmware of hardware, is refused: closed tables, from a code that programs and tests rely on to a sentence and what
a person can do next.

Every hint names something that exists on the box or on the bank's own desk; none says "contact support" and nothing else.
"""

from __future__ import annotations

from typing import Final

#: Code -> (what is wrong, what to do about it).
REFUSALS: Final[dict[str, tuple[str, str]]] = {
    "unreadable": (
        "the file is not a RAUC bundle",
        "copy it anew and compare its SHA-256 with the release's SHA256SUMS",
    ),
    "truncated": (
        "the file is shorter than its own figures say",
        "copy it anew and compare its SHA-256 with SHA256SUMS",
    ),
    "plain_format": (
        "the bundle has the format `plain`, whose content is not tied to its signature block by block",
        "ask for a bundle of the format `verity` or `crypt`",
    ),
    "unsigned": (
        "nobody signed the bundle",
        "install releases as they were published; a bundle of your own needs a signer",
    ),
    "signature_wrong": ("the signature does not match what it is on", "copy the bundle anew from the release"),
    "wrong_signer": (
        "the signer's certificate comes from no authority that this box trusts",
        "compare the fingerprint shown with the one published for the release",
    ),
    "wrong_purpose": (
        "the signer's certificate is not for signing code",
        "ask for a bundle signed with the release key of this year",
    ),
    "signer_early": ("the signer's certificate is not valid yet", "check the clock of this box: `casemate status`"),
    "signer_expired": (
        "the signer's certificate has expired",
        "ask for the same release signed with the key of this year; check the clock of this box",
    ),
    "signer_revoked": ("the signer's certificate was revoked", "do not use this copy; fetch the release anew"),
    "expired": ("the release is past the day until which it may be installed", "fetch a newer release"),
    "manifest_wrong": ("the bundle does not say what a release has to say of itself", "fetch the release anew"),
    "payload_tampered": (
        "the content was changed although the signature is right",
        "do not use this copy nor the medium it came on; fetch the release anew",
    ),
    "wrong_product": ("the bundle is for another product", "look for the bundle of this product in the release"),
    "wrong_hardware": ("the bundle is for other hardware", "look for the bundle of this hardware in the release"),
    "downgrade": (
        "the release is older than what this box runs or has to stay above",
        "to run the release in the other slot again: `casemate firmware rollback`",
    ),
    "same_version": ("this release runs already", "`casemate firmware status` shows what is in each slot"),
    "too_far": (
        "the release cannot be installed over the one that runs",
        "install the release named first, then this one",
    ),
    "replayed": ("this bundle was installed before and failed or was withdrawn", "fetch a newer release"),
    "not_for_us": (
        "the bundle is encrypted and not for the key of this bank",
        "ask for the bundle encrypted to the certificate in `firmware.certificate`",
    ),
    "bank_missing": (
        "the bank has to sign too, and there are not enough signatures of its officers",
        "an officer signs: `python -m firmware approve BUNDLE --key KEY --certificate CERTIFICATE`",
    ),
    "bank_wrong": ("a signature of the bank is not on this bundle", "sign this bundle: `python -m firmware approve`"),
    "bank_stranger": (
        "who signed for the bank is not among its officers",
        "the certificates of `firmware.officers` say who may sign",
    ),
    "bank_expired": ("the bank's approval is past its time", "have it signed anew: `python -m firmware approve`"),
    "bank_other_box": ("the bank's approval is for another box", "have it signed for this serial number"),
    "bank_replayed": ("the bank's approval was used before", "have it signed anew: `python -m firmware approve`"),
}


#: The same for a cabinet with firmware of hardware.
CABINETS: Final[dict[str, tuple[str, str]]] = {
    "cabinet_form": (
        "the file is no cabinet with firmware",
        "copy the vendor's .cab anew and compare its SHA-256 with the vendor's",
    ),
    "cabinet_unsigned": (
        "a file in the cabinet is signed by nobody",
        "take the cabinet as the vendor or LVFS publishes it; one of your own: `jcat-tool sign`",
    ),
    "cabinet_tampered": (
        "the cabinet's content is not what was signed",
        "do not use this copy nor the medium it came on; fetch it anew from the vendor",
    ),
    "cabinet_signer": (
        "the cabinet's signer comes from no authority that this box trusts for hardware",
        "whom the bank trusts is in the folder of `firmware.hardware_trust`: authority/*.pem",
    ),
    "cabinet_revoked": (
        "the certificate of the cabinet's signer was revoked",
        "do not use this copy; fetch it anew from the vendor",
    ),
    "cabinet_device": (
        "no device of this box takes this firmware",
        "compare its name with `casemate firmware inventory`; look for the cabinet of this model",
    ),
    "cabinet_older": (
        "the device has a newer firmware already",
        "`casemate firmware inventory` shows what it has; an older one is not put in its place",
    ),
    "cabinet_same": ("the device has this firmware already", "nothing is to be done: `casemate firmware inventory`"),
    "cabinet_held": (
        "the device does not take firmware now",
        "do what it asks for, then try again: `casemate hardware show FILE` says what holds it",
    ),
    "cabinet_waiting": (
        "the firmware before it waits for a restart",
        "`casemate firmware restart`, then apply this one",
    ),
    "cabinet_other": (
        "the file is not the one that was approved",
        "lay the approved file at its place, or `casemate hardware ask FILE --reason ...` anew",
    ),
    "cabinet_program": (
        "fwupd, which writes firmware to hardware, is not on this machine",
        "it is in the appliance image; on a host of your own: `apt-get install fwupd`",
    ),
    "cabinet_failed": (
        "fwupd did not write it",
        "`casemate firmware inventory` shows what the device has now; `casemate hardware ask` begins anew",
    ),
}


class Refused(Exception):
    """A bundle that is not installed, a cabinet that is not applied: `code` from REFUSALS or CABINETS, `why` more exactly."""

    def __init__(self, code: str, why: str = "") -> None:
        assert code in REFUSALS or code in CABINETS, code
        self.code = code
        self.why = why
        super().__init__(self.sentence)

    @property
    def sentence(self) -> str:
        said = self._row[0]
        return f"{said}: {self.why}" if self.why else said

    @property
    def hint(self) -> str:
        return self._row[1]

    @property
    def _row(self) -> tuple[str, str]:
        return REFUSALS.get(self.code) or CABINETS[self.code]
