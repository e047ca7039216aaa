"""Access tokens among the settings."""

from pydantic import SecretStr

_SHORTEST = 16


def hard_to_guess(token: SecretStr | None) -> SecretStr | None:
    """Return the token. Raises ValueError for one that is short or not ASCII."""
    if token is None:
        return None
    value = token.get_secret_value()
    if len(value) < _SHORTEST or not value.isascii() or " " in value:
        raise ValueError(
            f"it must have {_SHORTEST} ASCII characters or more and no space: "
            "`openssl rand -hex 32` makes one"
        )
    return token
