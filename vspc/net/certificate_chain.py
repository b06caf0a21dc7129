"""Whether the certificates of one file belong together: each issued by the one behind it."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from vspc.common.text import safe


def name_of(name: x509.Name) -> str:
    """A subject or issuer for people: its common name, or all of it."""
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return safe(str(common[0].value) if common else name.rfc4514_string(), 80)


def chain_problems(chain: Sequence[x509.Certificate]) -> Iterator[str]:
    """What is wrong with `chain`, whose first certificate is the server's own. Certificates are
    counted from 1.
    """
    for place, (each, issuer) in enumerate(pairwise(chain), 1):
        if each.issuer != issuer.subject:
            yield _unlinked(chain, place)
        elif not _signed(each, issuer):
            what = f"certificate {place} ({name_of(each.subject)}) was not signed by the next one"
            yield f"{what}, though its issuer is called so"
    if len(chain) == 1 and chain[0].issuer != chain[0].subject and _points_elsewhere(chain[0]):
        yield (
            f"the certificate of its issuer ({name_of(chain[0].issuer)}) is not in the file: "
            "if that is an intermediate one, append it"
        )


def _unlinked(chain: Sequence[x509.Certificate], place: int) -> str:
    """Why the certificate behind number `place` is not its issuer's."""
    each = chain[place - 1]
    if each.issuer == each.subject:
        return f"certificate {place} ({name_of(each.subject)}) is a root, and another one follows"
    for number, other in enumerate(chain, 1):
        if other.subject == each.issuer and number != place:
            what = (
                f"certificate {number} ({name_of(other.subject)}) is the issuer of number {place}"
            )
            return f"the chain is in the wrong order: {what}, and belongs behind it"
    what = f"the certificate of {name_of(each.issuer)}, the issuer of number {place}"
    return f"{what} ({name_of(each.subject)}), is missing behind it"


def _signed(each: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        each.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _points_elsewhere(certificate: x509.Certificate) -> bool:
    """Whether it says where its issuer's certificate is: as public authorities do, whose issuer
    is an intermediate one.
    """
    try:
        found = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess)
    except (x509.ExtensionNotFound, ValueError):
        return False
    issuers = AuthorityInformationAccessOID.CA_ISSUERS
    return any(each.access_method == issuers for each in found.value)
