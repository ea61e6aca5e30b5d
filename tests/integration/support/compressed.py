"""CompressedSocket: a socket that speaks the compressed protocol, for Wire. zlib comes with Python,
zstd is called in its library, which every Debian has."""

import ctypes
import struct
import zlib

HEADER_BYTES = 7
PLAIN_MAX = 0xFFFFFF
COMPRESS_MIN = 50  # shorter payloads are sent as they are


class _Zstd:
    def __init__(self):
        self.library = ctypes.CDLL("libzstd.so.1")
        for name in ("ZSTD_compress", "ZSTD_decompress", "ZSTD_compressBound"):
            getattr(self.library, name).restype = ctypes.c_size_t

    def compress(self, data, level=3):
        size = self.library.ZSTD_compressBound(ctypes.c_size_t(len(data)))
        out = ctypes.create_string_buffer(size)
        size = self.library.ZSTD_compress(out, ctypes.c_size_t(size), data,
                                          ctypes.c_size_t(len(data)), level)
        return out.raw[:size]

    def decompress(self, data, size):
        out = ctypes.create_string_buffer(size)
        got = self.library.ZSTD_decompress(out, ctypes.c_size_t(size), data,
                                           ctypes.c_size_t(len(data)))
        assert got == size, f"zstd gave {got} bytes, {size} were announced"
        return out.raw


def compress(algorithm, data):
    return zlib.compress(data) if algorithm == "zlib" else _Zstd().compress(data)


def packet(sequence, plain_size, payload):
    """One compressed packet, as given."""
    return (struct.pack("<I", len(payload))[:3] + bytes([sequence & 0xFF])
            + struct.pack("<I", plain_size)[:3] + payload)


class CompressedSocket:
    """Stands in for the socket of a Wire once the login is over."""

    def __init__(self, raw, algorithm, plain_max=PLAIN_MAX):
        self.raw, self.algorithm, self.plain_max = raw, algorithm, plain_max
        self.sequence = 0
        self.packets_in = self.bytes_in = self.plain_in = 0
        self._zstd = _Zstd() if algorithm == "zstd" else None
        self._buffer = bytearray()

    def begin_command(self):
        """The next packet begins a command: the numbers begin again."""
        self.sequence = 0

    def settimeout(self, seconds):
        self.raw.settimeout(seconds)

    def close(self):
        self.raw.close()

    def sendall(self, data):
        out = []
        for at in range(0, len(data), self.plain_max):
            piece = bytes(data[at:at + self.plain_max])
            payload = compress(self.algorithm, piece) if len(piece) >= COMPRESS_MIN else piece
            shorter = len(payload) < len(piece)
            out.append(packet(self.sequence, len(piece) if shorter else 0,
                              payload if shorter else piece))
            self.sequence = (self.sequence + 1) & 0xFF
        self.raw.sendall(b"".join(out))

    def _take(self, size):
        while len(self._buffer) < size:
            piece = self.raw.recv(1 << 18)
            if not piece:
                return None
            self._buffer += piece
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def recv(self, _size):
        """The contents of the next compressed packet."""
        header = self._take(HEADER_BYTES)
        if header is None:
            return b""
        size, plain = (int.from_bytes(header[at:at + 3], "little") for at in (0, 4))
        assert header[3] == self.sequence, f"compressed packet {header[3]}, not {self.sequence}"
        self.sequence = (self.sequence + 1) & 0xFF
        payload = self._take(size)
        self.packets_in += 1
        self.bytes_in += HEADER_BYTES + size
        if plain:
            payload = (self._zstd.decompress(payload, plain) if self._zstd
                       else zlib.decompress(payload))
            assert len(payload) == plain, f"{len(payload)} bytes, {plain} were announced"
        self.plain_in += len(payload)
        return payload
