"""Why somebody was turned away, named by what they do next.

IdentityError
|- NotAuthenticated   give a credential that is known and still good
|- NotPermitted       ask an owner of the team for the permission
|- KeyNotFound        no key of this team has that id
`- KeyTaken           give another key; this one exists already
"""

from __future__ import annotations


class IdentityError(Exception):
    """Anything that this package raises for its caller; `str()` is safe to show."""


class NotAuthenticated(IdentityError):
    """One sentence for every reason, so that an answer never says whether a key ever existed."""

    def __init__(self) -> None:
        super().__init__("The credential is missing, unknown or no longer valid.")


class NotPermitted(IdentityError):
    def __init__(self, permission: str, role: str) -> None:
        super().__init__(f"The role {role!r} does not have the permission {permission!r}.")
        self.permission = permission
        self.role = role


class KeyNotFound(IdentityError):
    def __init__(self, key_id: int) -> None:
        super().__init__(f"There is no API key {key_id} in this team.")
        self.key_id = key_id


class KeyTaken(IdentityError):
    def __init__(self) -> None:
        super().__init__("This API key exists already.")
