"""The image for virtual machines: qcow2 (KVM), and OVA (OVF 1.1, DSP0243: VMware and those that import it). Made from the raw one by qemu-img.

Both disks are larger than the raw image, so that the first start has room for the state volume; they take no more space than the raw one. An OVA asks
for UEFI with Secure Boot. A TPM 2.0 is the host's to add: a package cannot carry one.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import xml.etree.ElementTree as Xml
from pathlib import Path
from typing import Any, Final

from image.debian import sha256_of
from image.recipe import Fault
from image.running import output_of

DISK_GIB: Final = 32
MEMORY_MIB: Final = 4096
PROCESSORS: Final = 2
OVF: Final = "http://schemas.dmtf.org/ovf/envelope/1"
RASD: Final = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
VSSD: Final = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
VMW: Final = "http://www.vmware.com/schema/ovf"
STREAM: Final = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"
#: CIM_ResourceAllocationSettingData.ResourceType
PROCESSOR, MEMORY, SCSI, ETHERNET, DISK = 3, 4, 6, 10, 17


def qcow2(raw: Path) -> Path:
    """Beside the raw image, compressed. Raises Fault."""
    out = raw.with_suffix(".qcow2")
    _qemu("convert", "-f", "raw", "-O", "qcow2", "-c", "-o", "compat=1.1", str(raw), str(out))
    _qemu("resize", "-q", "-f", "qcow2", str(out), f"{DISK_GIB}G")
    if _said(out)["virtual-size"] != DISK_GIB << 30:
        raise Fault(f"{out.name} has another size than it was given")
    return out


def ova(raw: Path, version: str, epoch: int, source: Path | None = None) -> Path:
    """Beside the raw image, from its qcow2. Raises Fault."""
    source, own = (source, False) if source is not None else (qcow2(raw), True)
    disk, out = raw.with_suffix(".vmdk"), raw.with_suffix(".ova")
    _qemu(
        "convert",
        "-f",
        "qcow2",
        "-O",
        "vmdk",
        "-o",
        "subformat=streamOptimized,adapter_type=lsilogic",
        str(source),
        str(disk),
    )
    text = envelope(raw.stem, version, disk.name, disk.stat().st_size)
    wrong = faults(text, {disk.name: disk.stat().st_size})
    if wrong:
        raise Fault(f"the OVF descriptor is wrong: {'; '.join(wrong)}")
    descriptor = text.encode("utf-8")
    name = f"{raw.stem}.ovf"
    manifest = f"SHA256({name})= {hashlib.sha256(descriptor).hexdigest()}\nSHA256({disk.name})= {sha256_of(disk)}\n"
    with tarfile.open(
        out, "w", format=tarfile.USTAR_FORMAT
    ) as tar:  # DSP0243 5.3: the descriptor first, then the manifest
        for entry, octets in ((name, descriptor), (f"{raw.stem}.mf", manifest.encode("ascii"))):
            row = _row(entry, len(octets), epoch)
            tar.addfile(row, io.BytesIO(octets))
        with disk.open("rb") as file:
            tar.addfile(_row(disk.name, disk.stat().st_size, epoch), file)
    disk.unlink()
    if own:
        source.unlink()
    return out


def _row(name: str, octets: int, epoch: int) -> tarfile.TarInfo:
    row = tarfile.TarInfo(name)
    row.size, row.mtime, row.mode = octets, epoch, 0o644
    return row


def _qemu(*words: str) -> str:
    try:
        return output_of(["qemu-img", *words])
    except FileNotFoundError:
        raise Fault("qemu-img is not installed", "Debian's package is qemu-utils") from None


def _said(path: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(_qemu("info", "--output=json", str(path)))
    return said


# --- the descriptor ---------------------------------------------------------------------------------------------


def envelope(name: str, version: str, disk: str, octets: int) -> str:
    """The OVF descriptor of one machine with one disk. Pure."""
    rows = [
        _item(1, f"{PROCESSORS} processors", PROCESSOR, AllocationUnits="hertz * 10^6", VirtualQuantity=PROCESSORS),
        _item(2, f"{MEMORY_MIB} MiB of memory", MEMORY, AllocationUnits="byte * 2^20", VirtualQuantity=MEMORY_MIB),
        _item(3, "SCSI controller", SCSI, Address=0, ResourceSubType="VirtualSCSI"),
        _item(4, "Disk", DISK, AddressOnParent=0, HostResource="ovf:/disk/system", Parent=3),
        _item(
            5, "Network card", ETHERNET, AutomaticAllocation="true", Connection="management", ResourceSubType="VmxNet3"
        ),
    ]
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="{OVF}" xmlns:ovf="{OVF}" xmlns:rasd="{RASD}" xmlns:vssd="{VSSD}" xmlns:vmw="{VMW}">
  <References>
    <File ovf:id="file1" ovf:href="{disk}" ovf:size="{octets}"/>
  </References>
  <DiskSection>
    <Info>The system's disk; its state volume is made at the first start</Info>
    <Disk ovf:diskId="system" ovf:fileRef="file1" ovf:capacity="{DISK_GIB}" ovf:capacityAllocationUnits="byte * 2^30" ovf:format="{STREAM}"/>
  </DiskSection>
  <NetworkSection>
    <Info>The bank's own network</Info>
    <Network ovf:name="management"><Description>API, console and operators</Description></Network>
  </NetworkSection>
  <VirtualSystem ovf:id="{name}">
    <Info>Casemate {version}</Info>
    <Name>{name}</Name>
    <ProductSection>
      <Info>What it is</Info>
      <Product>Casemate</Product>
      <Version>{version}</Version>
    </ProductSection>
    <OperatingSystemSection ovf:id="96" vmw:osType="debian12_64Guest">
      <Info>Debian, 64 bit</Info>
    </OperatingSystemSection>
    <VirtualHardwareSection>
      <Info>UEFI with Secure Boot; a TPM 2.0 is to be added by the host</Info>
      <System>
        <vssd:ElementName>Virtual hardware</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>{name}</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>vmx-19</vssd:VirtualSystemType>
      </System>
{"".join(rows)}      <vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="efi"/>
      <vmw:Config ovf:required="false" vmw:key="bootOptions.efiSecureBootEnabled" vmw:value="true"/>
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
"""


def _item(number: int, name: str, kind: int, **more: str | int) -> str:
    """The elements stand in alphabetical order, as the schema of RASD has them."""
    fields = {"ElementName": name, "InstanceID": number, "ResourceType": kind, **more}
    lines = "".join(f"        <rasd:{key}>{fields[key]}</rasd:{key}>\n" for key in sorted(fields))
    return f"      <Item>\n{lines}      </Item>\n"


def faults(text: str, files: dict[str, int]) -> list[str]:
    """What DSP0243 asks for and the descriptor has not: references that lead nowhere, sizes that differ, sections and elements out of order."""
    root, out = Xml.fromstring(text), list[str]()
    space = {"o": OVF, "r": RASD}
    order = [child.tag for child in root]
    if order != [f"{{{OVF}}}{n}" for n in ("References", "DiskSection", "NetworkSection", "VirtualSystem")]:
        out.append("the sections are not in their order")
    known = {f.get(f"{{{OVF}}}id"): f for f in root.findall("o:References/o:File", space)}
    sizes = {f.get(f"{{{OVF}}}href"): int(f.get(f"{{{OVF}}}size") or -1) for f in known.values()}
    if sizes != files:
        out.append("the files are not those that are there")
    disks = root.findall("o:DiskSection/o:Disk", space)
    out += ["a disk is of no file" for d in disks if d.get(f"{{{OVF}}}fileRef") not in known]
    networks = {n.get(f"{{{OVF}}}name") for n in root.findall("o:NetworkSection/o:Network", space)}
    items = root.findall("o:VirtualSystem/o:VirtualHardwareSection/o:Item", space)
    numbers = [i.findtext("r:InstanceID", "", space) for i in items]
    if len(set(numbers)) != len(numbers):
        out.append("two items have one number")
    for item in items:
        tags = [child.tag for child in item]
        if tags != sorted(tags):
            out.append("an item's elements are not in their order")
        if item.findtext("r:Parent", numbers[0], space) not in numbers:
            out.append("an item belongs to none")
        if item.findtext("r:Connection", "management", space) not in networks:
            out.append("a card is in no network")
        host = item.findtext("r:HostResource", "", space)
        if host and host not in {f"ovf:/disk/{d.get(f'{{{OVF}}}diskId')}" for d in disks}:
            out.append("a disk item is of no disk")
    return out + ["every section has an Info" for s in root[1:] if s.find("o:Info", space) is None]
