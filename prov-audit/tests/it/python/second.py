"""Verifies the second signature of a checkpoint, with ML-DSA-44 (C2SP tlog-cosignature).

Arguments: the file of the checkpoint, and that of the log's key for ML-DSA-44.
"""

import base64
import hashlib
import struct
import sys

from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

note = open(sys.argv[1], encoding="utf-8").read()
name, key_id, key = open(sys.argv[2], encoding="utf-8").read().strip().split("+", 2)
key = base64.b64decode(key)
expected = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
assert key[0] == 6 and bytes.fromhex(key_id) == expected, "the key's id"
text, signatures = note.split("\n\n", 1)
origin, size, root = text.split("\n")
verified = 0
for line in signatures.splitlines():
    _, signer, blob = line.split(" ")
    blob = base64.b64decode(blob)
    if signer != name or blob[:4] != expected:
        continue
    string = lambda text: bytes([len(text.encode())]) + text.encode()
    message = b"subtree/v1\n\0" + string(name) + blob[4:12] + string(origin)
    message += struct.pack(">QQ", 0, int(size)) + base64.b64decode(root)
    MLDSA44PublicKey.from_public_bytes(key[1:]).verify(blob[12:], message)
    verified += 1
assert verified == 1, "no signature of this key"
print("ML-DSA-44 verified", origin, size)
