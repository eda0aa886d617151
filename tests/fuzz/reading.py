"""An input as a tape that decisions are read from. The same tape gives the same run, with atheris and without."""

from __future__ import annotations

from appliance.smpp import spec

COMMANDS = sorted(spec.COMMANDS)


class Tape:
    """Octets read from the front; at its end it gives zeros."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._octets)

    def octet(self) -> int:
        at = self._at
        self._at = at + 1
        return self._octets[at] if at < len(self._octets) else 0

    def take(self, count: int) -> bytes:
        at = self._at
        self._at = at + count
        return self._octets[at : at + count]

    def piece(self) -> bytes:
        """A count, then so many octets."""
        return self.take(self.octet())

    def rest(self) -> bytes:
        return self.take(max(0, len(self._octets) - self._at))

    def frame(self, sequences: list[int]) -> bytes:
        """A well-framed PDU: one of the known commands (or any), a likely status, one of `sequences` (or any), any body."""
        n = self.octet()
        command = COMMANDS[n] if n < len(COMMANDS) else n << 24 | self.octet()
        status = self.octet()
        n = self.octet()
        sequence = sequences[n] if n < len(sequences) else n * 0x01010101 if n > 200 else n
        body = self.piece()
        return b"".join(k.to_bytes(4, "big") for k in (16 + len(body), command, status, sequence)) + body
