"""HOT: the two ways a receipt's body says it: the text of Appendix B in all its variants, and comma-separated fields.

Only takes apart; what the parts mean is `receipt`'s. Never raises for what is heard.
"""

from __future__ import annotations

from typing import Final

from .fast import Deliver

WORD_CHARACTERS_MAX: Final = 16
_KEYS: Final = (" sub:", " dlvrd:", " submit date:", " done date:", " stat:", " err:")
_CSV_FIELDS_MIN: Final = 6
_CSV_NUMBER_DIGITS_MAX: Final = 20
_BOM: Final = b"\xfe\xff"
_UCS2_BEGINS: Final = (b"\0", b"\xfe")


#: What a body says, each "" when absent: the message id, the word in upper case, the error, when the operator accepted
#: the message and was done with it (as written there), the text, and, in a form that names them, the handset's number
#: and our sender. A plain tuple: thousands a second.
Said = tuple[str, str, str, str, str, str, str, str]
NOTHING: Final[Said] = ("", "", "", "", "", "", "", "")


def body_text(deliver: Deliver) -> str:
    """The body as characters; UCS-2 when data_coding says so, or when every other octet of its beginning is zero."""
    body = deliver.short_message
    if body[:1] in _UCS2_BEGINS:
        if body[:2] == _BOM:
            return str(body[2:], "utf-16-be", "replace")
        if deliver.data_coding & 0xFC == 0x08 or (body[:1] == body[2:3] == b"\0" and body[1:2] != b"\0"):
            return str(body, "utf-16-be", "replace")
    return str(body, "latin-1")


def read_text(whole: str, free_id: bool) -> Said:
    """The text form of Appendix B. `free_id`: blanks may stand within the id, which ends where the next key begins."""
    # The message's own words stand in the text at the end: nothing in there may pass for a part of the receipt.
    at = _text_at(whole)
    head, text = (whole[:at], whole[at + 5 :]) if at >= 0 else (whole, "")
    if not free_id and (said := usual(head, text)) is not None:
        return said
    stat = _after(head, "stat:")
    message_id = _after(head, "id:")
    if not message_id or not stat or "  " in head or "_date:" in head or not head.isprintable():
        head = _plain(head)
        message_id, stat = _after(head, "id:"), _after(head, "stat:")
    if free_id:
        message_id = _free(head)
    stat = stat[:WORD_CHARACTERS_MAX].upper()
    dates = _after(head, "submit date:"), _after(head, "done date:")
    return message_id, stat, _after(head, "err:"), *dates, text, "", ""


def usual(head: str, text: str) -> Said | None:
    """The form of Appendix B word for word; None for any other, which is then looked at more slowly."""
    words = head.split(" ")
    if len(words) < 9 or not head.isprintable():
        return None
    message_id, sub, dlvrd, submit, accepted, done, at, stat, error = words[:9]
    if (
        message_id[:3] == "id:"
        and sub[:4] == "sub:"
        and dlvrd[:6] == "dlvrd:"
        and submit == "submit"
        and done == "done"
        and accepted[:5] == at[:5] == "date:"
        and stat[:5] == "stat:"
        and error[:4] == "err:"
        and message_id != "id:"
        and stat != "stat:"
    ):
        word = stat[5 : 5 + WORD_CHARACTERS_MAX].upper()
        return message_id[3:], word, error[4:], accepted[5:], at[5:], text, "", ""
    return None


def read_csv(whole: str) -> Said | None:
    """`STATUS,STATUS TS,ACCEPTED TS,ERR,DEST,ORIG,...`: there is no message id in it. None when it is not that."""
    fields = [field.strip() for field in whole.split(",")]
    if len(fields) < _CSV_FIELDS_MIN:
        return None
    stat, done, accepted, error, handset, sender = fields[:_CSV_FIELDS_MIN]
    digits = handset.removeprefix("+")
    if not stat or not all(not f or (f.isascii() and f.isdigit()) for f in (done, accepted)):
        return None
    if not digits.isascii() or not digits.isdigit() or len(digits) > _CSV_NUMBER_DIGITS_MAX:
        return None
    return "", stat[:WORD_CHARACTERS_MAX].upper(), error, accepted, done, "", handset, sender


def _text_at(whole: str) -> int:
    """Where the text's key begins, -1 without one: after the other keys, whatever its case, at the start of a word."""
    at = whole.find(" text:")
    if at >= 0 and whole.find("ext:", 0, at) < 0:
        return at + 1
    at = -1
    while (at := whole.find(":", at + 1)) >= 0:
        if whole[max(at - 4, 0) : at].lower() == "text" and not whole[at - 5 : at - 4].isalnum():
            return at - 4
    return -1


def _after(head: str, key: str) -> str:
    """The characters after `key` to the next blank; `key` is at the start or after a blank, so `mid:` is not `id:`."""
    at = head.find(key)
    while at > 0 and head[at - 1] != " ":
        at = head.find(key, at + 1)
    if at < 0:
        return ""
    begin = at + len(key)
    end = head.find(" ", begin)
    return head[begin:] if end < 0 else head[begin:end]


def _free(head: str) -> str:
    """The id with whatever stands around it, up to the next key."""
    at = head.find("id:")
    while at > 0 and head[at - 1] != " ":
        at = head.find("id:", at + 1)
    if at < 0:
        return ""
    ends = [end for key in _KEYS if (end := head.find(key, at)) >= 0]
    return head[at + 3 : min(ends, default=len(head))].strip()


def _plain(head: str) -> str:
    """The same with control characters as blanks, keys in lower case, no blank after a colon; for the odd receipt."""
    words = "".join(c if c.isprintable() else " " for c in head).replace("_date:", " date:").split()
    out: list[str] = []
    for word in words:
        key, colon, value = word.partition(":")
        if out and out[-1].endswith(":") and not colon:
            out[-1] += word
        elif colon or not out:
            out.append(key.lower() + colon + value)
        else:
            out.append(word if word.lower() not in ("submit", "done") else word.lower())
    return " ".join(out)
