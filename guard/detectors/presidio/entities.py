"""What Presidio can find, by its own names, and which category of Tenet's each is. Written down, so that nothing is imported."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recognizer:
    """What finds an entity in Presidio.

    Attributes:
        name: Its class.
        named: Whether it is used only where the policy names its entity.
        languages: Those in which Presidio uses it unasked; all where empty. An entity that a policy names is looked for in any.
    """

    name: str
    named: bool = False
    languages: tuple[str, ...] = ()


RECOGNIZERS: Mapping[str, Recognizer] = {
    "CREDIT_CARD": Recognizer("CreditCardRecognizer"),
    "CRYPTO": Recognizer("CryptoRecognizer"),
    "DATE_TIME": Recognizer("DateRecognizer"),
    "EMAIL_ADDRESS": Recognizer("EmailRecognizer"),
    "ES_NIE": Recognizer("EsNieRecognizer", languages=("es",)),
    "ES_NIF": Recognizer("EsNifRecognizer", languages=("es",)),
    "IBAN_CODE": Recognizer("IbanRecognizer"),
    "IP_ADDRESS": Recognizer("IpRecognizer"),
    "IT_DRIVER_LICENSE": Recognizer("ItDriverLicenseRecognizer", languages=("it",)),
    "IT_FISCAL_CODE": Recognizer("ItFiscalCodeRecognizer", languages=("it",)),
    "IT_IDENTITY_CARD": Recognizer("ItIdentityCardRecognizer", languages=("it",)),
    "IT_PASSPORT": Recognizer("ItPassportRecognizer", languages=("it",)),
    "IT_VAT_CODE": Recognizer("ItVatCodeRecognizer", languages=("it",)),
    "MAC_ADDRESS": Recognizer("MacAddressRecognizer"),
    "MEDICAL_LICENSE": Recognizer("MedicalLicenseRecognizer"),
    "PHONE_NUMBER": Recognizer("PhoneRecognizer"),
    "PL_PESEL": Recognizer("PlPeselRecognizer", languages=("pl",)),
    "UK_NHS": Recognizer("NhsRecognizer", languages=("en",)),
    "URL": Recognizer("UrlRecognizer"),
    "US_BANK_NUMBER": Recognizer("UsBankRecognizer", languages=("en",)),
    "US_DRIVER_LICENSE": Recognizer("UsLicenseRecognizer", languages=("en",)),
    "US_ITIN": Recognizer("UsItinRecognizer", languages=("en",)),
    "US_PASSPORT": Recognizer("UsPassportRecognizer", languages=("en",)),
    "US_SSN": Recognizer("UsSsnRecognizer", languages=("en",)),
    "UUID": Recognizer("UuidRecognizer"),
    "ABA_ROUTING_NUMBER": Recognizer("AbaRoutingRecognizer", named=True),
    "AU_ABN": Recognizer("AuAbnRecognizer", named=True),
    "AU_ACN": Recognizer("AuAcnRecognizer", named=True),
    "AU_MEDICARE": Recognizer("AuMedicareRecognizer", named=True),
    "AU_TFN": Recognizer("AuTfnRecognizer", named=True),
    "CA_POSTAL_CODE": Recognizer("CaPostalCodeRecognizer", named=True),
    "CA_SIN": Recognizer("CaSinRecognizer", named=True),
    "DE_BSNR": Recognizer("DeBsnrRecognizer", named=True),
    "DE_FUEHRERSCHEIN": Recognizer("DeFuehrerscheinRecognizer", named=True),
    "DE_HANDELSREGISTER": Recognizer("DeHandelsregisterRecognizer", named=True),
    "DE_HEALTH_INSURANCE": Recognizer("DeHealthInsuranceRecognizer", named=True),
    "DE_ID_CARD": Recognizer("DeIdCardRecognizer", named=True),
    "DE_KFZ": Recognizer("DeKfzRecognizer", named=True),
    "DE_LANR": Recognizer("DeLanrRecognizer", named=True),
    "DE_PASSPORT": Recognizer("DePassportRecognizer", named=True),
    "DE_PLZ": Recognizer("DePlzRecognizer", named=True),
    "DE_SOCIAL_SECURITY": Recognizer("DeSocialSecurityRecognizer", named=True),
    "DE_TAX_ID": Recognizer("DeTaxIdRecognizer", named=True),
    "DE_TAX_NUMBER": Recognizer("DeTaxNumberRecognizer", named=True),
    "DE_VAT_ID": Recognizer("DeVatIdRecognizer", named=True),
    "ES_PASSPORT": Recognizer("EsPassportRecognizer", named=True),
    "FI_PERSONAL_IDENTITY_CODE": Recognizer("FiPersonalIdentityCodeRecognizer", named=True),
    "IN_AADHAAR": Recognizer("InAadhaarRecognizer", named=True),
    "IN_GSTIN": Recognizer("InGstinRecognizer", named=True),
    "IN_PAN": Recognizer("InPanRecognizer", named=True),
    "IN_PASSPORT": Recognizer("InPassportRecognizer", named=True),
    "IN_VEHICLE_REGISTRATION": Recognizer("InVehicleRegistrationRecognizer", named=True),
    "IN_VOTER": Recognizer("InVoterRecognizer", named=True),
    "KR_BRN": Recognizer("KrBrnRecognizer", named=True),
    "KR_DRIVER_LICENSE": Recognizer("KrDriverLicenseRecognizer", named=True),
    "KR_FRN": Recognizer("KrFrnRecognizer", named=True),
    "KR_PASSPORT": Recognizer("KrPassportRecognizer", named=True),
    "KR_RRN": Recognizer("KrRrnRecognizer", named=True),
    "NG_NIN": Recognizer("NgNinRecognizer", named=True),
    "NG_VEHICLE_REGISTRATION": Recognizer("NgVehicleRegistrationRecognizer", named=True),
    "PH_PASSPORT": Recognizer("PhPassportRecognizer", named=True),
    "PH_TIN": Recognizer("PhTinRecognizer", named=True),
    "PH_UMID": Recognizer("PhUmidRecognizer", named=True),
    "SE_ORGANISATIONSNUMMER": Recognizer("SeOrganisationsnummerRecognizer", named=True),
    "SE_PERSONNUMMER": Recognizer("SePersonnummerRecognizer", named=True),
    "SG_NRIC_FIN": Recognizer("SgFinRecognizer", named=True),
    "SG_UEN": Recognizer("SgUenRecognizer", named=True),
    "TH_TNIN": Recognizer("ThTninRecognizer", named=True),
    "TR_LICENSE_PLATE": Recognizer("TrLicensePlateRecognizer", named=True),
    "TR_NATIONAL_ID": Recognizer("TrNationalIdRecognizer", named=True),
    "UK_DRIVING_LICENCE": Recognizer("UkDrivingLicenceRecognizer", named=True),
    "UK_NINO": Recognizer("UkNinoRecognizer", named=True),
    "UK_PASSPORT": Recognizer("UkPassportRecognizer", named=True),
    "UK_POSTCODE": Recognizer("UkPostcodeRecognizer", named=True),
    "UK_VEHICLE_REGISTRATION": Recognizer("UkVehicleRegistrationRecognizer", named=True),
    "US_CLAIM_NUMBER": Recognizer("UsClaimNumberRecognizer", named=True),
    "US_HEALTH_INSURANCE_MEMBER_ID": Recognizer("UsHealthInsuranceMemberIdRecognizer", named=True),
    "US_MBI": Recognizer("UsMbiRecognizer", named=True),
    "US_NPI": Recognizer("UsNpiRecognizer", named=True),
    "US_PRESCRIPTION_NUMBER": Recognizer("UsPrescriptionNumberRecognizer", named=True),
    "US_PRIOR_AUTHORIZATION_NUMBER": Recognizer("UsPriorAuthorizationNumberRecognizer", named=True),
    "US_PROVIDER_TAX_ID": Recognizer("UsProviderTaxIdRecognizer", named=True),
    "US_REFERRAL_NUMBER": Recognizer("UsReferralNumberRecognizer", named=True),
    "ZA_COMPANY_REGISTRATION": Recognizer("ZaCompanyRegistrationRecognizer", named=True),
    "ZA_DRIVER_LICENSE": Recognizer("ZaDriverLicenseRecognizer", named=True),
    "ZA_ID_NUMBER": Recognizer("ZaIdNumberRecognizer", named=True),
    "ZA_INCOME_TAX_NUMBER": Recognizer("ZaIncomeTaxNumberRecognizer", named=True),
    "ZA_LICENSE_PLATE": Recognizer("ZaLicensePlateRecognizer", named=True),
    "ZA_MOBILE_NUMBER": Recognizer("ZaMobileNumberRecognizer", named=True),
    "ZA_PASSPORT": Recognizer("ZaPassportRecognizer", named=True),
    "ZA_TELEPHONE_NUMBER": Recognizer("ZaTelephoneNumberRecognizer", named=True),
    "ZA_TRAFFIC_REGISTER_NUMBER": Recognizer("ZaTrafficRegisterNumberRecognizer", named=True),
    "ZA_VAT_NUMBER": Recognizer("ZaVatNumberRecognizer", named=True),
}
"""The entities that patterns find, as `default_recognizers.yaml` of presidio-analyzer 2.2.366 has them.

One difference: it looks for cards in four languages only; they have a check sum and no language, so all languages get them.
"""

BY_MODEL = ("LOCATION", "NRP", "ORGANIZATION", "PERSON")
"""The entities that only a language model finds."""

DATE_TIME = "DATE_TIME"
"""Found by patterns where it is written in digits, by a model where it is written in words."""

_CATEGORIES: Mapping[str, str] = {
    "EMAIL_ADDRESS": "pii/email",
    "PHONE_NUMBER": "pii/phone",
    "IBAN_CODE": "pii/iban",
    "CRYPTO": "pii/crypto-address",
    "US_PASSPORT": "pii/passport",
    "US_DRIVER_LICENSE": "pii/driver-licence",
}


def category_of(entity: str, own: Mapping[str, str]) -> str:
    """Return the category that an entity is reported as: the policy's `own`, or `pii/` and its name in lower case with dashes."""
    if entity in own:
        return own[entity]
    return _CATEGORIES.get(entity) or f"pii/{re.sub('[^a-z0-9]+', '-', entity.lower()).strip('-')}"


def found_unasked(languages: Sequence[str], *, model: bool) -> tuple[str, ...]:
    """Return the entities that are looked for in these languages where a policy names none.

    Args:
        languages: Codes of ISO 639-1.
        model: Whether there is a language model.
    """
    patterns = [
        entity
        for entity, recognizer in RECOGNIZERS.items()
        if not recognizer.named and (not recognizer.languages or not set(languages).isdisjoint(recognizer.languages))
    ]
    return tuple(sorted({*patterns, *(BY_MODEL if model else ())}))
