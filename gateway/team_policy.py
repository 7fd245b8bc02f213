"""A team's own rules, and those of the key that speaks, laid over a request and its plan. Pure.

`narrowed` adds what the rules ask of routing before a plan is made; `within` takes from a plan whatever
they forbid, so that a fallback, a stand-in or a successor is judged like what was asked for. A refusal
names its rule. `pre_send` is for what is about to leave: a check of ours for secrets, and any other that
the installation plugs in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from msgspec import structs

from gateway.catalog import Catalog
from gateway.errors import Forbidden, PolicyRefused
from gateway.messages import CompletionRequest
from gateway.routing import Candidate, Dropped, Plan
from gateway.secret_check import check_secrets
from identity.policy import OPEN, allowed
from identity.principal import Principal

PreSend = Callable[[Principal, CompletionRequest], CompletionRequest]
"""Returns the request as it may leave; raises `PolicyRefused` where it may not. Called on the loop."""


def narrowed(principal: Principal, asked: CompletionRequest) -> CompletionRequest:
    """With the key's tags, and with what the team asks of every provider. Raises `Forbidden`."""
    if not principal.ready:
        raise Forbidden("This team waits for the operator's approval, and sends no prompts until then.")
    policy = principal.policy
    if principal.tags:
        asked = structs.replace(asked, tags=tuple(dict.fromkeys((*asked.tags, *principal.tags))))
    if policy.zero_retention or policy.no_training:
        wants = replace(
            asked.routing,
            zero_data_retention=asked.routing.zero_data_retention or policy.zero_retention,
            no_training=asked.routing.no_training or policy.no_training,
        )
        asked = structs.replace(asked, routing=wants)
    return asked


def within(principal: Principal, plan: Plan, catalog: Catalog) -> Plan:
    """The plan without what the rules forbid. Raises `PolicyRefused` where nobody is left."""
    policy = principal.policy
    if not principal.models and policy == OPEN:
        return plan
    left: list[Candidate] = []
    refused: list[tuple[Candidate, str, str]] = []
    for candidate in plan.candidates:
        broken = _broken(principal, candidate, catalog)
        if broken is None:
            left.append(candidate)
        else:
            refused.append((candidate, *broken))
    if not left:
        _, rule, reason = refused[0]
        raise PolicyRefused(rule, reason)
    dropped = tuple(
        Dropped(candidate.model.id, candidate.provider.id, reason) for candidate, _, reason in refused
    )
    return structs.replace(plan, candidates=tuple(left), dropped=(*plan.dropped, *dropped))


def checked(
    principal: Principal, asked: CompletionRequest, hooks: Sequence[PreSend] = ()
) -> CompletionRequest:
    """The request as it may leave. Raises `PolicyRefused`."""
    if principal.policy.secrets != "off":
        asked = check_secrets(asked, principal.policy.secrets)
    for hook in hooks:
        asked = hook(principal, asked)
    return asked


def keeps_text(principal: Principal, asked: CompletionRequest, surface: str) -> bool:
    """Whether the text of this run is written down: the team has the last word."""
    policy = principal.policy
    if policy.zero_retention or policy.text_days == 0:
        return False
    return policy.keeps_text(surface) or asked.keep


def why_not(principal: Principal, model_id: str) -> str | None:
    """Why the rules keep this model from this principal, in words; None where they do not. For pickers."""
    broken = _model_broken(principal, model_id)
    return f"{broken[1][0].upper()}{broken[1][1:]}." if broken is not None else None


def _broken(principal: Principal, candidate: Candidate, catalog: Catalog) -> tuple[str, str] | None:
    """The rule that a candidate breaks, and why in words."""
    policy, provider = principal.policy, candidate.provider.id
    if (broken := _model_broken(principal, candidate.model.id)) is not None:
        return broken
    if policy.providers and provider not in policy.providers:
        return "providers", f"the team's rules do not allow the provider {provider}"
    if policy.regions:
        listed = catalog.provider(provider)
        regions = listed.policy.regions if listed is not None and listed.policy is not None else ()
        if not set(regions) & set(policy.regions):
            return "regions", f"{provider} does not say that it stays within {', '.join(policy.regions)}"
    if candidate.own_key_of is not None and not policy.own_provider_keys:
        return "own_provider_keys", "the team's rules do not allow its own providers' keys"
    return None


def _model_broken(principal: Principal, model_id: str) -> tuple[str, str] | None:
    if not principal.policy.allows_model(model_id):
        return "models", f"the team's rules do not allow the model {model_id}"
    if not allowed(principal.models, model_id):
        return "key_models", f"this API key is not for the model {model_id}"
    return None
