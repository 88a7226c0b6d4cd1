PROTOCOL: int

def list_directory(
    parent: int,
    name: str | bytes | None,
    no_link: bool,
    limit: int,
    rule: int,
    form: int,
    prefix: bytes,
    separator: bytes,
    as_bytes: bool,
    keep: bool,
) -> (
    tuple[
        int,
        list[str] | list[bytes],
        list[str] | list[bytes],
        list[str] | list[bytes] | str | bytes,
        int,
        int,
        bool,
        float,
    ]
    | None
): ...
