PROTOCOL: int

def fill_rows(
    descriptor: int, names: bytes, columns: bytes, follow: bool, patient: bool, rows: bytearray, first: int, last: int
) -> tuple[int, int]: ...
