"""What a plan would cost: its requests and the bytes that leave a store, by a table of prices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import reduce
from typing import Any

from ..config import LARGE_BYTES, config_path, read_config
from ..errors import ConfigError
from ..stores import Location
from ..stores.digests import PART_BYTES

LIST_PAGE = 1000
NEEDS = f"""
    select source, count(*) as listed, count(*) filter (written) as objects,
           coalesce(sum(bytes) filter (written), 0)::bigint as bytes,
           count(*) filter (action = 'overwrite' and coalesce(detail, '') not like '%"irreversible"%') as kept,
           coalesce(sum(asked) filter (written), 0)::bigint as puts
    from (select *, action in ('create', 'overwrite') as written,
                 if(bytes <= {LARGE_BYTES}, 1, ceil(bytes / {PART_BYTES}) + 2) as asked from plan) group by source
"""


@dataclass(frozen=True, slots=True)
class Prices:
    """What things cost; ``[prices]`` of the configuration file replaces each.

    The defaults are the list prices of Amazon S3 Standard in us-east-1 (aws.amazon.com/s3/pricing): a thousand PUT or
    LIST requests, a thousand GET requests, a GB that leaves for the internet.
    """

    currency: str = "USD"
    put_1000: float = 0.005
    get_1000: float = 0.0004
    gb_out: float = 0.09

    @classmethod
    def read(cls) -> Prices:
        """The prices that are set, and the defaults for the others.

        Raises
        ------
        ConfigError
            If one is unknown or no price.
        """
        given = read_config().get("prices", {})
        known = [field.name for field in fields(cls)]
        for name, value in given.items():
            if name not in known:
                raise ConfigError(f"[prices] in {config_path()} has {name!r}; it may hold {', '.join(known)}.")
            if (name == "currency") != isinstance(value, str) or (name != "currency" and not value >= 0):
                raise ConfigError(f"[prices] in {config_path()}: {name} = {value!r} is no price.")
        return cls(**given)


@dataclass(frozen=True, slots=True)
class Cost:
    """What applying a plan asks of the stores, and what they would take for it.

    ``requests`` by kind, ``bytes_out`` that leave the services, ``total`` in ``currency``. Counted with them is what is
    kept in quarantine first, and the second reading of what is written under a KMS key, whose ETag proves nothing;
    where a server's hash unforeseen does not compare, that comes on top.
    """

    requests: dict[str, int]
    bytes_out: int
    total: float
    currency: str

    def __add__(self, other: Cost) -> Cost:
        kinds = dict.fromkeys([*self.requests, *other.requests])
        requests = {kind: self.requests.get(kind, 0) + other.requests.get(kind, 0) for kind in kinds}
        total = round(self.total + other.total, 4)
        return Cost(requests, self.bytes_out + other.bytes_out, total, self.currency)

    def __str__(self) -> str:
        asked = ", ".join(f"{count:,} {kind}" for kind, count in self.requests.items() if count)
        if not asked:
            return "no requests: both are folders"
        return f"about {self.total:,.2f} {self.currency}: {asked}, {self.bytes_out / 1e9:,.1f} GB out"

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "told": str(self)}


def estimate(
    needs: Iterable[dict[str, Any]], sources: Mapping[str | None, Location], target: Location, prices: Prices
) -> Cost:
    """The cost of a plan that needs of each ``source`` what `NEEDS` finds."""
    costs = [_estimate(one, sources[one["source"]], target, prices) for one in needs]
    return reduce(Cost.__add__, costs, Cost({}, 0, 0.0, prices.currency))


def _estimate(needs: dict[str, Any], source: Location, target: Location, prices: Prices) -> Cost:
    """The cost of what is written of one source, and of listing that and as many at the target."""
    remote = source.kind != "local", target.kind != "local"
    together = all(remote) and source.resolve().endpoint == target.resolve().endpoint
    looks = needs["kept"] if remote[1] else 0  # at what is kept: its headers go into the manifest
    gets = (needs["objects"] if remote[0] else 0) + looks
    puts = needs["puts"] + needs["kept"] if remote[1] else 0
    again = needs["objects"] if remote[1] and target.kms_key else 0
    lists = sum(-(-needs["listed"] // LIST_PAGE) for each in remote if each)
    out = (needs["bytes"] if remote[0] and not together else 0) + (needs["bytes"] if again else 0)
    total = (
        (puts + lists) / 1000 * prices.put_1000 + (gets + again) / 1000 * prices.get_1000 + out / 1e9 * prices.gb_out
    )
    requests = {"PUT": puts, "GET": gets, "LIST": lists} | ({"re-read": again} if again else {})
    return Cost(requests, out, round(total, 4), prices.currency)
