"""Small objects a few at a time, each stage for all of them before the next: sent for, read, hashed, written, heard.

An object alone leads the processor through all the code that there is for its few bytes, and at each answer through a
wait and a waking. Sixteen together take little more than half of that time.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar, cast

from ..errors import AlreadyExists, StoreError
from ..model import Item, Receipt
from ..stores import Body, Written
from ..stores.abilities import SendsAhead
from ..stores.digests import Hasher, md5_told
from .passage import Fitted, Passage
from .standing import before_of, name_of

if TYPE_CHECKING:
    from ..stores.abilities import AskedBody, Pending

# Who has not answered by then may never: each would take its whole time-out, one after the other.
PATIENCE_S = 10.0
# What came of an item: its receipt, or what it met after it was written.
Outcome: TypeAlias = "tuple[Item, Receipt | StoreError]"
# An object that stands there already, the hash of its bytes and what it loses, where they were read.
Met: TypeAlias = "tuple[Item, Hasher | None, str | None, StoreError]"
# By item number.
Bodies: TypeAlias = "dict[int, AbstractContextManager[Body]]"
T = TypeVar("T")


class Held(NamedTuple):
    """An object in memory."""

    item: Item
    data: bytes
    fitted: Fitted
    hasher: Hasher


class Batches:
    """Copies small objects of one run. Used by many threads at once.

    Whatever meets anything on its way is left out: copied alone it is tried again, adopted, or says what it met. So
    nothing waits for a store to come round here, while other writes of the batch are under way.
    """

    def __init__(self, passage: Passage) -> None:
        self._passage, self._control = passage, passage.control
        self._source, self._target = passage.source, passage.target
        # Where requests can be sent ahead.
        self._from = passage.source if isinstance(passage.source, SendsAhead) else None
        self._to = passage.target if isinstance(passage.target, SendsAhead) else None

    @property
    def near(self) -> bool:
        """Whether the stores that are asked answer so soon that this is worth it."""
        if self._target.capabilities.conditional is False:
            return False  # each key is looked at before it is written
        asked = (self._target,) if self._passage.server else (self._source, self._target)
        return all(isinstance(store, SendsAhead) and store.near for store in asked if store.capabilities.remote)

    def copy(self, items: Sequence[Item]) -> Iterator[Outcome]:
        """The items that were written, as it is settled what came of each; the others are to be copied alone.

        Raises
        ------
        Abandoned, Stopped
            If the run was asked to stop meanwhile.
        """
        by_server, passing = [], []
        for item in items:
            (by_server if self._is_for_the_server(item) else passing).append(item)
        if by_server:
            yield from self._copy_on_server(by_server)
        if passing:
            yield from self._pass(passing)

    def _is_for_the_server(self, item: Item) -> bool:
        server = self._passage.server
        try:
            return bool(server and self._to and md5_told(item.etag) and server.guards_copies(before_of(item)))
        except StoreError:
            return False  # whoever writes there meets it again

    def _copy_on_server(self, items: list[Item]) -> Iterator[Outcome]:
        met: list[Met] = []
        for item, heard in self._heard(items, self._copy_ahead):
            if isinstance(heard, AlreadyExists):
                met.append((item, None, None, heard))
            elif heard:
                yield item, _judged(self._passage.copied_by_server, item, heard)
        yield from self._adopted(met)

    def _pass(self, items: list[Item]) -> Iterator[Outcome]:
        """Through memory."""
        held = [one for read in self._read(items) if (one := self._hashed(*read))]
        met: list[Met] = []
        for one, heard in self._written(held):
            if isinstance(heard, AlreadyExists):
                met.append((one.item, one.hasher, one.fitted.losses, heard))
            else:
                yield one.item, _judged(self._passage.copied, one.item, heard, one.hasher, one.fitted)
        yield from self._adopted(met)

    def _adopted(self, met: list[Met]) -> Iterator[Outcome]:
        """What an attempt that died has written. Anything else that stands there is met again alone, and said then."""
        for item, hasher, losses, conflict in met:
            try:
                receipt = self._passage.adopt(item, hasher, losses, conflict)
            except StoreError:
                continue
            yield item, receipt

    def _read(self, items: list[Item]) -> list[tuple[Item, bytes, Fitted]]:
        asked, late = self._sent_for(items), time.monotonic() + PATIENCE_S
        try:
            return [one for item in items if (one := self._read_one(item, asked, late))]
        finally:
            _let_go(asked)

    def _read_one(self, item: Item, asked: Bodies, late: float) -> tuple[Item, bytes, Fitted] | None:
        if asked and time.monotonic() > late:
            _let_go(asked)
        self._passage.clear(item)
        self._control.spend(item.bytes)
        try:
            with asked.pop(item.item_no, None) or self._open(item) as body:
                fitted = self._passage.fit(item, body)
                return item, body.read(), fitted
        except StoreError:
            return None

    def _sent_for(self, items: list[Item]) -> Bodies:
        """The bodies that are on their way already."""
        if not self._from or self._control.limited:
            return {}
        bodies = {item.item_no: self._open(item) for item in items}
        for body in bodies.values():
            cast("AskedBody", body).ask()
        return bodies

    def _open(self, item: Item) -> AbstractContextManager[Body]:
        return self._source.open(item.key, item.etag, checksum=self._passage.wants_checksum(item))

    def _hashed(self, item: Item, data: bytes, fitted: Fitted) -> Held | None:
        try:
            return Held(item, data, fitted, self._passage.hashed(item, data, fitted))
        except StoreError:
            return None

    def _written(self, held: list[Held]) -> list[tuple[Held, Written | AlreadyExists]]:
        written: list[tuple[Held, Written | AlreadyExists]] = []
        if not held or self._control.cancelled():
            return written
        for one, heard in self._heard(held, self._put_ahead):
            try:
                terms = self._passage.terms(one.item)
                now = heard or self._target.put(name_of(one.item), one.data, one.fitted.attributes, **terms)
            except StoreError:
                continue
            written.append((one, now))
        return written

    def _put_ahead(self, one: Held) -> Pending[Written] | None:
        terms = self._passage.terms(one.item)
        return self._to.put_ahead(name_of(one.item), one.data, one.fitted.attributes, **terms) if self._to else None

    def _copy_ahead(self, item: Item) -> Pending[Written] | None:
        if not self._to:
            return None
        key, etag, before = name_of(item), item.etag or "", before_of(item)
        return self._to.copy_ahead(self._source, item.key, key, etag, before=before, size=item.bytes)

    def _heard(
        self, ones: list[T], send: Callable[[T], Pending[Written] | None]
    ) -> list[tuple[T, Written | AlreadyExists | None]]:
        """What a store said of each that was sent, or that its condition failed; None where nothing was sent."""
        heard: list[tuple[T, Written | AlreadyExists | None]] = []
        sent: deque[tuple[T, Pending[Written]]] = deque()
        late = time.monotonic() + PATIENCE_S
        try:
            for one in ones:
                try:
                    pending = send(one)
                except StoreError:
                    continue
                if pending:
                    sent.append((one, pending))
                else:
                    heard.append((one, None))
            while sent and time.monotonic() < late:
                one, pending = sent.popleft()
                try:
                    heard.append((one, pending.hear()))
                except StoreError as error:
                    heard += [(one, error)] if isinstance(error, AlreadyExists) else []
            return heard
        finally:
            for _, pending in sent:
                pending.close()


def _let_go(asked: Bodies) -> None:
    while asked:
        asked.popitem()[1].__exit__(None, None, None)


def _judged(find: Callable[..., Receipt], *args: object) -> Receipt | StoreError:
    try:
        return find(*args)
    except StoreError as error:
        return error
