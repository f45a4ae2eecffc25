"""Two independent verifiers that know the issuer only by its published key set.

Reads lines of JSON `{"now", "token"}` and answers one line each: `ok`, or why not. The key set is
read again when it is older, by the caller's clock, than its `Cache-Control` allows, and at no other
moment: an unknown key is a refusal.
"""

import json
import sys
import urllib.request
import warnings

import jwt as pyjwt
from joserfc import jwk, jwt

warnings.filterwarnings("ignore")
URL, ISSUER, AUDIENCE = sys.argv[1:4]
ALGORITHMS = ["RS256", "ES256", "EdDSA"]


class Published:
    """The key set, as long as it may be kept."""

    def __init__(self):
        self.until = 0

    def at(self, now):
        if now >= self.until:
            with urllib.request.urlopen(URL, timeout=10) as answer:
                control = answer.headers["Cache-Control"]
                document = json.load(answer)
            self.until = now + int(control.split("max-age=")[1])
            self.joserfc = jwk.KeySet.import_key_set(document)
            self.pyjwt = pyjwt.PyJWKSet.from_dict(document)
        return self


def verify(published, now, token):
    registry = jwt.JWTClaimsRegistry(
        now=now,
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": AUDIENCE},
        exp={"essential": True},
    )
    one = jwt.decode(token, published.joserfc, algorithms=ALGORITHMS)
    registry.validate(one.claims)
    # PyJWT has no clock of its caller's: the times were checked above.
    key = published.pyjwt[pyjwt.get_unverified_header(token)["kid"]]
    times = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
    other = pyjwt.decode(
        token, key, algorithms=ALGORITHMS, audience=AUDIENCE, issuer=ISSUER, options=times
    )
    if one.claims != other or one.header["typ"] != "at+jwt":
        raise ValueError("they read different things")


published = Published()
for line in sys.stdin:
    asked = json.loads(line)
    try:
        verify(published.at(asked["now"]), asked["now"], asked["token"])
        print("ok", flush=True)
    except Exception as error:  # whatever it is, it is a refusal
        print(f"{type(error).__name__}: {error}", flush=True)
