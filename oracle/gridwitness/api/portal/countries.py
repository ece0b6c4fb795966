"""Names of countries by ISO 3166-1 numeric code, as passports have them: of Europe and of large markets beyond."""

from __future__ import annotations

_NAMES = {
    8: "Albania", 36: "Australia", 40: "Austria", 56: "Belgium", 70: "Bosnia and Herzegovina", 76: "Brazil",
    100: "Bulgaria", 124: "Canada", 152: "Chile", 156: "China", 170: "Colombia", 191: "Croatia", 196: "Cyprus",
    203: "Czechia", 208: "Denmark", 233: "Estonia", 246: "Finland", 250: "France", 276: "Germany", 300: "Greece",
    344: "Hong Kong", 348: "Hungary", 352: "Iceland", 356: "India", 360: "Indonesia", 372: "Ireland", 376: "Israel",
    380: "Italy", 392: "Japan", 404: "Kenya", 410: "South Korea", 428: "Latvia", 438: "Liechtenstein",
    440: "Lithuania", 442: "Luxembourg", 470: "Malta", 484: "Mexico", 492: "Monaco", 498: "Moldova",
    499: "Montenegro", 528: "Netherlands", 554: "New Zealand", 566: "Nigeria", 578: "Norway", 616: "Poland",
    620: "Portugal", 642: "Romania", 682: "Saudi Arabia", 688: "Serbia", 702: "Singapore", 703: "Slovakia",
    705: "Slovenia", 710: "South Africa", 724: "Spain", 752: "Sweden", 756: "Switzerland", 784: "United Arab Emirates",
    792: "Türkiye", 804: "Ukraine", 807: "North Macedonia", 826: "United Kingdom", 840: "United States",
}  # fmt: skip


def country_name(code: int) -> str:
    """Name of a country, or its code where it is not one of these."""
    return _NAMES.get(code, f"country {code}")
