"""What is typed into a flow so that it asks for an experiment's content: a webhook, and a delay behind it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tap_experiments.definitions.audience import ATTRS
from tap_experiments.definitions.model import AudienceType

if TYPE_CHECKING:
    from tap_experiments.definitions.model import Experiment

DELAY_MINUTES = 5
"""Between the webhook and the message: one run a minute answers within two, and a call that failed is repeated."""


def path(experiment: Experiment) -> str:
    """Where the receiver takes the flow's call."""
    return f"/klaviyo/flows/{experiment.key}"


def body(experiment: Experiment) -> str:
    """The body of the webhook action: a template that becomes JSON.

    `person.KlaviyoID` is the profile's id (Klaviyo's help page on merging profiles). A flow that an event starts
    asks once per event, any other once per profile: its repetitions are known by `request_id`.
    """
    names = [field.removeprefix(ATTRS) for field in dict.fromkeys(_asked_for(experiment))]
    asked = {
        "profile_id": "{{ person.KlaviyoID }}",
        "request_id": "{{ person.KlaviyoID }}/{{ event|lookup:'$event_id' }}",
        "attrs": {name: f"{{{{ event|lookup:'{name}' }}}}" for name in names},
    }
    return json.dumps(asked, indent=2, ensure_ascii=False)


def flow_webhook(experiment: Experiment, receiver: str) -> str:
    """Address, headers and body of the webhook action, and the delay, to be typed into the flow.

    Args:
        experiment: With a flow as its audience.
        receiver: Where `klaviyo-inbox` is reached from outside, by https.

    Raises:
        ValueError: its audience is no flow.
    """
    if experiment.audience_type is not AudienceType.FLOW:
        message = (
            f"the audience of `{experiment.key}` is a {experiment.audience_type}, which calls nobody;"
            " write `audience: {flow: <its name in Klaviyo>}`"
        )
        raise ValueError(message)
    name = f"\N{LEFT DOUBLE QUOTATION MARK}{experiment.audience}\N{RIGHT DOUBLE QUOTATION MARK}"
    return "\n".join(
        [
            f"In the flow {name}, before the message:",
            "",
            "Webhook",
            f"  Destination URL   {receiver.rstrip('/')}{path(experiment)}",
            "  Header            Content-Type: application/json",
            "  Header            X-Inbox-Token: the receiver's setting `flow_token`",
            "  JSON body",
            *(f"    {line}" for line in body(experiment).splitlines()),
            "",
            f"Time delay          {DELAY_MINUTES} minutes",
            "",
            f"Message             with the template {experiment.template_name}",
        ]
    )


def _asked_for(experiment: Experiment) -> list[str]:
    return [condition.field for condition in experiment.conditions if condition.field.startswith(ATTRS)]
