"""Keys, tokens and certificates of one run; nothing outlives its folder."""
import base64
import datetime
import ipaddress
import itertools
import json
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

ISSUER, AUDIENCE, KEY_ID = "https://issuer.test", "https://api.test", "key-1"
SERVER_NAME = "gateway.test"


def base64url(data):
    """Base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Signer:
    """The issuer: one ES256 key, and the tokens that it signs."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.serial = itertools.count(1)

    def key_set(self):
        numbers = self.key.public_key().public_numbers()
        x, y = (base64url(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
        return json.dumps({"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": KEY_ID, "x": x, "y": y}]})

    def token(self, scope="items", seconds=7200, **claims):
        """A token like no other."""
        now, number = int(time.time()), next(self.serial)
        header = {"alg": "ES256", "typ": "at+jwt", "kid": KEY_ID}
        payload = {"iss": ISSUER, "aud": AUDIENCE, "sub": f"user-{number}", "client_id": "soak", "jti": str(number),
                   "iat": now - 60, "exp": now + seconds, "scope": scope, **claims}
        text = ".".join(base64url(json.dumps(part).encode()) for part in (header, payload))
        r, s = decode_dss_signature(self.key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


class Authority:
    """A certificate authority, and the certificates that it gives out."""

    def __init__(self, name):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self.build(self.name, self.key, x509.BasicConstraints(ca=True, path_length=0))

    def build(self, subject, key, constraints, names=()):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
                   .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
                   .not_valid_after(now + datetime.timedelta(days=30)).add_extension(constraints, critical=True))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def leaf(self, name=SERVER_NAME):
        """A new certificate and its key: `(chain, key, serial number)`, the first two as PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        leaf = self.build(subject, key, x509.BasicConstraints(ca=False, path_length=None), names)
        return leaf.public_bytes(serialization.Encoding.PEM), pem(key), leaf.serial_number
