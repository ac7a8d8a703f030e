"""Parcels: what they weigh, what they cost, when they arrive and what stands on their label.

Weights are integers in grams, lengths in millimetres, money in cents. Nothing here reads a file, a clock or the network.
"""

import asyncio
import enum
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

MAX_WEIGHT_G = 31_500
MAX_LENGTH_MM = 1_200
MAX_GIRTH_MM = 3_000
VOLUMETRIC_DIVISOR = 5_000
"""Cubic millimetres that are charged as one gram."""

GRAMS = {"g": 1.0, "kg": 1_000.0, "oz": 28.349523125, "lb": 453.59237}
MINUTES = {"m": 1, "h": 60, "d": 1_440, "w": 10_080}


class ParcelError(ValueError):
    """Raised when something cannot be sent, priced or understood."""


class Service(enum.Enum):
    """How fast a parcel travels."""

    ECONOMY = "economy"
    STANDARD = "standard"
    EXPRESS = "express"

    @property
    def factor(self) -> float:
        """What the base price is multiplied by."""
        match self:
            case Service.ECONOMY:
                return 0.8
            case Service.STANDARD:
                return 1.0
            case Service.EXPRESS:
                return 1.9


class Zone(enum.IntEnum):
    """How far a parcel travels."""

    LOCAL = 1
    REGIONAL = 2
    NATIONAL = 3
    ABROAD = 4


@dataclass(frozen=True)
class Parcel:
    """A box that somebody wants sent.

    Attributes:
        weight_g: what the scale says.
        length_mm: the longest side.
        width_mm: the middle side.
        height_mm: the shortest side.
        fragile: whether it must be handled with care.

    Raises:
        ParcelError: a measure is not positive, or the parcel is too heavy, too long or too big round.
    """

    weight_g: int
    length_mm: int = 300
    width_mm: int = 200
    height_mm: int = 100
    fragile: bool = False

    def __post_init__(self) -> None:
        if self.weight_g <= 0 or min(self.length_mm, self.width_mm, self.height_mm) <= 0:
            raise ParcelError("weight and sides must be positive")
        if self.weight_g > MAX_WEIGHT_G:
            raise ParcelError(f"{self.weight_g} g is over {MAX_WEIGHT_G} g")
        if self.length_mm > MAX_LENGTH_MM:
            raise ParcelError(f"{self.length_mm} mm is over {MAX_LENGTH_MM} mm")
        if self.girth_mm > MAX_GIRTH_MM:
            raise ParcelError(f"a girth of {self.girth_mm} mm is over {MAX_GIRTH_MM} mm")

    @property
    def girth_mm(self) -> int:
        """Length plus once around."""
        return self.length_mm + 2 * (self.width_mm + self.height_mm)

    @property
    def volumetric_g(self) -> int:
        """The weight that a parcel of this size is charged for at least."""
        return self.length_mm * self.width_mm * self.height_mm // VOLUMETRIC_DIVISOR

    @property
    def billable_g(self) -> int:
        """The greater of real and volumetric weight."""
        return max(self.weight_g, self.volumetric_g)


@dataclass(frozen=True)
class Quote:
    """A price, taken apart."""

    base_cents: int
    surcharge_cents: int
    discount_cents: int = 0

    @property
    def total_cents(self) -> int:
        """What is to be paid."""
        return self.base_cents + self.surcharge_cents - self.discount_cents


def parse_weight(text: str) -> int:
    """Return the grams in a weight such as ``"2.5 kg"``, ``"12oz"`` or ``"800"`` (grams).

    Raises:
        ParcelError: there is no number, the unit is unknown, or nothing is left after rounding.
    """
    compact = text.strip().lower().replace(" ", "")
    number = compact.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = compact[len(number) :] or "g"
    if unit not in GRAMS:
        raise ParcelError(f"unknown unit {unit!r}")
    try:
        grams = round(float(number) * GRAMS[unit])
    except (ValueError, OverflowError):
        raise ParcelError(f"no number in {text!r}") from None
    if grams <= 0:
        raise ParcelError(f"{text!r} weighs nothing")
    return grams


def parse_duration(text: str) -> int:
    """Return the minutes in a duration such as ``"2d 4h"``; each unit comes once, the larger ones first.

    Raises:
        ParcelError: it is empty, has an unknown unit, a unit twice or out of order, or a number without a unit.
    """
    total, digits, last = 0, "", "z"
    for character in text:
        if character.isdecimal():
            digits += character
        elif character in MINUTES:
            if not digits:
                raise ParcelError(f"no number before {character!r}")
            if last in MINUTES and MINUTES[character] >= MINUTES[last]:
                raise ParcelError(f"{character!r} after {last!r}")
            total += int(digits) * MINUTES[character]
            digits, last = "", character
        elif not character.isspace():
            raise ParcelError(f"unexpected {character!r}")
    if digits:
        raise ParcelError(f"{digits} of what?")
    if last == "z":
        raise ParcelError("an empty duration")
    return total


def format_duration(minutes: int) -> str:
    """Return a duration as ``parse_duration`` reads it: ``1500`` is ``"1d 1h"``.

    Raises:
        ParcelError: it is not positive.
    """
    if minutes <= 0:
        raise ParcelError("a duration must be positive")
    parts: list[str] = []
    for unit in ("w", "d", "h", "m"):
        count, minutes = divmod(minutes, MINUTES[unit])
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts)


def zone_of(kilometres: int) -> Zone:
    """Return the zone of a distance within the country.

    Raises:
        ParcelError: the distance is negative, or longer than the country.
    """
    if kilometres < 0 or kilometres > 1_100:
        raise ParcelError(f"a distance of {kilometres} km")
    if kilometres <= 25:
        return Zone.LOCAL
    if kilometres <= 150:
        return Zone.REGIONAL
    return Zone.NATIONAL


def base_price(grams: int, zone: Zone) -> int:
    """Return the price in cents of carrying a weight into a zone, before service and surcharges.

    Raises:
        ParcelError: the weight is not positive or over the limit.
    """
    if grams <= 0 or grams > MAX_WEIGHT_G:
        raise ParcelError(f"no tariff for {grams} g")
    if grams <= 500:
        cents = 290
    elif grams <= 2_000:
        cents = 450
    elif grams <= 10_000:
        cents = 450 + 35 * -(-(grams - 2_000) // 1_000)
    else:
        cents = 730 + 50 * -(-(grams - 10_000) // 1_000)
    if zone is Zone.ABROAD:
        return cents * 3 + 500
    return cents + 120 * (zone - 1)


def surcharge(parcel: Parcel, zone: Zone, service: Service) -> int:
    """Return what special handling costs, in cents."""
    cents = 0
    if parcel.fragile:
        cents += 250 if service is Service.EXPRESS else 150
    if parcel.length_mm > 2 * parcel.width_mm:
        cents += 100
    if parcel.volumetric_g > 3 * parcel.weight_g:
        cents += 75
    if zone is Zone.ABROAD and service is not Service.ECONOMY:
        cents += 390
    return cents


def bulk_discount(cents: int, quantity: int) -> int:
    """Return what is taken off a price for sending several at once.

    Raises:
        ParcelError: the price is negative or the quantity is not positive.
    """
    if cents < 0 or quantity < 1:
        raise ParcelError("no discount on nothing")
    if quantity >= 100:
        percent = 20
    elif quantity >= 25:
        percent = 12
    elif quantity >= 5:
        percent = 5
    else:
        percent = 0
    return cents * percent // 100


def quote(parcel: Parcel, zone: Zone, service: Service = Service.STANDARD, quantity: int = 1) -> Quote:
    """Return what sending a parcel costs."""
    base = round(base_price(min(parcel.billable_g, MAX_WEIGHT_G), zone) * service.factor)
    extra = surcharge(parcel, zone, service)
    return Quote(base_cents=base, surcharge_cents=extra, discount_cents=bulk_discount(base + extra, quantity))


async def quote_all(parcels: Sequence[Parcel], zone: Zone) -> list[Quote]:
    """Return a quote for each parcel; a long list does not keep other tasks of the event loop waiting."""
    quotes: list[Quote] = []
    for parcel in parcels:
        quotes.append(quote(parcel, zone, quantity=len(parcels)))
        await asyncio.sleep(0)
    return quotes


def format_money(cents: int, currency: str = "EUR") -> str:
    """Return an amount for people: ``-123456`` is ``"-1,234.56 EUR"``."""
    sign = "-" if cents < 0 else ""
    whole, rest = divmod(abs(cents), 100)
    return f"{sign}{whole:,}.{rest:02d} {currency.strip().upper()}".rstrip()


def slug(name: str, limit: int = 24) -> str:
    """Return a name as letters, digits and single dashes, at most ``limit`` long; ``"parcel"`` where nothing is left."""
    words: list[str] = []
    word = ""
    for character in name.lower():
        if character.isascii() and character.isalnum():
            word += character
        elif word:
            words.append(word)
            word = ""
    if word:
        words.append(word)
    return "-".join(words)[: max(limit, 1)].strip("-") or "parcel"


def check_digit(serial: int) -> int:
    """Return the last digit of a tracking number, by the weights 8 6 4 2 3 5 9 7 of the postal union.

    Raises:
        ParcelError: the serial number does not have at most eight digits.
    """
    if not 0 <= serial <= 99_999_999:
        raise ParcelError(f"{serial} is no serial number")
    weights = (8, 6, 4, 2, 3, 5, 9, 7)
    remainder = 11 - sum(int(digit) * weight for digit, weight in zip(f"{serial:08d}", weights, strict=True)) % 11
    if remainder == 10:
        return 0
    if remainder == 11:
        return 5
    return remainder


def tracking_number(serial: int, service: Service, country: str = "DE") -> str:
    """Return the number that stands on the label, e.g. ``"RR473124829DE"``.

    Raises:
        ParcelError: the country is not two letters.
    """
    if len(country) != 2 or not country.isalpha():
        raise ParcelError(f"{country!r} is no country code")
    prefix = {Service.ECONOMY: "UE", Service.STANDARD: "RR", Service.EXPRESS: "EE"}[service]
    return f"{prefix}{serial:08d}{check_digit(serial)}{country.upper()}"


class RateCache:
    """The quotes asked for last; the one not asked for longest goes first when it is full."""

    def __init__(self, capacity: int = 64) -> None:
        if capacity < 1:
            raise ParcelError("a cache must hold something")
        self.capacity = capacity
        self.hits = 0
        self.misses = 0
        self._quotes: OrderedDict[tuple[Parcel, Zone], Quote] = OrderedDict()

    def __len__(self) -> int:
        return len(self._quotes)

    def get(self, parcel: Parcel, zone: Zone) -> Quote:
        """Return the quote of a parcel, from memory where possible."""
        key = (parcel, zone)
        if key in self._quotes:
            self.hits += 1
            self._quotes.move_to_end(key)
            return self._quotes[key]
        self.misses += 1
        self._quotes[key] = quote(parcel, zone)
        if len(self._quotes) > self.capacity:
            self._quotes.popitem(last=False)
        return self._quotes[key]

    def hit_rate(self) -> float:
        """Return the share of answers from memory, 0.0 before the first question."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else 0.0


class Account:
    """A customer's prepaid money: the balance is never below ``-credit_cents`` and always the sum of the entries."""

    def __init__(self, customer: str, credit_cents: int = 0) -> None:
        if credit_cents < 0:
            raise ParcelError("credit cannot be negative")
        self.customer = slug(customer)
        self.credit_cents = credit_cents
        self.entries: list[tuple[str, int]] = []

    @property
    def balance_cents(self) -> int:
        """What is left."""
        return sum(cents for _, cents in self.entries)

    def deposit(self, cents: int) -> int:
        """Add money and return the new balance.

        Raises:
            ParcelError: the amount is not positive.
        """
        if cents <= 0:
            raise ParcelError("deposit something")
        self.entries.append(("deposit", cents))
        return self.balance_cents

    def charge(self, due: Quote, memo: str = "postage") -> int:
        """Pay a quote and return the new balance.

        Raises:
            ParcelError: the credit does not reach; nothing is booked.
        """
        if self.balance_cents - due.total_cents < -self.credit_cents:
            raise ParcelError(f"{self.customer} lacks {format_money(due.total_cents - self.balance_cents)}")
        self.entries.append((memo, -due.total_cents))
        return self.balance_cents
