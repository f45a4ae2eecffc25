"""A SPIFFE Workload API: `workload_api.py <socket> [<trust domain>]`, from the server classes that the package
`spiffe` ships. Says `ready` when it listens. Then every line is a command, answered by one line:

    rotate        another authority from now on; whoever listens is told
    both          another authority beside the one before, as while a rotation goes on
    withdraw      whoever listens is refused (`PermissionDenied`), until the next `rotate`
    svid <path>   an X509-SVID of the authority of now into `<folder>/svid.pem` and `key.pem`
    jwt <aud> <path>  a JWT-SVID of the authority of now
    bundle        what is trusted now into `<folder>/bundle.json`, in the form of SPIFFE
"""

import base64
import datetime
import json
import os
import sys
import threading
import time
from concurrent import futures

import grpc
import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from spiffe._proto import workload_pb2, workload_pb2_grpc

DOMAIN = sys.argv[2] if len(sys.argv) > 2 else "example.org"
LONGEST_SILENCE = 0.2


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """Signs the documents of a trust domain."""

    made = 0

    def __init__(self):
        Authority.made += 1
        self.id = f"authority-{Authority.made}"
        self.key = ec.generate_private_key(ec.SECP256R1())
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        self.certificate = (
            self.builder(self.id, self.key, datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(True, None), True)
            .add_extension(usage, True)
            .add_extension(san(f"spiffe://{DOMAIN}"), False)
            .sign(self.key, hashes.SHA256())
        )
        self.jwt_key = ec.generate_private_key(ec.SECP256R1())

    def builder(self, subject, key, life):
        return (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name(self.id))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now() - datetime.timedelta(minutes=1))
            .not_valid_after(now() + life)
        )

    def der(self):
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def jwk(self):
        numbers = self.jwt_key.public_key().public_numbers()
        text = lambda n: base64.urlsafe_b64encode(n.to_bytes(32, "big")).rstrip(b"=").decode()
        return {"kty": "EC", "crv": "P-256", "kid": self.id, "use": "jwt-svid",
                "x": text(numbers.x), "y": text(numbers.y)}

    def svid(self, path, folder):
        key = ec.generate_private_key(ec.SECP256R1())
        usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
        purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        leaf = (
            self.builder("program", key, datetime.timedelta(minutes=10))
            .add_extension(x509.BasicConstraints(False, None), True)
            .add_extension(usage, True)
            .add_extension(x509.ExtendedKeyUsage(purposes), False)
            .add_extension(san(f"spiffe://{DOMAIN}{path}"), False)
            .sign(self.key, hashes.SHA256())
        )
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        write(folder, "svid.pem", leaf.public_bytes(serialization.Encoding.PEM))
        write(folder, "key.pem", private)

    def token(self, audience, path):
        moment = int(time.time())
        claims = {"sub": f"spiffe://{DOMAIN}{path}", "aud": [audience],
                  "iat": moment, "exp": moment + 300}
        return jwt.encode(claims, self.jwt_key, "ES256", {"kid": self.id, "typ": "JWT"})


def san(uri):
    return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)])


def write(folder, file, content):
    with open(os.path.join(folder, file), "wb") as out:
        out.write(content)


class State:
    """What is trusted now; whoever waits is woken when it changes."""

    def __init__(self):
        self.changed = threading.Condition()
        self.version = 0
        self.authorities = [Authority()]

    def set(self, authorities):
        with self.changed:
            self.authorities = authorities
            self.version += 1
            self.changed.notify_all()

    def each(self, context):
        """The authorities, at once and whenever they change."""
        seen = None
        while context.is_active():
            with self.changed:
                if self.version == seen:
                    self.changed.wait(LONGEST_SILENCE)
                    continue
                seen, authorities = self.version, self.authorities
            if not authorities:
                context.abort(grpc.StatusCode.PERMISSION_DENIED, "no identity issued")
            yield authorities


class WorkloadApi(workload_pb2_grpc.SpiffeWorkloadAPIServicer):
    def __init__(self, state):
        self.state = state

    def asked(self, context):
        """The specification's header against requests that somebody was tricked into."""
        if ("workload.spiffe.io", "true") not in [tuple(pair) for pair in context.invocation_metadata()]:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "security header missing from request")

    def FetchX509Bundles(self, request, context):
        self.asked(context)
        for authorities in self.state.each(context):
            ders = b"".join(authority.der() for authority in authorities)
            yield workload_pb2.X509BundlesResponse(bundles={f"spiffe://{DOMAIN}": ders})

    def FetchJWTBundles(self, request, context):
        self.asked(context)
        for authorities in self.state.each(context):
            keys = json.dumps({"keys": [authority.jwk() for authority in authorities]})
            yield workload_pb2.JWTBundlesResponse(bundles={f"spiffe://{DOMAIN}": keys.encode()})


def bundle(authorities):
    """As a document (SPIFFE Trust Domain and Bundle, section 4)."""
    keys = [authority.jwk() for authority in authorities]
    keys += [{"use": "x509-svid", "kty": "EC", "x5c": [base64.b64encode(authority.der()).decode()]}
             for authority in authorities]
    return json.dumps({"keys": keys}).encode()


def obey(state, line):
    command, *words = line.split()
    if command == "rotate":
        state.set([Authority()])
    elif command == "both":
        state.set([Authority(), *state.authorities])
    elif command == "withdraw":
        state.set([])
    elif command == "svid":
        state.authorities[0].svid(words[0], FOLDER)
    elif command == "bundle":
        write(FOLDER, "bundle.new", bundle(state.authorities))
        os.replace(os.path.join(FOLDER, "bundle.new"), os.path.join(FOLDER, "bundle.json"))
    elif command == "jwt":
        return state.authorities[0].token(words[0], words[1])
    return "done"


FOLDER = os.path.dirname(sys.argv[1])
state = State()
server = grpc.server(futures.ThreadPoolExecutor(max_workers=32))
workload_pb2_grpc.add_SpiffeWorkloadAPIServicer_to_server(WorkloadApi(state), server)
assert server.add_insecure_port(f"unix:{sys.argv[1]}")
server.start()
print("ready", flush=True)
for line in sys.stdin:
    print(obey(state, line), flush=True)
server.stop(None)
