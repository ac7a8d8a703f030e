"""Manifest: the parcels of one collection, and what they come to."""

from .shipping import Parcel, ParcelError, Quote, Service, Zone, format_money, quote, tracking_number


class Manifest:
    """Parcels handed over together; each gets the next serial number."""

    def __init__(self, zone: Zone, service: Service = Service.STANDARD, first_serial: int = 1) -> None:
        if first_serial < 0:
            raise ParcelError("serial numbers start at 0")
        self.zone = zone
        self.service = service
        self.first_serial = first_serial
        self._parcels: list[Parcel] = []

    def __len__(self) -> int:
        return len(self._parcels)

    def add(self, parcel: Parcel) -> str:
        """Take a parcel and return its tracking number."""
        serial = self.first_serial + len(self._parcels)
        self._parcels.append(parcel)
        return tracking_number(serial, self.service)

    def quotes(self) -> list[Quote]:
        """Return the quote of each parcel, with the discount for all of them together."""
        return [quote(parcel, self.zone, self.service, len(self._parcels)) for parcel in self._parcels]

    def total_cents(self) -> int:
        """Return what the collection costs."""
        return sum(each.total_cents for each in self.quotes())

    def summary(self) -> str:
        """Return one line for the driver."""
        if not self._parcels:
            return "nothing to collect"
        kilograms = sum(parcel.weight_g for parcel in self._parcels) / 1_000
        noun = "parcel" if len(self._parcels) == 1 else "parcels"
        return f"{len(self._parcels)} {noun}, {kilograms:.1f} kg, {format_money(self.total_cents())}"
