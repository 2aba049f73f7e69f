"""The removal of what runs have left, by the journal: what may be removed, and when it counts as gone.

Nothing is deleted that this monitor did not create: what goes bears the title that the journal has, which no other VM
has, or lies where the journal noted it and shows no name.
"""

from __future__ import annotations

import time

from libprobe.clients.refusals import UNKNOWN_MACHINE, LockedRefusal, machine_names
from libprobe.deadline import Interrupted, OutOfTime
from libprobe.failures import Asked, BadData, EndpointFailure, Failure, NoAnswer
from libprobe.formats.address import host_port_of
from libprobe.text import duration, number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from libprobe.clients.http import HttpClient
    from libprobe.clients.machines import ComputeClient, VirtualMachine
    from libprobe.clients.nova import Nova
    from libprobe.deadline import Deadline
    from libprobe.failures import Kind
    from libprobe.state.journal import Journal, JournalEntry

FIRST_POLL_S, LONGEST_POLL_S, POLL_SHARE, YOUNG_S = 0.1, 10.0, 0.02, 20.0
"""Between polls: see `pause_after`."""

LOOK_S, LOOK_AT, SPARE_S = 5.0, 4, 0.5
"""The look that ends a removal: seconds for it, how many VMs without titles it asks (two at each end of the listing,
of which one has the newest), what it leaves of the time."""

MAX_TWINS = 8
"""How many VMs of one title are removed by one run."""

TOLD_BY = "see fedcloud-leftovers"
"""Where more is to be seen of what earlier runs left, as the end of a sentence."""


def retry_pause(seconds: float) -> float:
    """Return how long to wait until a cloud is asked again. seconds: since the request that it carries out.

    A fast cloud is measured to a tenth of a second: that is the pause up to 10 s. From YOUNG_S on it is 2 % of the
    time passed, at most 10 s, so that a slow one is measured well enough and not hammered.
    """
    share = POLL_SHARE * min(1.0, seconds / YOUNG_S)
    return min(LONGEST_POLL_S, max(FIRST_POLL_S, seconds * share))


def describe_location(entry: JournalEntry, now: float) -> str:
    """What the journal knows of a VM: `egi-sam-x at https://host:8787 (/compute/1), asked for 3 d ago by /CN=robot`."""
    path = f" ({entry.path})" if entry.path else ""
    through = f" through Keystone {entry.keystone}" if entry.keystone else ""
    return (
        f"{entry.title} at {entry.endpoint}{path}, asked for {duration(max(0.0, now - entry.created_at))} ago "
        f"by {entry.identity}{through}"
    )


def describe_untried(titles: Sequence[str], thing: str) -> str:
    """What is said of what earlier runs left, where the time for that was up before it was its turn."""
    others = f" and {number_of(len(titles) - 1, 'other')}" if len(titles) > 1 else ""
    many = number_of(len(titles), thing)
    return f"{many} of earlier runs not looked for: no time was left ({titles[0]}{others}; next run retries)"


def report_unattended(journal: Journal, reported: set[str], detail: Callable[[int, str], None]) -> list[str]:
    """Notes on what no run looks after any more, at whatever endpoint, and on the journal's files that cannot be read.

    reported: the titles of what this run has told already. detail: takes what is only for -v.
    """
    now, notes = time.time(), []
    lost = [entry for entry in journal.unattended(now) if entry.title not in reported]
    if lost:
        others = f" and {number_of(len(lost) - 1, 'other')}" if len(lost) > 1 else ""
        detail(1, f"no run looks any more for the {journal.thing} {describe_location(lost[0], now)}")
        where = f"{lost[0].title} at {host_port_of(lost[0].endpoint) or lost[0].endpoint}"
        notes.append(f"no run looks any more for {journal.thing} {where}{others} ({TOLD_BY})")
    damaged = dict.fromkeys(journal.unreadable)
    return notes + [f"this monitor's journal: {name} is damaged and set aside in {journal.path}" for name in damaged]


def remove_despite_signals(
    remove: Callable[[], None],
    note_left: Callable[[Failure], None],
    until: Deadline,
    client: ComputeClient | HttpClient,
) -> Interrupted | None:
    """Remove what a run has made; a signal that comes meanwhile does not stop that, and is returned.

    note_left: called with the reason where it stays.
    """
    interrupt = None
    for _ in range(2):  # only the first signal raises
        try:
            with until.enforced(), client.using_deadline(until):
                remove()
            break
        except Interrupted as signal:
            interrupt = signal
        except Failure as failure:
            note_left(failure)
            break
        except OutOfTime:
            note_left(Failure("no time was left to see it gone"))
            break
    return interrupt


def left_beside(what: str, failure: Failure, title: str, then: str = "next run retries") -> tuple[str, ...]:
    """How a status line that begins with a worse result tells that something of this run stays.

    what: `VM not removed`; the request is told by that, where the failure is of a deletion.
    then: what is to be done about it.
    Returns the whole, then without the cloud's own words, without any reason, and without the title: -v has them all.
    """
    why = failure.sentence
    if failure.doing.startswith("delete "):
        why = why.replace(f" when asked to {failure.doing}", "", 1)
    brief = failure.reason.partition(' "')[0]
    retried = f"({title}; {then})"
    return f"{what}: {why} {retried}", f"{what}: {brief} {retried}", f"{what} {retried}", f"{what} ({then})"


class KeypairLeft(Failure):
    """The VM is gone, and the keypair of its name is not: the entry stays for it."""


class KeypairHidden(KeypairLeft):
    """Whether the keypair is there is not known: Nova shows each user only their own."""


def remove_keypair(nova: Nova, entry: JournalEntry, identity: str) -> bool:
    """Remove the keypair of a VM that is gone; returns whether it was there. identity: as of `OcciAccess`.

    Without a note of whose it is, one that the VM's own owner does not see is gone; a token may be anybody's. The owner
    is compared as a whole, with the project: one DN may begin with the whole of another one.
    Raises: KeypairLeft, and the entry notes that only the keypair is left.
    """
    try:
        was_there = nova.remove_key(entry.title)
    except Failure as failure:
        entry.note_only_key()
        raise failure.retold(KeypairLeft) from None
    owner = owner_name(identity, nova.user, nova.project)
    is_own = entry.key_user == nova.user if entry.key_user else entry.identity == owner and identity not in TOKENS
    if was_there or is_own:
        return was_there
    entry.note_only_key()
    whose = f"it is of user {entry.key_user}" if entry.key_user else "whose it is was not noted"
    ours = f"we are user {nova.user} there" if nova.user else "Keystone does not tell which user we are"
    raise KeypairHidden(f"not visible as {actor_name(identity, nova.user)}", also=whose, more=[ours])


TOKENS = ("access token", "Keystone token")
"""The identities that say nobody's name: two users have the same."""


def actor_name(identity: str, user: str) -> str:
    """As whom we are logged in: behind a token it is the user whom Keystone has found there, by its id.

    identity: as of `OcciAccess`. Returns: `/DC=org/CN=robot`, `access token of user 0b1c2d`.
    """
    return f"{identity} of user {user}" if identity in TOKENS and user else identity


def owner_name(identity: str, user: str, project: str) -> str:
    """The same with the project, as the journal has it: only the owner's machines can be seen."""
    return f"{actor_name(identity, user)} {project}".strip()


def owner_names(identity: str, user: str, project: str) -> tuple[str, ...]:
    """All names under which the journal has what is ours, `owner_name` first.

    Earlier versions did not note whose a token was. What they noted with one of the same kind and project counts as
    ours: whose it was cannot be known any more, and as another owner's no run could ever take it for gone.
    """
    earlier = (f"{identity} {project}".strip(),) if identity in TOKENS else ()
    return tuple(dict.fromkeys((owner_name(identity, user, project), *earlier)))


def is_owned(entry: JournalEntry, identity: str, user: str, project: str, project_id: str) -> bool:
    """Whether an entry is of the owner as whom we are logged in, by `owner_names` and the project's id."""
    return entry.is_of(owner_names(identity, user, project), project_id)


def not_visible(entry: JournalEntry, owner: str, project_id: str) -> Failure:
    """The failure of an entry whose VM is not seen by another owner than its own.

    owner, project_id: who looked, by `owner_name`, and the id of his project.
    """
    is_other = entry.identity == owner and not entry.is_of((owner,), project_id)  # two domains, one name
    return Failure(f"not visible as {owner}", also="it is of another project of that name" if is_other else "")


class Remover:
    """Removes VMs at one endpoint, by the journal; or what else `client` is for, which `thing` calls it.

    subject: the endpoint, as sentences name it. forget: what is done with an entry whose VM is gone.
    duplicates: how many VMs were removed beside the ones that were asked for: some request was carried out twice.
    """

    def __init__(
        self, client: ComputeClient, subject: str, forget: Callable[[JournalEntry], None], *, thing: str = "VM"
    ) -> None:
        self._client = client
        self._thing = thing
        self._subject = subject
        self._forget = forget
        self.duplicates = 0

    def remove(self, entry: JournalEntry, until: Deadline) -> bool:
        """Remove a VM as its owner; one that is not there is forgotten in the end. Returns whether it was there.

        Raises: Failure when it stays.
        """
        with self._client.using_deadline(until):
            path = self._noted_path(entry)
            unseen: EndpointFailure | None = None
            try:
                if path and not self.is_ours(path, entry.title):
                    path = None  # a stranger's: the address was wrong, or another's by now; ours is found by its title
                    entry.note_location("")
            except EndpointFailure as failure:
                path, unseen = None, failure  # whose it is was not to be seen: it is touched only if it bears our title
            path = path or self._client.find(entry.title)
            if path is None and unseen:
                raise unseen
            if path is None:
                entry.note_not_found()
                if entry.is_forgotten(time.time()):
                    self._forget(entry)
                return False
            if entry.path != path:
                entry.note_location(path)
            was_there = self.delete(path, entry.title, until)
            self.remove_duplicates(path, entry.title, until)
            self._forget(entry)
            return was_there

    def remove_by_title(self, entry: JournalEntry, until: Deadline, *, noted_path: bool) -> bool:
        """Remove a VM as somebody else, or at another URL: only one that shows its title.

        noted_path: whether the path of the entry is one of this endpoint. Returns False for a VM that is not seen,
        which it may be by its owner. Raises: Failure when it stays.
        """
        with self._client.using_deadline(until):
            path = self._noted_path(entry) if noted_path else None
            if not path or entry.title not in machine_names(self._show_or_assume(path) or UNKNOWN_MACHINE):
                path = self._client.find(entry.title)
            if path is None:
                return False
            self.delete(path, entry.title, until)
            self.remove_duplicates(path, entry.title, until)
            self._forget(entry)
            return True

    def _noted_path(self, entry: JournalEntry) -> str | None:
        """Where the journal says that the VM is; None for what can be no VM's path."""
        try:
            return self._client.own_path(entry.path) if entry.path else None
        except BadData:
            return None

    def is_ours(self, path: str, title: str) -> bool:
        """Whether the VM at a path may be deleted: it was shown, and bears our title or no name at all; or it is gone.

        Raises: EndpointFailure where the server does not show it: whose it is, is not known then.
        """
        called = machine_names(self._client.show(path) or UNKNOWN_MACHINE)
        return not called or title in called

    def delete(self, path: str, title: str, until: Deadline) -> bool:
        """Delete and see it gone; refusals are tried again, when the server wants it, but for that of a locked one.
        Returns whether it was there.

        Raises: Failure when it is still there at the end.
        """
        refusal: Failure | None = None
        accepted = False
        began = time.monotonic()
        while True:
            asked_pause = 0.0
            try:
                if not accepted:
                    if not self._client.delete(path):
                        if self._show_or_assume(path) is None:
                            return refusal is not None
                        raise self._failure(EndpointFailure, "404 for what is shown all the same", path)
                    accepted = True
                entity = self._show_or_assume(path)
                if entity is None or (machine_names(entity) and title not in machine_names(entity)):
                    return True
                accepted = not self._client.has_failed_deletion(entity)
            except (BadData, LockedRefusal):
                raise
            except EndpointFailure as error:
                asked_pause = error.pause_s
                if not (refusal and isinstance(error, NoAnswer) and until.has_passed()):
                    refusal = error  # else the last try was only cut off: the refusal before it is the reason
            passed = time.monotonic() - began
            pause = max(retry_pause(passed), asked_pause)
            if until.remaining() <= pause:
                break
            until.sleep(pause)
        if refusal and not accepted:
            raise refusal
        failure = self._failure(NoAnswer, f"still there {duration(passed)} after its deletion was accepted", path, "by")
        failure.more = self._client.deletion_request
        raise failure

    def _failure(self, kind: type[Kind], reason: str, path: str, link: str = "from") -> Kind:
        return kind(
            reason, of=Asked(host_port_of(self._subject), f"{self._thing} {path} at {self._subject}"), link=link
        )

    def remove_duplicates(self, gone: str, title: str, until: Deadline) -> None:
        """Look into the listing for one more VM of this title, and remove it: a request may be carried out twice.

        gone: the path of the one that was removed; as long as it is listed there, it is waited for.
        A listing that cannot be had says nothing. Raises: Failure when there is one that stays.
        """
        began = time.monotonic()
        while True:
            try:
                found = self.find_listed(title, until, gone=gone)
            except Failure:
                return
            if found is None:
                return
            passed = time.monotonic() - began
            if found != gone:
                if self.duplicates >= MAX_TWINS:
                    said = f"more than {MAX_TWINS} {self._thing}s of one request made"
                    raise self._failure(EndpointFailure, said, title, "by")
                self.delete(found, title, until)
                self.duplicates += 1
                gone = found
            elif until.remaining() <= (pause := max(retry_pause(passed), 1.0)) + SPARE_S:
                raise self._failure(EndpointFailure, f"404 for what is listed after {duration(passed)} still", gone)
            else:
                until.sleep(pause)

    def find_listed(self, title: str, until: Deadline, *, gone: str = "") -> str | None:
        """As `ComputeClient.find`, bounded in time and in what is asked. Raises: Failure."""
        soon = until.earlier_by(max(SPARE_S, until.remaining() - LOOK_S))
        with self._client.using_deadline(soon):
            return self._client.find(title, gone=gone, at_most=LOOK_AT)

    def _show_or_assume(self, path: str) -> VirtualMachine | None:
        """The VM while it is there; an answer that cannot be read counts as there."""
        try:
            return self._client.show(path)
        except EndpointFailure:
            return UNKNOWN_MACHINE
