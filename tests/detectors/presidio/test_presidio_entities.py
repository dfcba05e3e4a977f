"""Each recognizer finds its entity, all of it, and leaves what only resembles it: in the manner of Presidio's own examples."""

from __future__ import annotations

from functools import cache

import pytest

from guard.detectors.presidio import detector
from guard.detectors.presidio.detector import PresidioDetector
from guard.detectors.presidio.entities import RECOGNIZERS, category_of
from guard.values import Item

pytest.importorskip("presidio_analyzer")

FOUND = [
    ("EMAIL_ADDRESS", "info@presidio.site", "info@presidio.site"),
    ("EMAIL_ADDRESS", "my email address is info@presidio.site", "info@presidio.site"),
    ("EMAIL_ADDRESS", "try anton.banderos+news@mail.co.uk, please", "anton.banderos+news@mail.co.uk"),
    ("EMAIL_ADDRESS", "<o'neil_1@sub.domain.example.org>", "o'neil_1@sub.domain.example.org"),
    ("EMAIL_ADDRESS", "user@xn--80ak6aa92e.com wrote", "user@xn--80ak6aa92e.com"),
    ("PHONE_NUMBER", "My US number is (415) 555-0132, and no other", "(415) 555-0132"),
    ("PHONE_NUMBER", "_: +1 (425) 882 9090", "+1 (425) 882 9090"),
    ("PHONE_NUMBER", "ring 020 7946 0958 in London", "020 7946 0958"),
    ("PHONE_NUMBER", "or +49 30 901820 in Berlin", "+49 30 901820"),
    ("PHONE_NUMBER", "ou +33 1 42 68 53 00 à Paris", "+33 1 42 68 53 00"),
    ("PHONE_NUMBER", "+91 98765 43210", "+91 98765 43210"),
    ("PHONE_NUMBER", "+972 3 632 1100", "+972 3 632 1100"),
    ("CREDIT_CARD", "4012888888881881", "4012888888881881"),
    ("CREDIT_CARD", "my card: 4012-8888-8888-1881", "4012-8888-8888-1881"),
    ("CREDIT_CARD", "card 4012 8888 8888 1881.", "4012 8888 8888 1881"),
    ("CREDIT_CARD", "Amex 371449635398431", "371449635398431"),
    ("CREDIT_CARD", "Mastercard 5555555555554444", "5555555555554444"),
    ("CREDIT_CARD", "Diners 30569309025904", "30569309025904"),
    ("CREDIT_CARD", "Discover 6011000400000000", "6011000400000000"),
    ("CREDIT_CARD", "JCB 3528000700000000", "3528000700000000"),
    ("IBAN_CODE", "AL47212110090000000235698741", "AL47212110090000000235698741"),
    ("IBAN_CODE", "AD12 0001 2030 2003 5910 0100", "AD12 0001 2030 2003 5910 0100"),
    ("IBAN_CODE", "AT611904300234573201", "AT611904300234573201"),
    ("IBAN_CODE", "BE68539007547034", "BE68539007547034"),
    ("IBAN_CODE", "BR9700360305000010009795493P1", "BR9700360305000010009795493P1"),
    ("IBAN_CODE", "CH93 0076 2011 6238 5295 7", "CH93 0076 2011 6238 5295 7"),
    ("IBAN_CODE", "CZ6508000000192000145399", "CZ6508000000192000145399"),
    ("IBAN_CODE", "the account DE89 3704 0044 0532 0130 00 is mine", "DE89 3704 0044 0532 0130 00"),
    ("IBAN_CODE", "DK5000400440116243", "DK5000400440116243"),
    ("IBAN_CODE", "ES9121000418450200051332", "ES9121000418450200051332"),
    ("IBAN_CODE", "FI2112345600000785", "FI2112345600000785"),
    ("IBAN_CODE", "FR14 2004 1010 0505 0001 3M02 606", "FR14 2004 1010 0505 0001 3M02 606"),
    ("IBAN_CODE", "GB29 NWBK 6016 1331 9268 19", "GB29 NWBK 6016 1331 9268 19"),
    ("IBAN_CODE", "GR1601101250000000012300695", "GR1601101250000000012300695"),
    ("IBAN_CODE", "IE29AIBK93115212345678", "IE29AIBK93115212345678"),
    ("IBAN_CODE", "IT60X0542811101000000123456", "IT60X0542811101000000123456"),
    ("IBAN_CODE", "MT84MALT011000012345MTLCAST001S", "MT84MALT011000012345MTLCAST001S"),
    ("IBAN_CODE", "NL91ABNA0417164300", "NL91ABNA0417164300"),
    ("IBAN_CODE", "NO9386011117947", "NO9386011117947"),
    ("IBAN_CODE", "PL61109010140000071219812874", "PL61109010140000071219812874"),
    ("IBAN_CODE", "SA0380000000608010167519", "SA0380000000608010167519"),
    ("IBAN_CODE", "SE4550000000058398257466", "SE4550000000058398257466"),
    ("IP_ADDRESS", "microsoft.com 192.168.0.1", "192.168.0.1"),
    ("IP_ADDRESS", "my ip: 192.168.0", None),
    ("IP_ADDRESS", "from 684D:1111:222:3333:4444:5555:6:77 today", "684D:1111:222:3333:4444:5555:6:77"),
    ("IP_ADDRESS", "2001:db8::8a2e:370:7334", "2001:db8::8a2e:370:7334"),
    ("IP_ADDRESS", "684D:1111:222:3333:4444:5555:77", None),
    ("MAC_ADDRESS", "adapter 00:1A:2B:3C:4D:5E", "00:1A:2B:3C:4D:5E"),
    ("MAC_ADDRESS", "adapter 00-1A-2B-3C-4D-5E", "00-1A-2B-3C-4D-5E"),
    ("CRYPTO", "16Yeky6GMjeNkAiNcBY7ZhrLoMSgg1BoyZ", "16Yeky6GMjeNkAiNcBY7ZhrLoMSgg1BoyZ"),
    ("CRYPTO", "to bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq now", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"),
    ("US_SSN", "my ssn is 078-05-1123", "078-05-1123"),
    ("US_SSN", "078.05.1123", "078.05.1123"),
    ("US_ITIN", "911-70-1234", "911-70-1234"),
    ("US_ITIN", "my taxpayer id is 911-701234", "911-701234"),
    ("US_PASSPORT", "my passport number is 912803456", "912803456"),
    ("US_PASSPORT", "passport A12803456", "A12803456"),
    ("US_DRIVER_LICENSE", "my driver license is H12234567", "H12234567"),
    ("US_BANK_NUMBER", "my bank account number is 945456787654", "945456787654"),
    ("UK_NHS", "401-023-2137", "401-023-2137"),
    ("UK_NHS", "NHS number 221 395 1837", "221 395 1837"),
    ("UK_NHS", "0032698674", "0032698674"),
    ("UK_NINO", "nino AA 12 34 56 B", "AA 12 34 56 B"),
    ("MEDICAL_LICENSE", "my medical license is BB1388568", "BB1388568"),
    ("DATE_TIME", "born 5-20-2021", "5-20-2021"),
    ("DATE_TIME", "on 2021-05-21 at last", "2021-05-21"),
    ("DATE_TIME", "on 21.5.2021", "21.5.2021"),
    ("DATE_TIME", "since 2022-02-19T17:17:25Z", "2022-02-19T17:17:25Z"),
    ("URL", "see https://www.microsoft.com/a?b=c now", "https://www.microsoft.com/a?b=c"),
    ("URL", "my domains: microsoft.com, and", "microsoft.com"),
    ("UUID", "id 550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440000"),
    ("ES_NIF", "55555555K", "55555555K"),
    ("IT_FISCAL_CODE", "MRTMTT91D08F205J", "MRTMTT91D08F205J"),
    ("PL_PESEL", "11111111116", "11111111116"),
    ("DE_TAX_ID", "86095742719", "86095742719"),
    ("IN_PAN", "AAASA1111R", "AAASA1111R"),
    ("SG_NRIC_FIN", "S2740116C", "S2740116C"),
    ("AU_ABN", "51824753556", "51824753556"),
]
LEFT = [
    ("EMAIL_ADDRESS", "my email address is info@presidio."),
    ("EMAIL_ADDRESS", "info@presidio.nonesuch"),
    ("EMAIL_ADDRESS", "array @ matrix"),
    ("PHONE_NUMBER", "room 12, floor 3"),
    ("PHONE_NUMBER", "2021-05-21"),
    ("CREDIT_CARD", "4012-8888-8888-1882"),
    ("CREDIT_CARD", "1234 5678 9012 3456"),
    ("IBAN_CODE", "AL47212110090000000235698740"),
    ("IBAN_CODE", "DE89 3704 0044 0532 0130 01"),
    ("IBAN_CODE", "XX6119043002345732"),
    ("IP_ADDRESS", "1.2.3"),
    ("IP_ADDRESS", "999.1.1.1"),
    ("CRYPTO", "16Yeky6GMjeNkAiNcBY7ZhrLoMSgg1BoyZ2"),
    ("CRYPTO", "8f953371d3e85eddb89b05ed6b9e680791055315c73e1025ab5dba7bb2aee189"),
    ("US_SSN", "078-05-1120"),
    ("US_SSN", "666-05-1123"),
    ("US_SSN", "000-00-0000"),
    ("US_ITIN", "911-89-1234"),
    ("US_DRIVER_LICENSE", "C12T345672"),
    ("UK_NHS", "401-023-2138"),
    ("MEDICAL_LICENSE", "BB1388569"),
    ("DATE_TIME", "5.20"),
    ("URL", "www.microsoft"),
    ("URL", "an end.A start"),
    ("ES_NIF", "401-023-2138"),
    ("PL_PESEL", "11111111114"),
    ("MAC_ADDRESS", "00:1A:2B:3C:4D"),
]


@cache
def looking_for(entity: str) -> PresidioDetector:
    return detector.make("own", {"entities": [entity]})


def found(entity: str, text: str) -> list[str]:
    [findings] = looking_for(entity).detect([Item(text)])
    assert {finding.category for finding in findings} <= {category_of(entity, {})}
    return [text[finding.span.start : finding.span.end] for finding in findings if finding.span]


@pytest.mark.parametrize(("entity", "text", "part"), [case for case in FOUND if case[2]])
def test_an_entity_is_found_whole(entity: str, text: str, part: str):
    assert part in found(entity, text)


@pytest.mark.parametrize(("entity", "text"), [*LEFT, *((entity, text) for entity, text, part in FOUND if not part)])
def test_what_only_resembles_an_entity_is_left(entity: str, text: str):
    assert found(entity, text) == []


def test_the_table_of_recognizers_is_presidios():
    import presidio_analyzer
    import yaml
    from presidio_analyzer import predefined_recognizers

    path = presidio_analyzer.__path__[0] + "/conf/default_recognizers.yaml"
    with open(path, encoding="utf-8") as file:
        known = {entry["name"]: entry for entry in yaml.safe_load(file)["recognizers"]}
    remote = {"HuggingFaceNerRecognizer", "BasicLangExtractRecognizer"}
    assert {one.name for one in RECOGNIZERS.values()} == known.keys() - remote
    for entity, one in RECOGNIZERS.items():
        assert getattr(predefined_recognizers, one.name)().supported_entities == [entity]
        assert one.named == (not known[one.name].get("enabled", True))
        if not one.named and entity != "CREDIT_CARD":
            assert list(one.languages) == known[one.name].get("supported_languages", [])


def test_words_nearby_raise_a_score():
    bare, near = (looking_for("US_SSN").detect([Item(text)])[0][0].score for text in ("078.05.1123", "my ssn is 078.05.1123"))
    assert near > bare
    assert near >= 0.4
