"""Authentication methods: one class and one file each, in the shape of `vspc.auth.method`."""

from vspc.auth.method import AuthMethod
from vspc.auth.methods.certificate import CertificateMethod
from vspc.auth.methods.command import CommandMethod
from vspc.auth.methods.password import PasswordMethod
from vspc.auth.methods.publickey import PublicKeyMethod
from vspc.auth.methods.totp import TotpMethod
from vspc.config.proofs import Methods

METHODS: tuple[type[AuthMethod], ...] = (
    PublicKeyMethod,
    CertificateMethod,
    PasswordMethod,
    TotpMethod,
    CommandMethod,
)
"""All of them. Of those that an operator may begin with, a client is asked for the first."""

SETTINGS: Methods = tuple(method.settings for method in METHODS)
"""What the configuration has to do with them."""
