"""What calls of a model cost and whether another one may be made. Pure: no call, no clock."""

from dataclasses import dataclass

from testwright_schemas import Usage

TOKENS_PER_BYTE = 1 / 3
"""Tokens that a byte of a request is taken for until an answer tells: English has 1/4, dense code up to 1/3."""


@dataclass(frozen=True, slots=True)
class Prices:
    """What a token costs, in US dollars per million."""

    input_usd: float
    output_usd: float

    def cost(self, tokens: "Tokens") -> float:
        """Return the cost in US dollars."""
        return (tokens.input * self.input_usd + tokens.output * self.output_usd) / 1e6


@dataclass(frozen=True, slots=True)
class Tokens:
    """How many tokens went in and came out."""

    input: int
    output: int

    def __add__(self, other: "Tokens") -> "Tokens":
        """Return both together."""
        return Tokens(self.input + other.input, self.output + other.output)


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a call that is under way may cost at most, as far as can be known."""

    bytes: int
    tokens: Tokens


class Ledger:
    """Adds up what one attempt spends, and refuses a call that would take it beyond its limit.

    A call is reserved at its likely size and longest answer before it is made, so that calls side by side cannot
    overspend together, and settled at what the answer says. An answer that does not say what it took counts in full
    against the limit, and makes the sum unknown.

    Args:
        prices: of the model; ``None`` where they are not known: then there is no limit.
        limit_usd: what may be spent; ``None`` for any amount.
        limit_tokens: tokens, in and out, that may be used; ``None`` for any number.
    """

    def __init__(
        self, prices: Prices | None = None, limit_usd: float | None = None, limit_tokens: int | None = None
    ) -> None:
        self._prices = prices
        self._limit_usd = limit_usd
        self._limit_tokens = limit_tokens
        self._known = Tokens(0, 0)
        self._unknown = Tokens(0, 0)
        self._open: list[Reservation] = []
        self._tokens_per_byte = TOKENS_PER_BYTE
        self.calls = 0

    def reserve(self, size: int, most_output: int) -> Reservation | None:
        """Set aside what a call may cost; ``None`` if that is more than is left.

        Args:
            size: of the request, in bytes.
            most_output: tokens that the answer may have.
        """
        asked = Reservation(size, Tokens(round(size * self._tokens_per_byte) + 1, most_output))
        at_most = self._at_most() + asked.tokens
        if self._limit_usd is not None and self._prices and self._prices.cost(at_most) > self._limit_usd:
            return None
        if self._limit_tokens is not None and at_most.input + at_most.output > self._limit_tokens:
            return None
        self._open.append(asked)
        return asked

    def release(self, reserved: Reservation) -> None:
        """Give back what was set aside: the model did not answer, and asks for no money."""
        self._open.remove(reserved)

    def settle(self, reserved: Reservation, spent: Tokens | None) -> None:
        """Enter what an answer took; ``None`` where it did not say."""
        self._open.remove(reserved)
        self.calls += 1
        if spent is None:
            self._unknown += reserved.tokens
            return
        self._known += spent
        self._tokens_per_byte = max(self._tokens_per_byte, spent.input / max(1, reserved.bytes))

    def note(self, tokens: Tokens) -> bool:
        """Enter a call that was made without asking here; say whether more may be spent."""
        self.calls += 1
        self._known += tokens
        spent = self.cost_usd
        used = self._known.input + self._known.output
        if self._limit_tokens is not None and used >= self._limit_tokens:
            return False
        return self._limit_usd is None or spent is None or spent < self._limit_usd

    @property
    def tokens(self) -> Tokens:
        """What is known to have been spent."""
        return self._known

    @property
    def cost_usd(self) -> float | None:
        """What was spent in US dollars; ``None`` where that is not known."""
        if self._prices is None or self._unknown != Tokens(0, 0):
            return None
        return self._prices.cost(self._known)

    def usage(self, model: str, wall_s: float) -> Usage:
        """Return what was consumed; numbers that are not known are ``None``."""
        known = self._unknown == Tokens(0, 0)
        return Usage(
            model=model,
            input_tokens=self._known.input if known else None,
            output_tokens=self._known.output if known else None,
            cost_usd=self.cost_usd,
            wall_s=wall_s,
        )

    def priced(self, model: str, tokens: Tokens | None) -> Usage:
        """Return what one answer has consumed; ``tokens`` are ``None`` where it did not say."""
        if tokens is None:
            return Usage(model=model)
        cost = self._prices.cost(tokens) if self._prices else None
        return Usage(model=model, input_tokens=tokens.input, output_tokens=tokens.output, cost_usd=cost)

    def _at_most(self) -> Tokens:
        return sum((each.tokens for each in self._open), self._known + self._unknown)
