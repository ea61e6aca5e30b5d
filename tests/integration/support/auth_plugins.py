"""What clients and accounts of other plugins than mysql_native_password compute, without libraries."""

import base64
import hashlib
import os


def sha2_answer(password, nonce):
    """The fast answer of caching_sha2_password."""
    stage1 = hashlib.sha256(password.encode()).digest()
    stage2 = hashlib.sha256(stage1).digest()
    mask = hashlib.sha256(stage2 + nonce).digest()
    return bytes(a ^ b for a, b in zip(stage1, mask))


def sha2_encrypted(password, nonce, public_key):
    """The password of caching_sha2_password for the owner of a PEM key: RSA-OAEP (RFC 8017)."""
    clear = password.encode() + b"\0"
    masked = bytes(byte ^ nonce[at % len(nonce)] for at, byte in enumerate(clear))
    modulus, exponent = _rsa_numbers(public_key)
    size, digest = (modulus.bit_length() + 7) // 8, hashlib.sha1(b"").digest()
    room = size - 2 * len(digest) - 2
    assert len(masked) <= room, "the password is longer than the key"
    block = digest + bytes(room - len(masked)) + b"\1" + masked
    seed = os.urandom(len(digest))
    block = _masked(block, seed)
    return pow(int.from_bytes(b"\0" + _masked(seed, block) + block, "big"), exponent,
               modulus).to_bytes(size, "big")


def _masked(data, seed):
    """`data` under the mask that SHA-1 makes of `seed` (MGF1)."""
    count = (len(data) + 19) // 20
    mask = b"".join(hashlib.sha1(seed + number.to_bytes(4, "big")).digest()
                    for number in range(count))
    return bytes(a ^ b for a, b in zip(data, mask))


def _rsa_numbers(pem):
    """Modulus and exponent of a SubjectPublicKeyInfo."""
    lines = pem.decode().strip().splitlines()
    assert lines[0] == "-----BEGIN PUBLIC KEY-----", lines[0]
    outer, _ = _der(base64.b64decode("".join(lines[1:-1])))
    _algorithm, rest = _der(outer)
    key, _ = _der(_der(rest)[0][1:])  # within a bit string, whose first byte counts unused bits
    modulus, rest = _der(key)
    return int.from_bytes(modulus, "big"), int.from_bytes(_der(rest)[0], "big")


def _der(data):
    """The content of the first element, and what follows it."""
    size, at = data[1], 2
    if size & 0x80:
        at = 2 + (size & 0x7F)
        size = int.from_bytes(data[2:at], "big")
    return data[at:at + size], data[at + size:]


# Ed25519 (RFC 8032) with the secret that MariaDB takes: SHA-512 of the password.
_P = 2 ** 255 - 19
_ORDER = 2 ** 252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P


def _base():
    y = 4 * pow(5, _P - 2, _P) % _P
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P)
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    return (_P - x if x % 2 else x), y


def _add(left, right):
    (x1, y1), (x2, y2) = left, right
    term = _D * x1 * x2 * y1 * y2 % _P
    return ((x1 * y2 + x2 * y1) * pow(1 + term, _P - 2, _P) % _P,
            (y1 * y2 + x1 * x2) * pow(1 - term, _P - 2, _P) % _P)


def _times(scalar):
    """The encoded multiple of the base point."""
    result, point = (0, 1), _base()
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point = _add(point, point)
        scalar >>= 1
    return (result[1] | (result[0] & 1) << 255).to_bytes(32, "little")


def _number(data):
    return int.from_bytes(hashlib.sha512(data).digest(), "little")


def _secret(password):
    secret = bytearray(hashlib.sha512(password.encode()).digest())
    secret[0] &= 248
    secret[31] = secret[31] & 63 | 64
    return int.from_bytes(secret[:32], "little"), bytes(secret[32:])


def ed25519_answer(password, nonce):
    scalar, prefix = _secret(password)
    key = _times(scalar)
    random = _number(prefix + nonce) % _ORDER
    commitment = _times(random)
    answer = (random + _number(commitment + key + nonce) * scalar) % _ORDER
    return commitment + answer.to_bytes(32, "little")
