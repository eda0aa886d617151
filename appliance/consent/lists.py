"""Words with which customers ask to be left alone, to be written to again, or for help: by country and language, with sources.

Sources: FCC 47 CFR 64.1200(a)(10) (per-se revocations); CTIA Messaging Principles and Best Practices; the default lists of
twilio.com/docs/messaging/tutorials/advanced-opt-out and docs.aws.amazon.com/sms-voice/latest/userguide/keywords-required.html.
The words of other languages are what programmes there usually print beside "reply ... to stop"; a bank adds its own.
"""

from __future__ import annotations

from typing import Final, NamedTuple

STOP, STOP_ALL, START, HELP = ACTIONS = ("stop", "stop_all", "start", "help")


class Words(NamedTuple):
    """One list. `country` and `language` are "" where the list holds everywhere."""

    source: str
    country: str  # ISO 3166, of the number that a customer writes from
    language: str  # BCP 47
    action: str
    words: tuple[str, ...]


LISTS: Final[tuple[Words, ...]] = (
    Words("FCC", "US", "en", STOP, ("stop", "quit", "end", "revoke", "opt out", "cancel", "unsubscribe")),
    Words("CTIA", "", "en", STOP, ("stop", "end", "cancel", "unsubscribe", "quit")),
    Words("CTIA", "", "en", STOP_ALL, ("stop all",)),
    Words("CTIA", "", "en", HELP, ("help", "info")),
    Words("Twilio", "", "en", STOP, ("stop", "unsubscribe", "end", "quit", "revoke", "optout", "cancel")),
    Words("Twilio", "", "en", STOP_ALL, ("stopall",)),
    Words("Twilio", "", "en", START, ("start", "unstop", "yes")),
    Words("AWS", "", "en", STOP, ("arret", "opt-out", "remove", "td")),
    Words(
        "usual",
        "",
        "it",
        STOP,
        ("basta", "ferma", "fermare", "cancella", "cancellami", "disiscrivi", "disdici", "revoca"),
    ),
    Words("usual", "", "it", START, ("inizia", "attiva", "iscrivi", "si")),
    Words("usual", "", "it", HELP, ("aiuto", "assistenza")),
    Words("usual", "", "de", STOP, ("stopp", "abmelden", "abbestellen", "ende", "beenden", "widerruf")),
    Words("usual", "", "de", START, ("anmelden", "ja")),
    Words("usual", "", "de", HELP, ("hilfe",)),
    Words("usual", "", "fr", STOP, ("arrêt", "arrêter", "désabonner", "désinscrire", "fin", "résilier", "annuler")),
    Words("usual", "", "fr", START, ("reprendre", "oui")),
    Words("usual", "", "fr", HELP, ("aide",)),
    Words("usual", "", "es", STOP, ("alto", "baja", "parar", "cancelar", "fin", "salir", "no más")),
    Words("usual", "", "es", START, ("alta", "iniciar", "sí")),
    Words("usual", "", "es", HELP, ("ayuda",)),
    Words("usual", "", "pt", STOP, ("parar", "pare", "sair", "cancelar", "remover", "fim")),
    Words("usual", "", "pt", START, ("iniciar", "voltar", "sim")),
    Words("usual", "", "pt", HELP, ("ajuda",)),
    Words("usual", "", "nl", STOP, ("stoppen", "afmelden", "uitschrijven", "einde")),
    Words("usual", "", "nl", START, ("aanmelden", "ja")),
    Words("usual", "", "nl", HELP, ("hulp",)),
    Words("usual", "", "pl", STOP, ("rezygnuję", "rezygnacja", "anuluj", "koniec", "wypisz")),
    Words("usual", "", "pl", START, ("tak",)),
    Words("usual", "", "pl", HELP, ("pomoc",)),
    Words("usual", "", "cs", STOP, ("zrušit", "odhlásit", "konec")),
    Words("usual", "", "ro", STOP, ("renunț", "dezabonare", "opriți")),
    Words("usual", "", "hu", STOP, ("leiratkozás", "leállítás")),
    Words("usual", "", "sv", STOP, ("stoppa", "avsluta", "avregistrera")),
    Words("usual", "", "da", STOP, ("afmeld", "slut")),
    Words("usual", "", "nb", STOP, ("stopp", "avmeld", "slutt")),
    Words("usual", "", "fi", STOP, ("lopeta", "peru")),
    Words("usual", "", "el", STOP, ("στοπ", "διακοπή", "τέλος", "διαγραφή")),
    Words("usual", "", "el", START, ("έναρξη", "ναι")),
    Words("usual", "", "el", HELP, ("βοήθεια",)),
    Words("usual", "", "tr", STOP, ("dur", "iptal", "ret", "çık")),
    Words("usual", "", "tr", START, ("başla", "onay", "evet")),
    Words("usual", "", "tr", HELP, ("yardım",)),
    Words("usual", "", "ru", STOP, ("стоп", "отписаться", "отмена", "отказ")),
    Words("usual", "", "ru", START, ("старт", "да")),
    Words("usual", "", "ru", HELP, ("помощь",)),
    Words("usual", "", "uk", STOP, ("стоп", "відписатися", "відмова")),
    Words("usual", "", "bg", STOP, ("стоп", "отказ", "край")),
    Words("usual", "", "ar", STOP, ("توقف", "إيقاف", "ايقاف", "الغاء", "إلغاء", "قف")),
    Words("usual", "", "ar", START, ("ابدأ", "نعم")),
    Words("usual", "", "ar", HELP, ("مساعدة",)),
    Words("usual", "", "he", STOP, ("הסר", "הסרה", "עצור", "הפסק")),
    Words("usual", "", "hi", STOP, ("रोकें", "बंद", "बंद करें")),
    Words("usual", "", "hi", HELP, ("मदद", "सहायता")),
    Words("usual", "", "zh", STOP, ("退订", "退訂", "停止", "取消")),
    Words("usual", "", "zh", HELP, ("帮助", "幫助")),
    Words("usual", "", "ja", STOP, ("停止", "配信停止", "解除", "ストップ")),
    Words("usual", "", "ko", STOP, ("수신거부", "중지", "해지")),
    Words("usual", "", "vi", STOP, ("dừng", "hủy")),
    Words("usual", "", "id", STOP, ("berhenti", "batal")),
    Words("usual", "", "th", STOP, ("หยุด", "ยกเลิก")),
)

#: Words that in a sentence, too, are worth a person's look: they hardly ever mean anything else.
TELLING: Final = frozenset(
    {"stop", "stopp", "unsubscribe", "opt", "optout", "revoke", "abmelden", "abbestellen", "disiscrivi", "désabonner", "désinscrire",
     "baja", "uitschrijven", "afmelden", "стоп", "отписаться", "στοπ", "退订", "停止", "रोकें", "توقف", "הסר", "iptal", "basta"}
)  # fmt: skip
