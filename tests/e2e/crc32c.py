"""CRC-32C (Castagnoli) of bytes: libisal when it can be loaded, a table otherwise (slow, but the same). And CRC-64/NVME."""

import ctypes


def _table(polynomial):
    out = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (polynomial if crc & 1 else 0)
        out.append(crc)
    return out


_TABLE = _table(0x82F63B78)
_TABLE_64 = _table(0x9A6C9329AC4BC9B5)


def crc64nvme(data):
    crc = (1 << 64) - 1
    for byte in data:
        crc = _TABLE_64[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ ((1 << 64) - 1)


def crc32c_table(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _load():
    try:
        fn = ctypes.CDLL("libisal.so.2").crc32_iscsi
    except (OSError, AttributeError):
        return crc32c_table
    fn.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_uint]
    fn.restype = ctypes.c_uint

    def fast(data):
        return fn(bytes(data), len(data), 0xFFFFFFFF) ^ 0xFFFFFFFF

    return fast if fast(b"123456789") == 0xE3069283 else crc32c_table


crc32c = _load()
