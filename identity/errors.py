"""Why somebody was turned away, named by what they do next.

IdentityError
|- NotAuthenticated     give a credential that is known and still good
|- NotPermitted         ask an owner of the team for the permission
|- NotAdmitted          ask the operator to let this identity in
|- NotFound             nothing of this team has that id
|  |- KeyNotFound
|  |- TeamNotFound
|  |- MemberNotFound
|  |- InvitationNotFound  ask for a new invitation
|  `- IssuerNotFound
|- Invalid              mend what was sent; the sentence says which part
|  `- BadPolicy         mend the rule that is named
`- Conflict             look at what is there now, then decide again
   |- KeyTaken          give another key; this one exists already
   `- LastOwner         make somebody else an owner first
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


class NotAdmitted(IdentityError):
    """Who it is has been proved, and this installation does not know them."""


class NotFound(IdentityError):
    pass


class KeyNotFound(NotFound):
    def __init__(self, key_id: int) -> None:
        super().__init__(f"There is no API key {key_id} in this team.")
        self.key_id = key_id


class TeamNotFound(NotFound):
    def __init__(self, team_id: int) -> None:
        super().__init__(f"There is no team {team_id} here.")


class MemberNotFound(NotFound):
    def __init__(self, user_id: int) -> None:
        super().__init__(f"There is no member {user_id} in this team.")


class InvitationNotFound(NotFound):
    """The same for one that is unknown, used, withdrawn or too old."""

    def __init__(self) -> None:
        super().__init__("This invitation is unknown, used or too old. Ask for a new one.")


class IssuerNotFound(NotFound):
    def __init__(self, issuer_id: int) -> None:
        super().__init__(f"There is no trusted issuer {issuer_id} in this team.")


class Invalid(IdentityError):
    pass


class BadPolicy(Invalid):
    pass


class Conflict(IdentityError):
    pass


class KeyTaken(Conflict):
    def __init__(self) -> None:
        super().__init__("This API key exists already.")


class LastOwner(Conflict):
    def __init__(self) -> None:
        super().__init__("A team needs an owner: make somebody else one first.")
