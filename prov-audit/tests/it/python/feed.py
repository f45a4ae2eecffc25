"""Has a witness cosign checkpoints with the client of `aics-witness`, and verifies its ML-DSA-44 line.

Arguments: the witness's URL, its Ed25519 key and its ML-DSA-44 key. Input: a JSON list of requests as they
would be sent; from each the checkpoint and the proof are taken.
"""

import base64
import json
import struct
import sys
import urllib.request

from aics_witness.feeder import WitnessClient
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

url, classic, quantum = sys.argv[1:]
client = WitnessClient(url, classic)


def lstring(text):
    raw = text.encode()
    return bytes([len(raw)]) + raw


for request in json.load(sys.stdin):
    head, note = request.split("\n\n", 1)
    proof = [base64.b64decode(line) for line in head.split("\n")[1:]]
    client.submit(note.encode(), lambda old, new: proof)
    origin, size, root = note.split("\n")[:3]
    print("cosigned", size)

    # The same checkpoint once more, for the line that this client does not know.
    body = f"old {size}\n\n{note}".encode()
    answer = urllib.request.urlopen(url + "/add-checkpoint", body).read().decode()
    name, _, key = quantum.split("+", 2)
    for line in answer.splitlines():
        _, signer, blob = line.split(" ")
        blob = base64.b64decode(blob)
        if len(blob) != 4 + 8 + 2420:
            continue
        assert signer == name
        time = struct.unpack(">Q", blob[4:12])[0]
        message = b"subtree/v1\n\0" + lstring(name) + struct.pack(">Q", time) + lstring(origin)
        message += struct.pack(">QQ", 0, int(size)) + base64.b64decode(root)
        public = MLDSA44PublicKey.from_public_bytes(base64.b64decode(key)[1:])
        public.verify(blob[12:], message)
        print("ML-DSA-44 verified")
