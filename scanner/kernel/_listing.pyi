def list_directory(
    descriptor: int, limit: int, rule: int, form: int, prefix: bytes, separator: bytes, as_bytes: bool
) -> (
    tuple[list[str] | list[bytes], list[str] | list[bytes], list[str] | list[bytes] | str | bytes | None, int] | None
): ...
