"""Prices and labels parcels."""

from .manifest import Manifest
from .shipping import Account, Parcel, ParcelError, Quote, RateCache, Service, Zone, quote

__all__ = ["Account", "Manifest", "Parcel", "ParcelError", "Quote", "RateCache", "Service", "Zone", "quote"]
