"""The Federated Cloud's profile of OCCI: what an endpoint has to announce, and what of it is missing.

The core kinds and the infrastructure's (GFD.183, GFD.184), the two template mixins with at least one
template each, and the mixins that hand user_data and a public key to a VM: in the form of the FedCloud
extension of OCCI 1.1, or in that of OCCI 1.2 (GFD.224). Source: EGI wiki, Cloud SAM tests; occi.md
sections 5 to 7. What pyssf leaves out: seen with pyssf 0.4.7.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from libprobe.formats.occi import vocabulary as occi
from libprobe.formats.occi.query import Model
from libprobe.formats.occi.vocabulary import KIND, MIXIN
from libprobe.records import Record


class Requirement(Record):
    """One thing that has to be announced.

    name:        how people call it, and what --optional and --require take beside an identifier.
    identifiers: any one of them will do; empty for a bare term, which any category may have.
    what:        KIND, MIXIN, or empty for either.
    template:    identifier that at least one other mixin must derive from; empty for none.
    is_context:  whether VMs can be created without it all the same.
    is_literal:  whether nothing else can stand for it, and no software goes without it: see `_is_excused`.
    """

    name: str
    identifiers: tuple[str, ...] = ()
    what: str = ""
    template: str = ""
    is_context: bool = False
    is_literal: bool = False

    def is_named_by(self, word: str) -> bool:
        """Whether a full identifier, a term of one, or the name means this."""
        return word == self.name or word in self.identifiers or word in (_term(each) for each in self.identifiers)


def _term(identifier: str) -> str:
    return identifier.rpartition("#")[2]


def _requirement(identifier: str, what: str, template: str = "") -> Requirement:
    return Requirement(_term(identifier), (identifier,), what, template)


USER_DATA, PUBLIC_KEY = "user_data", "public_key"

PROFILE = (
    *(_requirement(each, KIND) for each in (occi.ENTITY, occi.RESOURCE, occi.LINK)),
    *(_requirement(each, KIND) for each in (occi.COMPUTE, occi.STORAGE, occi.NETWORK)),
    *(_requirement(each, KIND) for each in (occi.STORAGE_LINK, occi.NETWORK_INTERFACE)),
    _requirement(occi.OS_TPL, MIXIN, occi.OS_TPL),
    _requirement(occi.RESOURCE_TPL, MIXIN, occi.RESOURCE_TPL),
    Requirement(USER_DATA, (occi.USER_DATA, occi.USER_DATA_1_2), MIXIN, is_context=True),
    Requirement(PUBLIC_KEY, (occi.PUBLIC_KEY, occi.SSH_KEY_1_2), MIXIN, is_context=True),
)

IMPLIED_BY = {
    occi.ENTITY: frozenset(
        {occi.COMPUTE, occi.STORAGE, occi.NETWORK, occi.STORAGE_LINK, occi.NETWORK_INTERFACE, occi.RESOURCE, occi.LINK}
    ),
    occi.RESOURCE: frozenset({occi.COMPUTE, occi.STORAGE, occi.NETWORK}),
    occi.LINK: frozenset({occi.STORAGE_LINK, occi.NETWORK_INTERFACE}),
}
"""A core kind, and those that derive from it by the specification, whether their `rel` says so or not."""

STORAGE_KINDS = frozenset({occi.STORAGE, occi.STORAGE_LINK})

VERSIONS = {
    occi.USER_DATA: "OCCI 1.1",
    occi.PUBLIC_KEY: "OCCI 1.1",
    occi.USER_DATA_1_2: "OCCI 1.2",
    occi.SSH_KEY_1_2: "OCCI 1.2",
}
TEMPLATE_NAMES = {occi.OS_TPL: "image template", occi.RESOURCE_TPL: "size template"}


def find_requirement(word: str) -> Requirement | None:
    """The part of the profile that a word of --optional or --require means, None if it means none."""
    return next((need for need in PROFILE if need.is_named_by(word)), None)


def nearest_names(word: str) -> list[str]:
    """Return the most similar name, in a list; an empty list if none is similar."""
    import difflib

    return difflib.get_close_matches(_term(word)[:100], [need.name for need in PROFILE], n=1)


def select_requirements(optional: Iterable[str] = (), required: Iterable[str] = ()) -> list[Requirement]:
    """The profile without what is optional, and with what is required beyond it or for certain.

    optional: words that `find_requirement` knows. required: such words, or any identifier or term; what they name
    is not `is_context` but `is_literal`, and a full identifier is that one form and no other.
    """
    exempt = [find_requirement(word) for word in optional]
    wanted = {need.name: need for need in PROFILE if need not in exempt}
    for word in required:
        known = find_requirement(word)
        if known and (word == known.name or known.identifiers == (word,)):
            wanted[known.name] = known._replace(is_context=False, is_literal=True)
        elif "#" in word:
            wanted[word] = Requirement(word, (word,))
        else:
            wanted[word] = Requirement(word)
    return list(wanted.values())


class MissingRequirement(Record):
    """Something that is not announced. name: in words; is_context: as its need's."""

    name: str
    is_context: bool


def find_missing(model: Model, wanted: Sequence[Requirement]) -> list[MissingRequirement]:
    """What of the needs a model should announce and does not, in their order; reads a large model once."""
    kinds = _kinds(model)
    return [
        lack
        for need, lack in _find_absent(model, wanted)
        if need.is_literal or lack.name != need.name or not _is_excused(need, kinds)
    ]


def find_excused(model: Model, wanted: Sequence[Requirement]) -> list[str]:
    """The names of what a model does not announce and need not: see `_is_excused`."""
    held = {lack.name for lack in find_missing(model, wanted)}
    return [lack.name for _, lack in _find_absent(model, wanted) if lack.name not in held]


def _kinds(model: Model) -> frozenset[str]:
    return frozenset(kind.id for kind in model.kinds)


def _is_excused(need: Requirement, kinds: frozenset[str]) -> bool:
    """Whether that a kind is not announced is no fault of the endpoint.

    A core kind need not be where one that derives from it is. An application on pyssf announces only what it has
    registered: neither occi-os nor snf-occi the core kinds, and snf-occi, before it moved to ooi's code, no storage.
    """
    if any(IMPLIED_BY.get(each, frozenset()) & kinds for each in need.identifiers):
        return True
    is_pyssf = not kinds & IMPLIED_BY.keys()
    return is_pyssf and not kinds & STORAGE_KINDS and not STORAGE_KINDS.isdisjoint(need.identifiers)


def _find_absent(model: Model, wanted: Sequence[Requirement]) -> Iterator[tuple[Requirement, MissingRequirement]]:
    """Yield what of the needs a model does not announce, with the need."""
    identifiers = {each for need in wanted for each in need.identifiers}
    terms = {need.name for need in wanted if not need.identifiers}
    found: set[tuple[str, str]] = set()
    for category in (*model.kinds, *model.mixins, *model.actions):
        if category.term in terms:
            found.add((category.term, ""))
        identifier = category.id
        if identifier in identifiers:
            found |= {(identifier, category.what), (identifier, "")}
    for need in wanted:
        if not any((each, need.what) in found for each in need.identifiers or (need.name,)):
            yield need, MissingRequirement(need.name, need.is_context)
        if need.template and not any(need.template in mixin.rel for mixin in model.mixins):
            yield need, MissingRequirement(TEMPLATE_NAMES[need.template], need.is_context)


def announced_identifiers(model: Model, need: Requirement) -> list[str]:
    """The identifiers of a need that a model announces, in the order of preference."""
    return [identifier for identifier in need.identifiers if model.find(identifier)]


def choose_context_mixins(model: Model, names: Sequence[str]) -> dict[str, str | None]:
    """Which mixin to hand each of USER_DATA and PUBLIC_KEY over by, None for one that is not offered.

    All in one form, if one has all, and never one thing in both, which ooi refuses (409). The OCCI 1.1 form first:
    ooi 1.2.0 advertises the 1.2 one and loses what it brings.
    """
    choices = {
        name: announced_identifiers(model, next(need for need in PROFILE if need.name == name)) for name in names
    }
    for version in ("OCCI 1.1", "OCCI 1.2"):
        same = {name: [each for each in found if VERSIONS[each] == version] for name, found in choices.items()}
        if all(same.values()):
            return {name: found[0] for name, found in same.items()}
    return {name: found[0] if found else None for name, found in choices.items()}
